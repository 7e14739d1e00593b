"""From a Keras model on log-mel spectrograms to a TFLite flatbuffer."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.runs import native_output

FLOAT32 = "float32"
FLOAT16 = "float16"
DYNAMIC_RANGE = "dynamic_range"
INT8 = "int8"
QUANTIZATION_MODES = (FLOAT32, FLOAT16, DYNAMIC_RANGE, INT8)
# What the converter does by default. It is reported but never shipped, because
# it loses most of a tagger's scores.
INT8_SIGMOID = "int8_sigmoid"
# Networks that were trained with rounded values. `convert` does not make them.
INT8_QAT = "int8_qat"

INPUT_NAME = "log_mel_spectrogram"

# The runtimes that a file is for: any, including those from before 2024 with
# older versions of the operators, or only the current one.
ANY_RUNTIME = "any"
CURRENT_RUNTIME = "current"
RUNTIMES = (ANY_RUNTIME, CURRENT_RUNTIME)

# A sigmoid or softmax of int8 logits becomes int8, with a step of 1/256 that
# loses small scores. After a product it stays in float32. The converter would
# leave out a factor of exactly 1.
_NEXT_TO_ONE = float(np.nextafter(np.float32(1), np.float32(2)))

_LOW_PRECISION = ("bfloat16", "float16", "mixed_bfloat16", "mixed_float16")


def check_mode(mode):
    """Refuses a quantization mode that does not exist.

    Raises:
        ValueError: naming the modes there are.
    """
    if mode not in QUANTIZATION_MODES:
        raise ValueError(
            f"The quantization modes are {list(QUANTIZATION_MODES)}. "
            f"Received: mode={mode!r}"
        )


def float32_model(model):
    """The same network with float32 as the dtype policy of every layer.

    A mixed-precision model computes in bfloat16 or float16, which TFLite has
    no kernels for; its variables are float32 already.

    Args:
        model: built keras.Model, functional or sequential.

    Returns:
        `model` itself if its policies are float32 already, otherwise a copy
        with copies of its weights.
    """
    config = model.get_config()
    float32_config = _in_float32(config)
    if float32_config == config:
        return model
    copy = model.__class__.from_config(float32_config)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config):
    if isinstance(config, dict):
        return {
            key: "float32"
            if key == "dtype" and _is_low_precision(value)
            else _in_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return config


def _is_low_precision(dtype):
    """Whether a dtype or dtype policy of a config has 16 bits."""
    name = dtype["config"].get("name") if isinstance(dtype, dict) else dtype
    return name in _LOW_PRECISION


def convert_float32(model, signature) -> bytes:
    """Converts a model as it is.

    Args:
        model: keras.Model, under the policy float32.
        signature: keras.InputSpec of its input, with the batch size.

    Returns:
        bytes of a `.tflite` file with builtin operators only.

    Raises:
        ValueError: if the model has operators that TFLite lacks.
    """
    return _convert(model, signature, FLOAT32, lambda c: c.convert())


def _convert(
    model, signature, mode, run: Callable[[tf.lite.TFLiteConverter], bytes]
) -> bytes:
    with (
        tempfile.TemporaryDirectory() as saved_model_dir,
        native_output.to_debug_log(),
    ):
        model.export(
            saved_model_dir,
            format="tf_saved_model",
            verbose=False,
            # It fixes the batch size.
            input_signature=[signature],
        )
        return _convert_saved_model(saved_model_dir, model.name, mode, run)


def _convert_saved_model(directory, name, mode, run):
    converter = tf.lite.TFLiteConverter.from_saved_model(directory)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return run(converter)
    # The converter's own exception class is not public.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"The TFLite converter refuses the model {name!r} in mode {mode}: "
            f"{reason[0]} Only operators that are built into TFLite can be "
            "exported."
        ) from error


def convert_fake_quantized(
    network, library, num_frames, num_mel_bins, activation
):
    """Converts a network with fake quantization to int8.

    Args:
        network: model of `library` from float32 log-mel spectrograms in dB of
            shape (batch, num_frames, num_mel_bins) to logits, with fake
            quantization of its weights and activations.
        library: module of the network, `keras` or `tf_keras`.
        num_frames: int. Frames of the clip.
        num_mel_bins: int. Mel bands of the clip.
        activation: `"sigmoid"` or `"softmax"`. Applied in float32.

    Returns:
        bytes of a `.tflite` file from such clips to scores, both in float32.

    Raises:
        ValueError: if the network has operators that TFLite lacks.
    """

    def scores(log_mel):
        logits = network(log_mel, training=False)
        return getattr(tf.nn, activation)(_NEXT_TO_ONE * logits)

    def run(converter):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()

    archive = library.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint(
        "serve",
        scores,
        input_signature=[
            tf.TensorSpec((1, num_frames, num_mel_bins), name=INPUT_NAME)
        ],
    )
    with (
        tempfile.TemporaryDirectory() as saved_model_dir,
        native_output.to_debug_log(),
    ):
        # It prints what it wrote.
        with contextlib.redirect_stdout(io.StringIO()):
            archive.write_out(saved_model_dir)
        return _convert_saved_model(
            saved_model_dir, network.name, INT8_QAT, run
        )


def convert(
    model,
    num_frames,
    num_mel_bins,
    mode,
    representative_clips=None,
    runtime=ANY_RUNTIME,
):
    """Converts a model to TFLite, for single clips of a fixed length.

    Args:
        model: keras.Model from float32 log-mel spectrograms in dB of shape
            (batch, num_frames, num_mel_bins) to scores of shape
            (batch, num_classes). Under any dtype policy.
        num_frames: int. Frames of the clip.
        num_mel_bins: int. Mel bands of the clip.
        mode: one of `QUANTIZATION_MODES`, or `INT8_SIGMOID`. `"float32"`: as
            trained. `"float16"`: weights stored in 16 bits, computation in
            float32. `"dynamic_range"`: int8 weights, activations quantized
            at run time. `"int8"`: int8 weights and activations, except the
            final sigmoid, with ranges taken from `representative_clips`.
            Input and output are float32 in every mode.
        representative_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB. Only the int8 modes need it.
        runtime: one of `RUNTIMES`.

    Returns:
        bytes of a `.tflite` file with builtin operators only.

    Raises:
        ValueError: for an unknown mode, representative clips that are missing
            or of another shape, weights that are not finite, or a model with
            operators that TFLite lacks.
    """
    if mode != INT8_SIGMOID:
        check_mode(mode)
    if mode in (INT8, INT8_SIGMOID):
        representative_clips = checked_clips(
            representative_clips, num_frames, num_mel_bins
        )
    check_weights_are_finite(model)
    signature = keras.InputSpec(
        shape=(1, num_frames, num_mel_bins), dtype="float32", name=INPUT_NAME
    )
    return _convert(
        float32_model(model),
        signature,
        mode,
        lambda converter: _run_converter(
            converter, mode, representative_clips, runtime
        ),
    )


def _run_converter(converter, mode, representative_clips, runtime):
    if mode == FLOAT32:
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
        return converter.convert()
    if mode == DYNAMIC_RANGE:
        # Runtimes from before 2024 cannot run dense layers with a step for
        # each output.
        is_old = runtime == ANY_RUNTIME
        converter._experimental_disable_per_channel_quantization_for_dense_layers = is_old  # noqa: E501
        return converter.convert()

    def representative_dataset():
        for clip in representative_clips:
            yield [clip[np.newaxis]]

    converter.representative_dataset = representative_dataset
    if mode == INT8_SIGMOID:
        return converter.convert()
    # The int8 sigmoid has a fixed step of 1/256 and rounds every score below
    # 1/512 to zero: most of a tagger's. The debugger is the public way to keep
    # one kind of operator in float.
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=["LOGISTIC", "SOFTMAX"]
    )
    with warnings.catch_warnings():
        # The debugger warns that its interpreter, unused here, will move.
        warnings.simplefilter("ignore", UserWarning)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=representative_dataset,
            debug_options=options,
        )
        return debugger.get_nondebug_quantized_model()


def checked_clips(clips, num_frames, num_mel_bins):
    """Checks the clips for the ranges of activations.

    Args:
        clips: array of shape (num_clips, num_frames, num_mel_bins), in dB.
        num_frames: int.
        num_mel_bins: int.

    Returns:
        The clips as a float32 array.

    Raises:
        ValueError: if there is none, or if they have another shape or are
            not finite.
    """
    received = "none" if clips is None else f"shape {np.shape(clips)}"
    if (
        clips is None
        or np.ndim(clips) != 3
        or not len(clips)
        or np.shape(clips)[1:] != (num_frames, num_mel_bins)
    ):
        raise ValueError(
            "Mode int8 needs `representative_clips` of shape (num_clips, "
            f"{num_frames}, {num_mel_bins}), at least one; take them from the "
            f"training split. Received: {received}"
        )
    clips = np.asarray(clips, np.float32)
    if not np.isfinite(clips).all():
        raise ValueError(
            "`representative_clips` must be finite. Received: "
            f"{np.sum(~np.isfinite(clips))} values that are not."
        )
    return clips


def check_weights_are_finite(model):
    """Refuses a model with weights that are NaN or infinite.

    Args:
        model: keras.Model.

    Raises:
        ValueError: naming such a weight.
    """
    for variable in model.variables:
        values = keras.ops.convert_to_numpy(variable).astype(np.float64)
        num_broken = int(np.sum(~np.isfinite(values)))
        if num_broken:
            raise ValueError(
                f"{num_broken} of {values.size} values of {variable.path!r} "
                "are not finite: the training diverged. Export a checkpoint "
                "from before that."
            )
