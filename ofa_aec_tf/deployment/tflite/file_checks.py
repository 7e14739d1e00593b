"""Checks of a TFLite file that need nothing but the file."""

import numpy as np

from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite import probe_waveforms
from ofa_aec_tf.deployment.tflite.metadata import AudioMetadata
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel

# The operators that networks of this package are converted to. Every TFLite
# runtime has had them since 2.4, and GELU since 2.9.
NETWORK_OPERATORS = frozenset(
    """
    ADD AVERAGE_POOL_2D BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE
    FULLY_CONNECTED GELU HARD_SWISH LOGISTIC MAX_POOL_2D MEAN MUL NEG PAD
    QUANTIZE REDUCE_MAX RELU RELU6 RESHAPE RSQRT SOFTMAX SQUARED_DIFFERENCE
    STRIDED_SLICE SUB TANH TRANSPOSE
    """.split()
)
FRONTEND_OPERATORS = frozenset(
    """
    ADD CONCATENATION FULLY_CONNECTED IMAG LOG MAXIMUM MIRROR_PAD MUL PAD
    REAL RESHAPE RFFT2D SQUARE STRIDED_SLICE
    """.split()
)
SILENCE_DB, LOUD_DB = -100.0, 40.0
# The sample rate of the probes for a front end, which does not state its own.
_ANY_RATE_HZ = 32_000
# The first runtime with RFFT2D. The converter states it for all files that
# export writes.
OLD_RUNTIME = "2.5.0"


def check_builtin_operators(summary, what):
    """Refuses operators that are not built into TFLite.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        what: str. What to call the file in messages.

    Raises:
        ValueError: naming the operators.
    """
    foreign = set(summary.operators) - inspection.BUILTIN_OPERATORS
    if foreign:
        raise ValueError(
            f"The {what} has operators that are not built into TFLite: "
            f"{sorted(foreign)}. An app would need TensorFlow or kernels of "
            "its own to run them. Convert the model with builtin operators "
            "only."
        )


def check_operators(summary, what, allowed):
    """Refuses operators that export has not been tested with.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        what: str. What to call the file in messages.
        allowed: set of str. Operators that are known to work on old runtimes.

    Raises:
        ValueError: naming the operators.
    """
    others = sorted(set(summary.operators) - allowed)
    if others:
        raise ValueError(
            f"The {what} has operators that no export was tried with on the "
            f"runtimes of phones: {others}. Build the model of layers that "
            f"become {sorted(allowed)}."
        )


def check_interface(summary, what, input_shape, output_shape):
    """Checks that a file has one subgraph, one input and one output.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        what: str. What to call the file in messages.
        input_shape: tuple of int.
        output_shape: tuple of int.

    Raises:
        ValueError: if there are several, or if one is not float32 or has
            another shape.
    """
    if summary.num_subgraphs != 1:
        raise ValueError(
            f"The {what} must have one subgraph, so that every runtime "
            f"runs it. Received: {summary.num_subgraphs}"
        )
    for end, tensors, shape in (
        ("input", summary.inputs, input_shape),
        ("output", summary.outputs, output_shape),
    ):
        received = [(tensor.dtype, tensor.shape) for tensor in tensors]
        if received != [("float32", shape)]:
            raise ValueError(
                f"The {what} must have one {end}, float32 of shape "
                f"{shape}. Received: {received}"
            )


def check_sigmoid(summary, what):
    """Refuses a quantized sigmoid or softmax.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        what: str. What to call the file in messages.

    Raises:
        ValueError: naming the dtypes.
    """
    for operator in ("LOGISTIC", "SOFTMAX"):
        dtypes = summary.activation_dtypes.get(operator, ())
        if set(dtypes) - {"float32"}:
            raise ValueError(
                "The sigmoid must stay in float32, because quantized it turns "
                "every score below 1/512 into zero. "
                f"Received: {operator} of {list(dtypes)} in the {what}"
            )


def check_constants_are_finite(content, what):
    """Refuses weights that are NaN or infinite.

    Args:
        content: bytes of the file.
        what: str. What to call the file in messages.

    Raises:
        ValueError: naming the tensor.
    """
    for name, values in inspection.float_constants(content):
        num_broken = int(np.sum(~np.isfinite(values)))
        if num_broken:
            raise ValueError(
                f"{num_broken} of {values.size} values of the constant "
                f"{name!r} in the {what} are NaN or infinite. Export the "
                "model again, from a checkpoint that is sound."
            )


