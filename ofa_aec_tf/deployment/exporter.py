"""Exports one model: converts it, checks the file, measures what it costs."""

import dataclasses
import hashlib
from collections.abc import Mapping

from ofa_aec_tf.deployment import export_checks
from ofa_aec_tf.deployment import parity as parities
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.deployment import tflite_inspection
from ofa_aec_tf.deployment import tflite_runner


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """A TFLite model that passed the checks, and what was measured on it.

    Args:
        content: bytes of the file.
        runner: TFLiteModel that runs it.
        parity: Parity with the Keras model in float32.
        latency_ms: float. Median of one run on this machine, one thread.
        operators: dict from operator name to how often it occurs.
        operator_versions: dict from operator name to its highest version.
    """

    content: bytes
    runner: tflite_runner.TFLiteModel
    parity: parities.Parity
    latency_ms: float
    operators: Mapping[str, int]
    operator_versions: Mapping[str, int]

    def report(self, file_name):
        """What `export.json` says about this file, as a dict of JSON types.

        Args:
            file_name: str. Name that the content is stored under.
        """
        return {
            "file": file_name,
            "num_bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "parity": self.parity.to_json(),
            "latency_ms": self.latency_ms,
            "operators": dict(self.operators),
            "operator_versions": dict(self.operator_versions),
        }


def export_modes(
    model, modes, calibration_clips, parity_clips, num_latency_runs=30
):
    """Converts a model and checks that each result is fit to be shipped.

    Args:
        model: keras.Model from log-mel spectrograms to scores, under any
            dtype policy.
        modes: sequence of `tflite_converter.QUANTIZATION_MODES`.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB, from the training split. Only `"int8"` reads
            them; None is right for the other modes.
        parity_clips: float32 array of the same shape but for the number of
            clips, from the validation split. It sets the exported length.
        num_latency_runs: int. Runs that the latency is the median of.

    Yields:
        `(mode, ExportedFile)`, one by one.

    Raises:
        ValueError: if the model cannot be converted or a file fails a check.
    """
    _, num_frames, num_mel_bins = parity_clips.shape
    model = tflite_converter.float32_model(model)
    reference_scores = model.predict(parity_clips, batch_size=8, verbose=0)
    for mode in modes:
        content = tflite_converter.convert(
            model, num_frames, num_mel_bins, mode, calibration_clips
        )
        summary = tflite_inspection.summarize(content)
        export_checks.check_contents(
            summary,
            model,
            mode,
            num_frames,
            num_mel_bins,
            num_classes=reference_scores.shape[1],
        )
        runner = tflite_runner.TFLiteModel(content)
        export_checks.check_finite(runner, mode)
        parity = parities.compare(
            reference_scores, runner.predict(parity_clips)
        )
        export_checks.check_parity(parity, mode)
        yield (
            mode,
            ExportedFile(
                content=content,
                runner=runner,
                parity=parity,
                latency_ms=runner.median_latency_ms(num_latency_runs),
                operators=summary.operators,
                operator_versions=summary.operator_versions,
            ),
        )
