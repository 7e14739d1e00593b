"""Runs TFLite models: the only module that makes interpreters."""

import os
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.runs import native_output

# The time limit of one run, even on a busy machine.
_MAX_TRIAL_SECONDS = 120.0


def load_interpreter(
    path_or_bytes: str | os.PathLike | bytes, num_threads: int = 1
) -> Interpreter:
    """Loads a model into an interpreter, and allocates its memory.

    Args:
        path_or_bytes: path of a `.tflite` file, which is mapped into memory,
            or its content as bytes.
        num_threads: int. Threads of the interpreter.

    Raises:
        ValueError: if the file is missing, is not a TFLite model, or needs
            operators that the runtime does not have.
    """
    if isinstance(path_or_bytes, bytes):
        source = {"model_content": path_or_bytes}
    else:
        if not pathlib.Path(path_or_bytes).is_file():
            raise ValueError(f"There is no TFLite file {path_or_bytes}.")
        source = {"model_path": str(path_or_bytes)}
    with native_output.to_debug_log():
        try:
            interpreter = Interpreter(**source, num_threads=num_threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"The TFLite runtime cannot load {_name(path_or_bytes)}: "
                f"{error} Export the model again."
            ) from error
    return interpreter


def _name(path_or_bytes):
    if isinstance(path_or_bytes, bytes):
        return "the TFLite model"
    return str(path_or_bytes)


def invoke(interpreter: Interpreter) -> None:
    """Runs a model on the inputs that it has.

    Raises:
        ValueError: if the runtime cannot run it.
    """
    try:
        interpreter.invoke()
    # Kernels raise it for tensors of the wrong shape.
    except RuntimeError as error:
        raise ValueError(
            f"The TFLite runtime cannot run the model: {error} Export the "
            "model again."
        ) from error


class TFLiteModel:
    """A TFLite model with one input and one output.

    Args:
        path_or_bytes: path of a `.tflite` file, or its content as bytes.
        num_threads: int. Threads of the interpreter.

    Raises:
        ValueError: if the file is missing, is not a TFLite model, needs
            operators that the runtime does not have, or does not have one
            float32 input and one float32 output of one clip.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike | bytes,
        num_threads: int = 1,
    ):
        self._name = _name(path_or_bytes)
        self._interpreter = load_interpreter(path_or_bytes, num_threads)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        dtypes = [t["dtype"] for t in (*inputs, *outputs)]
        if (len(inputs), len(outputs)) != (1, 1) or dtypes != [np.float32] * 2:
            raise ValueError(
                f"{self._name} must have one float32 input and one float32 "
                f"output. Received: {len(inputs)} inputs and {len(outputs)} "
                f"outputs of {[np.dtype(dtype).name for dtype in dtypes]}"
            )
        shapes = [t["shape"] for t in (*inputs, *outputs)]
        if any(len(shape) < 2 or shape[0] != 1 for shape in shapes):
            raise ValueError(
                f"{self._name} must take and give one clip at a time, with a "
                "first axis of 1. Received: input and output of shape "
                f"{[tuple(map(int, shape)) for shape in shapes]}"
            )
        self._input_index = inputs[0]["index"]
        self._output_index = outputs[0]["index"]
        self.input_shape = tuple(int(size) for size in inputs[0]["shape"])
        self.output_shape = tuple(int(size) for size in outputs[0]["shape"])

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """Runs the model on clips, one after the other.

        Args:
            clips: float array of shape (num_clips, num_frames, num_mel_bins),
                in dB, or (num_clips, num_samples), as the model takes them.

        Returns:
            float32 array of shape (num_clips, num_classes).

        Raises:
            ValueError: if the clips do not have the shape of the model's
                input, or if the runtime cannot run the model.
        """
        clips = np.asarray(clips, np.float32)
        if clips.ndim == 0 or clips.shape[1:] != self.input_shape[1:]:
            raise ValueError(
                f"{self._name} takes clips of shape {self.input_shape[1:]}, "
                "stacked along a first axis. Received an array of shape "
                f"{clips.shape}. Cut or pad the clips, or export the model "
                "for this length."
            )
        scores = np.empty((len(clips), *self.output_shape[1:]), np.float32)
        for index, clip in enumerate(clips):
            self._interpreter.set_tensor(self._input_index, clip[np.newaxis])
            invoke(self._interpreter)
            scores[index] = self._interpreter.get_tensor(self._output_index)[0]
        return scores


def load_untrusted(path: str | os.PathLike) -> TFLiteModel:
    """Loads a model that may be so damaged that it crashes the runtime.

    Args:
        path: path of a `.tflite` file.

    Raises:
        ValueError: as TFLiteModel, or if the model cannot be run on a random
            input. This is tried in a child process.
    """
    isolation.call(_try_out, path, max_seconds=_MAX_TRIAL_SECONDS)
    return TFLiteModel(path)


def _try_out(path):
    model = TFLiteModel(path)
    model.predict(np.random.default_rng(0).uniform(-1, 1, model.input_shape))
