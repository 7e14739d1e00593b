"""Checks that every exported file passes, or the export fails."""

import numpy as np

from ofa_aec_tf.deployment import tflite_converter

# Built into every TFLite runtime since 2.4; none of them needs TensorFlow.
ALLOWED_OPERATORS = frozenset(
    (
        "ADD",
        "AVERAGE_POOL_2D",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEQUANTIZE",
        "FULLY_CONNECTED",
        "HARD_SWISH",
        "LOGISTIC",
        "MAX_POOL_2D",
        "MEAN",
        "MUL",
        "PAD",
        "QUANTIZE",
        "REDUCE_MAX",
        "RELU",
        "RELU6",
        "RESHAPE",
        "SUB",
        "TANH",
    )
)
MAX_FLOAT32_SCORE_DIFFERENCE = 1e-5
SILENCE_DB = -100.0
LOUD_DB = 40.0

_BYTES_PER_WEIGHT = {
    tflite_converter.FLOAT32: 4,
    tflite_converter.FLOAT16: 2,
    tflite_converter.DYNAMIC_RANGE: 1,
    tflite_converter.INT8: 1,
}
# The converter leaves smaller kernels in float32 in this mode.
_DYNAMIC_RANGE_MIN_WEIGHTS = 1024
# Shapes, axes and quantization helpers; measured below 200 bytes.
_MAX_OTHER_CONSTANT_BYTES = 1024


def check_contents(summary, model, mode, num_frames, num_mel_bins, num_classes):
    """Checks what a file holds against the model that it was made from.

    Args:
        summary: `tflite_inspection.TFLiteSummary` of the file.
        model: keras.Model that it was converted from.
        mode: one of `tflite_converter.QUANTIZATION_MODES`.
        num_frames: int. Frames of the input.
        num_mel_bins: int. Mel bands of the input.
        num_classes: int. Outputs.

    Raises:
        ValueError: if operators are not builtin ones, the sigmoid is
            quantized, the weights are not inside, or the input or output is
            not float32 or not of the expected shape.
    """
    foreign = sorted(set(summary.operators) - ALLOWED_OPERATORS)
    if foreign:
        raise ValueError(
            f"The {mode} file has operators that not every Android runtime "
            f"has: {foreign}. Build the model of layers that become "
            f"{sorted(ALLOWED_OPERATORS)}."
        )
    if summary.num_subgraphs != 1:
        raise ValueError(
            f"The {mode} file must have one subgraph, so that every runtime "
            f"runs it. Received: {summary.num_subgraphs}"
        )
    for what, tensors, shape in (
        ("input", summary.inputs, (1, num_frames, num_mel_bins)),
        ("output", summary.outputs, (1, num_classes)),
    ):
        received = [(tensor.dtype, tensor.shape) for tensor in tensors]
        if received != [("float32", shape)]:
            raise ValueError(
                f"The {mode} file must have one {what}, float32 of shape "
                f"{shape}. Received: {received}"
            )
    sigmoid_dtypes = summary.activation_dtypes.get("LOGISTIC", ())
    if set(sigmoid_dtypes) - {"float32"}:
        raise ValueError(
            "The sigmoid must stay in float32, because quantized it turns "
            "every score below 1/512 into zero. "
            f"Received: {list(sigmoid_dtypes)} in the {mode} file"
        )
    _check_constants(summary, model, mode)


def constant_bytes_bounds(model, mode):
    """Between what sizes the constants of a file must be.

    Args:
        model: keras.Model.
        mode: one of `tflite_converter.QUANTIZATION_MODES`.

    Returns:
        `(smallest, largest)`, int: all kernels in the format of the mode;
        and beside them the biases and scales in float32.
    """
    kernel_bytes, other_bytes = 0, 0
    for variable in model.weights:
        size = int(np.prod(variable.shape))
        if len(variable.shape) < 2:
            other_bytes += 4 * size
            continue
        bytes_per_weight = _BYTES_PER_WEIGHT[mode]
        if (
            mode == tflite_converter.DYNAMIC_RANGE
            and size < _DYNAMIC_RANGE_MIN_WEIGHTS
        ):
            bytes_per_weight = 4
        kernel_bytes += bytes_per_weight * size
    return kernel_bytes, kernel_bytes + other_bytes + _MAX_OTHER_CONSTANT_BYTES


def _check_constants(summary, model, mode):
    smallest, largest = constant_bytes_bounds(model, mode)
    if not smallest <= summary.constant_bytes <= largest:
        raise ValueError(
            f"The {mode} file should hold between {smallest} and {largest} "
            f"bytes of constants for the {model.count_params()} parameters of "
            f"the model. Received: {summary.constant_bytes} bytes. Weights "
            "are missing, or were not stored in the format of this mode."
        )


def check_finite(runner, mode):
    """Checks that silence and an overdriven input give finite scores.

    Args:
        runner: `tflite_runner.TFLiteModel`.
        mode: str. Named in the message.

    Raises:
        ValueError: if a score is not finite.
    """
    for what, level_db in (("silence", SILENCE_DB), ("overload", LOUD_DB)):
        clip = np.full(runner.input_shape, level_db, np.float32)
        scores = runner.predict(clip)
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The {mode} file gives {np.sum(~np.isfinite(scores))} of "
                f"{scores.size} scores that are not finite on {what} (all "
                f"mel bands at {level_db:g} dB). Check the weights and the "
                "batch-normalization statistics of the model."
            )


def check_parity(parity, mode):
    """Checks that a float32 file computes what its Keras model does.

    Args:
        parity: `parity.Parity` of the file against the float32 model.
        mode: one of `tflite_converter.QUANTIZATION_MODES`; the others differ
            by what they leave out, which the report states.

    Raises:
        ValueError: if scores differ by 1e-5 or more.
    """
    if (
        mode == tflite_converter.FLOAT32
        and not parity.max_score_difference < MAX_FLOAT32_SCORE_DIFFERENCE
    ):
        raise ValueError(
            "The float32 file must equal the Keras model within "
            f"{MAX_FLOAT32_SCORE_DIFFERENCE:g}. Received: a score that "
            f"differs by {parity.max_score_difference:.2g}. Please report "
            "this with the model: the converter computed something else."
        )