def check_finite(model, what):
    """Checks that silence and an overdriven input give finite scores.

    Args:
        model: TFLiteModel that takes log-mel spectrograms.
        what: str. What to call the file in messages.

    Raises:
        ValueError: if a score is not finite.
    """
    for sound, level_db in (("silence", SILENCE_DB), ("overload", LOUD_DB)):
        clip = np.full(model.input_shape, level_db, np.float32)
        _check_outputs(
            model.predict(clip),
            what,
            f"{sound} (all mel bands at {level_db:g} dB)",
        )


def _check_probes(model, what, sample_rate_hz):
    """Checks that a model which takes samples gives finite outputs."""
    num_samples = model.input_shape[1]
    probes = probe_waveforms.probes(num_samples, sample_rate_hz)
    for sound, waveform in probes.items():
        _check_outputs(model.predict(waveform[np.newaxis]), what, sound)


def _check_outputs(scores, what, sound):
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The {what} gives {np.sum(~np.isfinite(scores))} of "
            f"{scores.size} scores that are not finite on {sound}. Check the "
            "weights and the batch-normalization statistics of the model."
        )


def check_runtime(summary, what):
    """Checks that TFLite runtimes of the last years have all the operators.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        what: str. What to call the file in messages.

    Raises:
        ValueError: naming the runtime that the file needs.
    """
    number = flatbuffer.version_number
    version = summary.min_runtime_version
    if version is None or number(version) > number(OLD_RUNTIME):
        raise ValueError(
            f"The {what} needs the TFLite runtime {version}, and "
            f"--runtime=any allows {OLD_RUNTIME}. Leave this mode out, or "
            "export with --runtime=current."
        )


def _check_structure(content, summary, what):
    """Checks operators, interface and weights, whatever the file takes."""
    check_builtin_operators(summary, what)
    (given,), (result,) = summary.inputs, summary.outputs
    check_interface(
        summary, what, (1, *given.shape[1:]), (1, *result.shape[1:])
    )
    check_sigmoid(summary, what)
    check_constants_are_finite(content, what)


def _ranks(summary):
    return [
        [len(tensor.shape) for tensor in tensors]
        for tensors in (summary.inputs, summary.outputs)
    ]


def check_waveform_file(
    content: bytes, what: str
) -> tuple[TFLiteModel, AudioMetadata]:
    """Checks all that an app relies on in a file that takes samples.

    Args:
        content: bytes of the file.
        what: str. What to call the file in messages.

    Returns:
        tuple of the TFLiteModel that runs it and its AudioMetadata.

    Raises:
        ValueError: naming what is wrong with it.
    """
    summary = inspection.summarize(content)
    if _ranks(summary) != [[2], [2]]:
        shapes = [t.shape for t in (*summary.inputs, *summary.outputs)]
        raise ValueError(
            f"The {what} must take samples of shape (1, num_samples) and give "
            f"scores of shape (1, num_classes). Received: shapes {shapes}. A "
            "file on log-mel spectrograms is not for MediaPipe."
        )
    _check_structure(content, summary, what)
    try:
        found = metadata.read(content)
    except ValueError as error:
        raise ValueError(
            f"The metadata of the {what} are not what apps need: {error} "
            "Export the model again."
        ) from error
    (scores,) = summary.outputs
    if len(found.labels) != scores.shape[1]:
        raise ValueError(
            f"The {what} must have a label for each of its {scores.shape[1]} "
            f"scores. Received: {len(found.labels)} labels"
        )
    model = TFLiteModel(content)
    _check_probes(model, what, found.sample_rate_hz)
    return model, found


def check_file(content: bytes, what: str) -> AudioMetadata | None:
    """Checks a file of any kind that export writes.

    Args:
        content: bytes of the file.
        what: str. What to call the file in messages.

    Returns:
        AudioMetadata of a file from samples to scores. None for a front end
        and for a file that takes log-mel spectrograms.

    Raises:
        ValueError: naming what is wrong with it.
    """
    summary = inspection.summarize(content)
    ranks = _ranks(summary)
    if ranks not in ([[3], [2]], [[2], [3]]):
        return check_waveform_file(content, what)[1]
    _check_structure(content, summary, what)
    model = TFLiteModel(content)
    if ranks == [[3], [2]]:
        check_finite(model, what)
    else:
        _check_probes(model, what, _ANY_RATE_HZ)
    return None
