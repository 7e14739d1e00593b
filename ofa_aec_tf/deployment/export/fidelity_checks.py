"""Checks that a file computes what the network it was made from does.

An export fails if a file fails one of them. Checks of a file alone are in
`file_checks`.
"""

import numpy as np

from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.evaluation.metrics import scores_to_logits

MAX_FLOAT32_SCORE_DIFFERENCE = 1e-5
MAX_FRONTEND_DIFFERENCE_DB = 1e-3

# Far below what good conversions have, and far above what broken ones have:
# waveform graphs that were int8 throughout were measured at -3.5 dB.
_MIN_LOGIT_SNR_DB = {
    converter.FLOAT32: 60.0,
    converter.FLOAT16: 40.0,
    converter.DYNAMIC_RANGE: 15.0,
    converter.INT8: 15.0,
    converter.INT8_QAT: 15.0,
}
_MIN_TRAINED_LOGIT_SNR_DB = 3.0
# The fraction of scores that may be exactly 0 or 1 although the logits of the
# model are not large.
_MAX_SATURATED_FRACTION = 0.01
_CERTAIN_LOGIT = 12.0

_BYTES_PER_WEIGHT = {
    converter.FLOAT32: 4,
    converter.FLOAT16: 2,
    converter.DYNAMIC_RANGE: 1,
    converter.INT8: 1,
    converter.INT8_QAT: 1,
}
# In this mode the converter leaves smaller kernels in float32.
_DYNAMIC_RANGE_MIN_WEIGHTS = 1024
# Shapes, axes and helpers of quantization. Less than 200 bytes were measured.
_MAX_OTHER_CONSTANT_BYTES = 1024


def constant_bytes_bounds(model, mode):
    """Bounds of the size of a file's constants.

    Args:
        model: keras.Model.
        mode: one of `converter.QUANTIZATION_MODES`, or `INT8_QAT`.

    Returns:
        `(smallest, largest)`, int, in bytes: all kernels in the format of the
        mode, and with the biases and scales in float32.
    """
    kernel_bytes, other_bytes = 0, 0
    for variable in model.weights:
        size = int(np.prod(variable.shape))
        if not _is_kernel(variable):
            other_bytes += 4 * size
            continue
        bytes_per_weight = _BYTES_PER_WEIGHT[mode]
        if (
            mode == converter.DYNAMIC_RANGE
            and size < _DYNAMIC_RANGE_MIN_WEIGHTS
        ):
            bytes_per_weight = 4
        kernel_bytes += bytes_per_weight * size
    return kernel_bytes, kernel_bytes + other_bytes + _MAX_OTHER_CONSTANT_BYTES


def _is_kernel(variable):
    """Whether a weight is stored in the format of a mode.

    It must multiply activations. Biases of attention have an axis for heads,
    and the kernel of a single input becomes a constant of another operator.
    """
    shape = variable.shape
    return (
        len(shape) > 1
        and variable.name != "bias"
        and int(np.prod(shape[:-1])) > 1
    )


def check_weights_are_inside(summary, model, mode):
    """Checks that a file holds the weights of its network.

    Args:
        summary: `inspection.TFLiteSummary` of the file.
        model: keras.Model that it was converted from.
        mode: one of `converter.QUANTIZATION_MODES`, or `INT8_QAT`.

    Raises:
        ValueError: if its constants have too few or too many bytes.
    """
    smallest, largest = constant_bytes_bounds(model, mode)
    if not smallest <= summary.constant_bytes <= largest:
        raise ValueError(
            f"The {mode} file should hold between {smallest} and {largest} "
            f"bytes of constants for the {model.count_params()} parameters of "
            f"the model. Received: {summary.constant_bytes} bytes. Weights "
            "are missing, or were not stored in the format of this mode."
        )


def check_parity(parity, mode):
    """Checks that a file computes what its Keras model does.

    Args:
        parity: `parity.Parity` with the float32 model; for `INT8_QAT` with
            the network that was trained for it.
        mode: one of `converter.QUANTIZATION_MODES`, or `INT8_QAT`.

    Raises:
        ValueError: if scores of a float32 file differ by 1e-5 or more, or if
            the signal-to-noise ratio of the logits is too low.
    """
    if (
        mode == converter.FLOAT32
        and not parity.max_score_difference < MAX_FLOAT32_SCORE_DIFFERENCE
    ):
        raise ValueError(
            "The float32 file must equal the Keras model within "
            f"{MAX_FLOAT32_SCORE_DIFFERENCE:g}. Received: a score that "
            f"differs by {parity.max_score_difference:.2g}. Please report "
            "this with the model: the converter computed something else."
        )
    smallest = _MIN_LOGIT_SNR_DB[mode]
    if parity.logit_snr_db is not None and parity.logit_snr_db < smallest:
        raise ValueError(
            f"The logits of the {mode} file must be within "
            f"{smallest:g} dB of signal to noise of the Keras model's. "
            f"Received: {parity.logit_snr_db:.1f} dB. Calibrate on more and "
            "on more ordinary clips, or export another mode."
        )


