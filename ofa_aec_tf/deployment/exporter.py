"""Exports one model: converts it, checks the file, measures what it costs."""

import dataclasses
import hashlib
from collections.abc import Mapping

from ofa_aec_tf.deployment import export_checks
from ofa_aec_tf.deployment import file_checks
from ofa_aec_tf.deployment import parity as parities
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.tflite import converter as tflite_converter
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import runner as tflite_runner

MODES = (*tflite_converter.QUANTIZATION_MODES, tflite_converter.INT8_QAT)


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """A TFLite model that passed the checks, and what was measured on it.

    Args:
        content: bytes of the file.
        runner: TFLiteModel that runs it.
        parity: Parity with the Keras model in float32; None for a front end.
        latency_ms: float. Median of one run on this machine, one thread.
        summary: TFLiteSummary of the file.
        metrics: dict or None. Of the network in the file, on evaluation
            clips.
    """

    content: bytes
    runner: tflite_runner.TFLiteModel
    parity: parities.Parity | None
    latency_ms: float
    summary: inspection.TFLiteSummary
    metrics: Mapping | None = None

    def report(self, file_name):
        """What `export.json` says about this file, as a dict of JSON types.

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


def export_modes(
    model,
    modes,
    calibration_clips,
    parity_clips,
    runtime=tflite_converter.ANY_RUNTIME,
    num_latency_runs=30,
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
        runtime: one of `tflite_converter.RUNTIMES`.
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
            model, num_frames, num_mel_bins, mode, calibration_clips, runtime
        )
        yield (
            mode,
            check_and_measure(
                content,
                model,
                mode,
                parity_clips,
                reference_scores,
                runtime,
                num_latency_runs,
            ),
        )


def check_and_measure(
    content,
    model,
    mode,
    parity_clips,
    reference_scores,
    runtime=tflite_converter.ANY_RUNTIME,
    num_latency_runs=30,
) -> ExportedFile:
    """Checks that a file is fit to be shipped, and measures what it costs.

    Args:
        content: bytes of a `.tflite` file.
        model: keras.Model whose weights are in it, in float32.
        mode: one of `tflite_converter.QUANTIZATION_MODES`, or `INT8_QAT`.
        parity_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB.
        reference_scores: float array of shape (num_clips, num_classes): what
            the file should give for them. Under `INT8_QAT` these are the
            scores of `QuantizedNetwork.predict`, not the model's.
        runtime: one of `tflite_converter.RUNTIMES`.
        num_latency_runs: int. Runs that the latency is the median of.

    Returns:
        ExportedFile.

    Raises:
        ValueError: if the file fails a check.
    """
    summary = inspection.summarize(content)
    runner = _check_content(
        content, summary, mode, parity_clips, reference_scores, runtime
    )
    export_checks.check_weights_are_inside(summary, model, mode)
    scores = runner.predict(parity_clips)
    parity = parities.compare(reference_scores, scores)
    export_checks.check_score_resolution(reference_scores, scores, mode)
    export_checks.check_parity(parity, mode)
    return ExportedFile(
        content=content,
        runner=runner,
        parity=parity,
        latency_ms=measurement.measure(
            content, measurement.Timing(num_latency_runs, turns=1)
        ).median_ms,
        summary=summary,
    )


def check_quantized(
    quantized, model, parity_clips, runtime=tflite_converter.ANY_RUNTIME
) -> ExportedFile:
    """Checks a file of quantization-aware training as `check_and_measure`.

    Args:
        quantized: QuantizedNetwork of the file. Its scores are what the file
            must give.
        model: keras.Model that it was made from, in float32.
        parity_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB.
        runtime: one of `tflite_converter.RUNTIMES`.

    Returns:
        ExportedFile, with the parity of the file with `model`.

    Raises:
        ValueError: if the file fails a check.
    """
    file = check_and_measure(
        quantized.content,
        model,
        tflite_converter.INT8_QAT,
        parity_clips,
        quantized.predict(parity_clips),
        runtime,
    )
    reference_scores = model.predict(parity_clips, batch_size=8, verbose=0)
    parity = parities.compare(
        reference_scores, file.runner.predict(parity_clips)
    )
    export_checks.check_trained_parity(parity)
    return dataclasses.replace(file, parity=parity)


def _check_content(
    content, summary, mode, parity_clips, reference_scores, runtime
):
    """Checks what can be told from the file; returns what runs it."""
    what = f"{mode} file"
    file_checks.check_operators(summary, what, file_checks.NETWORK_OPERATORS)
    file_checks.check_interface(
        summary,
        what,
        (1, *parity_clips.shape[1:]),
        (1, reference_scores.shape[1]),
    )
    file_checks.check_sigmoid(summary, what)
    file_checks.check_constants_are_finite(content, what)
    if runtime == tflite_converter.ANY_RUNTIME:
        file_checks.check_runtime(summary, what)
    runner = tflite_runner.TFLiteModel(content)
    file_checks.check_finite(runner, what)
    return runner


def int8_sigmoid(
    model, calibration_clips, parity_clips
) -> tuple[tflite_runner.TFLiteModel, parities.Parity]:
    """What the converter's own int8 file, with an int8 sigmoid, would give.

    Args:
        model: keras.Model, as for `export_modes`.
        calibration_clips: float32 array, as for `export_modes`.
        parity_clips: float32 array, as for `export_modes`.

    Returns:
        tuple of the TFLiteModel and its Parity with the Keras model.

    Raises:
        ValueError: if the model cannot be converted.
    """
    _, num_frames, num_mel_bins = parity_clips.shape
    model = tflite_converter.float32_model(model)
    runner = tflite_runner.TFLiteModel(
        tflite_converter.convert(
            model,
            num_frames,
            num_mel_bins,
            tflite_converter.INT8_SIGMOID,
            calibration_clips,
        )
    )
    reference_scores = model.predict(parity_clips, batch_size=8, verbose=0)
    return runner, parities.compare(
        reference_scores, runner.predict(parity_clips)
    )
