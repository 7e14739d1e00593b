"""Runs TFLite models: the only module that knows the interpreter."""

import os
import pathlib
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ofa_aec_tf import native_output


class TFLiteModel:
    """A TFLite model, loaded and with its memory allocated once.

    Args:
        path_or_bytes: path of a `.tflite` file, or its content as bytes.
        num_threads: int. Threads of the interpreter.

    Raises:
        ValueError: if the file is missing, is not a TFLite model, needs
            operators that the runtime lacks, or has not one float32 input and
            one float32 output.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike | bytes,
        num_threads: int = 1,
    ):
        if isinstance(path_or_bytes, bytes):
            content, self._name = path_or_bytes, "the TFLite model"
        else:
            path = pathlib.Path(path_or_bytes)
            if not path.is_file():
                raise ValueError(f"There is no TFLite file {path}.")
            content, self._name = path.read_bytes(), str(path)
        with native_output.to_debug_log():
            try:
                self._interpreter = Interpreter(
                    model_content=content, num_threads=num_threads
                )
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise ValueError(
                    f"The TFLite runtime cannot load {self._name}: {error} "
                    "Export the model again."
                ) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        dtypes = [t["dtype"] for t in (*inputs, *outputs)]
        if (len(inputs), len(outputs)) != (1, 1) or dtypes != [np.float32] * 2:
            raise ValueError(
                f"{self._name} must have one float32 input and one float32 "
                f"output. Received: {len(inputs)} inputs and {len(outputs)} "
                f"outputs of {[np.dtype(dtype).name for dtype in dtypes]}"
            )
        self._input_index = inputs[0]["index"]
        self._output_index = outputs[0]["index"]
        self.input_shape = tuple(int(size) for size in inputs[0]["shape"])
        self.output_shape = tuple(int(size) for size in outputs[0]["shape"])

    def predict(self, log_mel: np.ndarray) -> np.ndarray:
        """Scores of clips, computed one after the other.

        Args:
            log_mel: float array of shape (num_clips, num_frames,
                num_mel_bins), in dB.

        Returns:
            float32 array of shape (num_clips, num_classes).

        Raises:
            ValueError: if the clips are not of the shape that the model was
                exported for.
        """
        log_mel = np.asarray(log_mel, np.float32)
        if log_mel.ndim == 0 or log_mel.shape[1:] != self.input_shape[1:]:
            raise ValueError(
                f"{self._name} takes clips of shape {self.input_shape[1:]}, "
                "stacked along a first axis. Received an array of shape "
                f"{log_mel.shape}. Cut or pad the clips, or export the model "
                "for this length."
            )
        scores = np.empty(
            (len(log_mel), *self.output_shape[1:]), dtype=np.float32
        )
        for index, clip in enumerate(log_mel):
            self._interpreter.set_tensor(self._input_index, clip[np.newaxis])
            self._interpreter.invoke()
            scores[index] = self._interpreter.get_tensor(self._output_index)[0]
        return scores

    def median_latency_ms(
        self, num_runs: int = 30, num_warmup_runs: int = 5, seed: int = 0
    ) -> float:
        """Median time of one run on this machine.

        Args:
            num_runs: int. Runs that are timed.
            num_warmup_runs: int. Runs before them that are not.
            seed: int. Of the random clip that is run.

        Returns:
            float. Milliseconds, without the copy of the input and output.
        """
        rng = np.random.default_rng(seed)
        clip = rng.uniform(-100, 0, self.input_shape).astype(np.float32)
        self._interpreter.set_tensor(self._input_index, clip)
        durations_ms = []
        for run in range(num_warmup_runs + num_runs):
            start = time.perf_counter()
            self._interpreter.invoke()
            if run >= num_warmup_runs:
                durations_ms.append(1e3 * (time.perf_counter() - start))
        return float(np.median(durations_ms))