def check_trained_parity(parity):
    """Checks that training for int8 did not ruin a network.

    Args:
        parity: `parity.Parity` with the network that it was trained from.
            Another teacher changes the scores: 7 dB was measured for a file
            that was better than its network.

    Raises:
        ValueError: if the signal-to-noise ratio of the logits is too low.
    """
    snr_db = parity.logit_snr_db
    if snr_db is not None and snr_db < _MIN_TRAINED_LOGIT_SNR_DB:
        raise ValueError(
            "The int8_qat file must still resemble the network that it was "
            f"trained from, with {_MIN_TRAINED_LOGIT_SNR_DB:g} dB of signal "
            f"to noise of the logits. Received: {snr_db:.1f} dB. Lower "
            "--qat_learning_rate."
        )


def check_score_resolution(reference_scores, scores, mode):
    """Checks that scores near 0 and 1 can still be ranked.

    Args:
        reference_scores: float array of shape (num_clips, num_classes), of
            the Keras model.
        scores: float array of the same shape, of the file.
        mode: str. Named in the message.

    Raises:
        ValueError: if more than 1 % of the scores are exactly 0 or 1 although
            those of the model are less certain.
    """
    is_open = np.abs(scores_to_logits(reference_scores)) < _CERTAIN_LOGIT
    is_saturated = is_open & ((scores <= 0) | (scores >= 1))
    fraction = is_saturated.mean()
    if fraction > _MAX_SATURATED_FRACTION:
        raise ValueError(
            f"The {mode} file turns {fraction:.0%} of the scores into exactly "
            "0 or 1, so that they cannot be ranked: its sigmoid is quantized, "
            "or the logits before it are out of range. Calibrate on more "
            "clips, or export another mode."
        )


def check_frontend(difference_db, sound):
    """Checks that the front end in a file equals its definition.

    Args:
        difference_db: float. Largest difference on a sound.
        sound: str. Name of the sound, for the message.

    Raises:
        ValueError: if it is 1e-3 dB or more, or NaN.
    """
    if not difference_db < MAX_FRONTEND_DIFFERENCE_DB:
        raise ValueError(
            "The front end in the file must equal that of the data within "
            f"{MAX_FRONTEND_DIFFERENCE_DB:g} dB. Received: "
            f"{difference_db:.2g} dB on {sound}. Please report this with the "
            "settings of the front end."
        )


def check_same_scores(together, apart, mode):
    """Checks that a chained file gives what its two parts give.

    Args:
        together: float array of shape (num_clips, num_classes). Scores of the
            chained file.
        apart: float array of the same shape. Scores of the two files, run one
            after the other.
        mode: str. Named in the message.

    Raises:
        ValueError: if a score differs at all.
    """
    if not np.array_equal(together, apart):
        difference = np.abs(together - apart).max()
        raise ValueError(
            f"The {mode} waveform file must give exactly what the front end "
            "and the network give one after the other. Received: a score that "
            f"differs by {difference:.2g}. Please report this with the model."
        )


def check_quality(reference_map, file_map, max_map_drop, mode):
    """Checks that quantization loses no more mAP than is allowed.

    Args:
        reference_map: float or None. mAP of the Keras model.
        file_map: float or None. mAP of the file, on the same clips.
        max_map_drop: float. 0.01 is one point.
        mode: str. Named in the message.

    Raises:
        ValueError: if the file loses more than that.
    """
    if reference_map is None or file_map is None:
        return
    if reference_map - file_map > max_map_drop:
        raise ValueError(
            f"The mAP of the {mode} file is {file_map:.4f}, that of the Keras "
            f"model {reference_map:.4f}: it drops by more than "
            f"--max_map_drop={max_map_drop:g}. Calibrate on more clips, "
            "train for quantization (mode int8_qat), leave this mode out, or "
            "allow more."
        )
