"""Checks that need nothing but the file, as it lies on a disk or a phone."""

import numpy as np

from ofa_aec_tf.deployment import waveforms
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import metadata as tflite_metadata
from ofa_aec_tf.deployment.tflite import runner as tflite_runner

# What the networks of this package become. All of it is built into every
# TFLite runtime since 2.4, but for GELU, which is since 2.9.
NETWORK_OPERATORS = frozenset(
    (
        "ADD",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEQUANTIZE",
        "FULLY_CONNECTED",
        "GELU",
        "HARD_SWISH",
        "LOGISTIC",
        "MAX_POOL_2D",
        "MEAN",
        "MUL",
        "NEG",
        "PAD",
        "QUANTIZE",
        "REDUCE_MAX",
        "RELU",
        "RELU6",
        "RESHAPE",
        "RSQRT",
        "SOFTMAX",
        "SQUARED_DIFFERENCE",
        "STRIDED_SLICE",
        "SUB",
        "TANH",
        "TRANSPOSE",
    )
)
FRONTEND_OPERATORS = frozenset(
    (
        "ADD",
        "CONCATENATION",
        "FULLY_CONNECTED",
        "IMAG",
        "LOG",
        "MAXIMUM",
        "MIRROR_PAD",
        "MUL",
        "PAD",
        "REAL",
        "RESHAPE",
        "RFFT2D",
        "SQUARE",
        "STRIDED_SLICE",
    )
)
SILENCE_DB = -100.0
# A front end alone does not say its rate; its probes are of any.
_ANY_RATE_HZ = 32_000
LOUD_DB = 40.0
# RFFT2D is from then; the converter names this runtime for all that we write.
OLD_RUNTIME = "2.5.0"


def check_builtin_operators(summary, what):
    """Refuses operators that are not built into TFLite.

    Args:
        summary: `inspection.TFLiteSummary`.
        what: str. Of the file, for messages.

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
    """Refuses operators that export does not write.

    Args:
        summary: `inspection.TFLiteSummary`.
        what: str. Of the file, for messages.
        allowed: set of str, those that are known to work on old runtimes.

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
    """Checks subgraph, input and output.

    Args:
        summary: `inspection.TFLiteSummary`.
        what: str. Of the file, for messages.
        input_shape: tuple of int.
        output_shape: tuple of int.

    Raises:
        ValueError: if there is more than one subgraph, input or output, or one
            is not float32 or not of its shape.
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
        summary: `inspection.TFLiteSummary`.
        what: str. Of the file, for messages.

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
        what: str. Of the file, for messages.

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


def check_finite(runner, what):
    """Checks that silence and an overdriven input give finite scores.

    Args:
        runner: `tflite_runner.TFLiteModel` on log-mel spectrograms.
        what: str. Of the file, for messages.

    Raises:
        ValueError: if a score is not finite.
    """
    for sound, level_db in (("silence", SILENCE_DB), ("overload", LOUD_DB)):
        clip = np.full(runner.input_shape, level_db, np.float32)
        _check_scores(
            runner.predict(clip),
            what,
            f"{sound} (all mel bands at {level_db:g} dB)",
        )


def _check_scores(scores, what, sound):
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The {what} gives {np.sum(~np.isfinite(scores))} of "
            f"{scores.size} scores that are not finite on {sound}. Check the "
            "weights and the batch-normalization statistics of the model."
        )


def check_waveform_file(
    content: bytes, what: str
) -> tuple[tflite_runner.TFLiteModel, tflite_metadata.AudioMetadata]:
    """Checks all that an Android app relies on in a waveform-in file.

    Args:
        content: bytes of the file.
        what: str. Of the file, for messages.

    Returns:
        tuple of the TFLiteModel that runs it and its AudioMetadata.

    Raises:
        ValueError: if it is no TFLite file, its operators, input, output,
            weights or metadata are not as they should be, the number of
            labels is not that of the scores, it cannot be loaded, or it gives
            scores that are not finite.
    """
    summary = inspection.summarize(content)
    check_builtin_operators(summary, what)
    shapes = [t.shape for t in (*summary.inputs, *summary.outputs)]
    if [len(shape) for shape in shapes] != [2, 2]:
        raise ValueError(
            f"The {what} must take samples of shape (1, num_samples) and give "
            f"scores of shape (1, num_classes). Received: shapes {shapes}. A "
            "file on log-mel spectrograms is not for MediaPipe."
        )
    check_interface(summary, what, (1, shapes[0][1]), (1, shapes[1][1]))
    check_sigmoid(summary, what)
    check_constants_are_finite(content, what)
    try:
        metadata = tflite_metadata.read(content)
    except ValueError as error:
        raise ValueError(
            f"The metadata of the {what} are not what apps need: {error} "
            "Export the model again."
        ) from error
    if len(metadata.labels) != shapes[1][1]:
        raise ValueError(
            f"The {what} must have a label for each of its {shapes[1][1]} "
            f"scores. Received: {len(metadata.labels)} labels"
        )
    runner = tflite_runner.TFLiteModel(content)
    for sound, waveform in waveforms.probes(
        shapes[0][1], metadata.sample_rate_hz
    ).items():
        _check_scores(runner.predict(waveform[np.newaxis]), what, sound)
    return runner, metadata


def _check_network_file(content, summary, what):
    check_builtin_operators(summary, what)
    (given,), (scores,) = summary.inputs, summary.outputs
    check_interface(summary, what, (1, *given.shape[1:]), (1, scores.shape[1]))
    check_sigmoid(summary, what)
    check_constants_are_finite(content, what)
    check_finite(tflite_runner.TFLiteModel(content), what)


def _check_frontend_file(content, summary, what):
    check_builtin_operators(summary, what)
    (given,), (log_mel,) = summary.inputs, summary.outputs
    check_interface(summary, what, (1, given.shape[1]), (1, *log_mel.shape[1:]))
    check_constants_are_finite(content, what)
    runner = tflite_runner.TFLiteModel(content)
    for sound, waveform in waveforms.probes(
        given.shape[1], _ANY_RATE_HZ
    ).items():
        _check_scores(runner.predict(waveform[np.newaxis]), what, sound)


def check_file(
    content: bytes, what: str
) -> tflite_metadata.AudioMetadata | None:
    """Checks a file of any kind that an export writes.

    Args:
        content: bytes of the file.
        what: str. Of the file, for messages.

    Returns:
        AudioMetadata of a file from samples to scores, None of one on log-mel
        spectrograms and of a front end.

    Raises:
        ValueError: naming what is wrong with it.
    """
    summary = inspection.summarize(content)
    ranks = (
        [len(tensor.shape) for tensor in summary.inputs],
        [len(tensor.shape) for tensor in summary.outputs],
    )
    if ranks == ([3], [2]):
        _check_network_file(content, summary, what)
        return None
    if ranks == ([2], [3]):
        _check_frontend_file(content, summary, what)
        return None
    return check_waveform_file(content, what)[1]


def check_runtime(summary, what):
    """Checks that runtimes from years ago have all operators of a file.

    Args:
        summary: `inspection.TFLiteSummary`.
        what: str. Of the file, for messages.

    Raises:
        ValueError: naming the runtime that it needs.
    """
    number = flatbuffer.version_number
    version = summary.min_runtime_version
    if version is None or number(version) > number(OLD_RUNTIME):
        raise ValueError(
            f"The {what} needs the TFLite runtime {version}, and "
            f"--runtime=any allows {OLD_RUNTIME}. Leave this mode out, or "
            "export with --runtime=current."
        )
