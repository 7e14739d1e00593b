"""Converts one network, checks the files, and measures what they cost."""

import dataclasses
import hashlib
from collections.abc import Mapping

from ofa_aec_tf.deployment import parity as parities
from ofa_aec_tf.deployment.export import fidelity_checks
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel

MODES = (*converter.QUANTIZATION_MODES, converter.INT8_QAT)
_NUM_LATENCY_RUNS = 30


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """A TFLite file that passed the checks, and what was measured on it.

    Args:
        content: bytes of the file.
        runner: TFLiteModel that runs it.
        parity: Parity with the Keras model in float32; None for a front end.
        latency_ms: float. Median of one run on this machine, one thread.
        summary: TFLiteSummary of the file.
        metrics: dict or None. Metrics of the network on evaluation clips.
    """

    content: bytes
    runner: TFLiteModel
    parity: parities.Parity | None
    latency_ms: float
    summary: inspection.TFLiteSummary
    metrics: Mapping | None = None

    @classmethod
    def measure(
        cls,
        content,
        runner,
        parity=None,
        metrics=None,
        num_latency_runs=_NUM_LATENCY_RUNS,
    ) -> "ExportedFile":
        """The file with its latency and its summary.

        Args:
            content, runner, parity, metrics: as for the class.
            num_latency_runs: int. The latency is the median of these runs.
        """
        return cls(
            content,
            runner,
            parity,
            measurement.measure(
                content, measurement.Timing(num_latency_runs, turns=1)
            ).median_ms,
            inspection.summarize(content),
            metrics,
        )

    def report(self, file_name):
        """The entry of this file in `export.json`, a dict of JSON types.

        Args:
            file_name: str. Name that the content is stored under.
        """
        report = {
            "file": file_name,
            "num_bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "input_shape": list(self.runner.input_shape),
            "parity": None if self.parity is None else self.parity.to_json(),
            "latency_ms": self.latency_ms,
            "operators": dict(self.summary.operators),
            "operator_versions": dict(self.summary.operator_versions),
            "min_runtime_version": self.summary.min_runtime_version,
        }
        if self.metrics is not None:
            report["metrics"] = dict(self.metrics)
        return report


class NetworkExporter:
    """Converts a network, mode by mode, and checks each file.

    Args:
        model: keras.Model from log-mel spectrograms to scores, under any
            dtype policy.
        parity_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB, from the validation split. Its number of
            frames is the one that the files take.
        calibration_clips: float32 array like `parity_clips`, from the
            training split. Only `"int8"` needs them.
        runtime: one of `converter.RUNTIMES`.
        num_latency_runs: int. Latencies are medians of these runs.
    """

    def __init__(
        self,
        model,
        parity_clips,
        calibration_clips=None,
        runtime=converter.ANY_RUNTIME,
        num_latency_runs=_NUM_LATENCY_RUNS,
    ):
        self.model = converter.float32_model(model)
        self._parity_clips = parity_clips
        self._calibration_clips = calibration_clips
        self._runtime = runtime
        self._num_latency_runs = num_latency_runs
        self._reference_scores = self.model.predict(
            parity_clips, batch_size=8, verbose=0
        )

    def _convert(self, mode):
        _, num_frames, num_mel_bins = self._parity_clips.shape
        return converter.convert(
            self.model,
            num_frames,
            num_mel_bins,
            mode,
            self._calibration_clips,
            self._runtime,
        )

    def export(self, mode) -> ExportedFile:
        """Converts the network in one mode.

        Args:
            mode: one of `converter.QUANTIZATION_MODES`.

        Raises:
            ValueError: if it cannot be converted, or the file fails a check.
        """
        return self.check(self._convert(mode), mode, self._reference_scores)

    def check_quantized(self, quantized) -> ExportedFile:
        """Checks the file of quantization-aware training.

        Args:
            quantized: QuantizedNetwork, made from this model. The file must
                give the scores of its network.

        Returns:
            ExportedFile, with the parity between the file and this model.

        Raises:
            ValueError: if the file fails a check.
        """
        file = self.check(
            quantized.content,
            converter.INT8_QAT,
            quantized.predict(self._parity_clips),
        )
        parity = self._parity(file.runner)
        fidelity_checks.check_trained_parity(parity)
        return dataclasses.replace(file, parity=parity)

    def int8_sigmoid(self) -> tuple[TFLiteModel, parities.Parity]:
        """What the converter's own int8 file would give.

        Its sigmoid is in int8 too. It is reported, and never shipped.

        Returns:
            tuple of the TFLiteModel and its Parity with the Keras model.
        """
        runner = TFLiteModel(self._convert(converter.INT8_SIGMOID))
        return runner, self._parity(runner)

    def _parity(self, runner):
        return parities.compare(
            self._reference_scores, runner.predict(self._parity_clips)
        )

    def check(self, content, mode, expected_scores) -> ExportedFile:
        """Checks that a file is fit to be shipped, and measures it.

        Args:
            content: bytes of a `.tflite` file with the weights of this model.
            mode: one of `MODES`.
            expected_scores: float array of shape (num_clips, num_classes).
                What the file must give for the parity clips.

        Raises:
            ValueError: if the file fails a check.
        """
        summary = inspection.summarize(content)
        what = f"{mode} file"
        file_checks.check_operators(
            summary, what, file_checks.NETWORK_OPERATORS
        )
        file_checks.check_interface(
            summary,
            what,
            (1, *self._parity_clips.shape[1:]),
            (1, expected_scores.shape[1]),
        )
        file_checks.check_sigmoid(summary, what)
        file_checks.check_constants_are_finite(content, what)
        if self._runtime == converter.ANY_RUNTIME:
            file_checks.check_runtime(summary, what)
        runner = TFLiteModel(content)
        file_checks.check_finite(runner, what)
        fidelity_checks.check_weights_are_inside(summary, self.model, mode)
        scores = runner.predict(self._parity_clips)
        parity = parities.compare(expected_scores, scores)
        fidelity_checks.check_score_resolution(expected_scores, scores, mode)
        fidelity_checks.check_parity(parity, mode)
        return ExportedFile.measure(
            content, runner, parity, num_latency_runs=self._num_latency_runs
        )
