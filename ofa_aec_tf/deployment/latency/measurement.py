"""How long TFLite models take on this machine, and what XNNPACK leaves out.

Repeated runs are timed in this process, with a new interpreter for each turn:
a new process for each turn would give the same times and take half a second
longer to start. The first run and the memory that a model needs can only be
measured in a fresh process, so they are.
"""

import collections
import concurrent.futures
import dataclasses
import multiprocessing
import pathlib
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import tqdm
from ai_edge_litert.interpreter import Interpreter

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.runs import machine

# Of a spectrogram, in dB, and of a waveform.
_LOG_MEL_RANGE, _WAVEFORM_RANGE = (-100.0, 0.0), (-1.0, 1.0)
_WAVEFORM_RANK = 2
_DELEGATE = "DELEGATE"
# Stands for an optional tensor that is absent.
_NO_TENSOR = -1
_CLEAR_PEAK_MEMORY = "5"
_PROCESS_MEMORY = pathlib.Path("/proc/self/clear_refs")


@dataclasses.dataclass(frozen=True)
class Timing(settings.Settings):
    """How a model is timed."""

    runs: int = setting(50, "Timed runs of each file.", at_least=1)
    warmup_runs: int = setting(
        5, "Untimed runs at the start of each turn.", at_least=0
    )
    turns: int = setting(
        5,
        "Turns that the timed runs are divided into: every file has had its "
        "turn before the first file runs again.",
        at_least=1,
    )
    seed: int = setting(0, "Seed of the random inputs.", at_least=0)


@dataclasses.dataclass(frozen=True)
class Latency:
    """Statistics of the timed runs of one model.

    Args:
        median_ms: float.
        p95_ms: float. The 95th percentile.
        mean_ms: float.
        min_ms: float. The run that other processes disturbed least.
        num_runs: int.
    """

    median_ms: float
    p95_ms: float
    mean_ms: float
    min_ms: float
    num_runs: int

    @classmethod
    def of(cls, durations_ms: Sequence[float]) -> "Latency":
        """The statistics of runs that took this many milliseconds each."""
        return cls(
            float(np.median(durations_ms)),
            float(np.percentile(durations_ms, 95)),
            float(np.mean(durations_ms)),
            float(np.min(durations_ms)),
            len(durations_ms),
        )

    def to_json(self) -> dict[str, float]:
        """The statistics by their names in a latency table."""
        return {
            "median": self.median_ms,
            "p95": self.p95_ms,
            "mean": self.mean_ms,
            "min": self.min_ms,
        }


@dataclasses.dataclass(frozen=True)
class FirstUse:
    """What it takes to load a model and run it once in a fresh process.

    Args:
        initialization_ms: float. Loading, packing the weights and allocating
            memory.
        first_run_ms: float.
        peak_rss_bytes: int or None. The largest growth of the process's
            resident memory; None where the system does not tell.
    """

    initialization_ms: float
    first_run_ms: float
    peak_rss_bytes: int | None


def set_random_inputs(interpreter: Interpreter, seed: int) -> None:
    """Fills every input with random values in the range of audio.

    Args:
        interpreter: Interpreter with memory allocated. An input of rank 2 is
            a waveform in [-1, 1], any other a spectrogram in dB.
        seed: int.

    Raises:
        ValueError: if an input is not float32.
    """
    rng = np.random.default_rng(seed)
    for tensor in interpreter.get_input_details():
        if tensor["dtype"] != np.float32:
            raise ValueError(
                "Only models with float32 inputs can be timed. Received: "
                f"input {tensor['name']!r} of {np.dtype(tensor['dtype']).name}"
            )
        is_waveform = len(tensor["shape"]) == _WAVEFORM_RANK
        low, high = _WAVEFORM_RANGE if is_waveform else _LOG_MEL_RANGE
        values = rng.uniform(low, high, tensor["shape"]).astype(np.float32)
        interpreter.set_tensor(tensor["index"], values)


def _time_runs(interpreter, num_runs, num_warmup_runs) -> list[float]:
    """Milliseconds of each run, without copies of inputs and outputs."""
    for _ in range(num_warmup_runs):
        runner.invoke(interpreter)
    durations_ms = []
    for _ in range(num_runs):
        start = time.perf_counter()
        runner.invoke(interpreter)
        durations_ms.append(1e3 * (time.perf_counter() - start))
    return durations_ms


def measure_by_turns(
    configurations: Sequence[tuple[pathlib.Path | bytes, int]], timing: Timing
) -> Iterator[list[Latency]]:
    """Times models in turns, so that a slow minute slows all of them alike.

    Args:
        configurations: sequence of `(model, num_threads)`, where the model is
            the path of a `.tflite` file or its content.
        timing: Timing.

    Yields:
        list of Latency, in the order of `configurations`, after each turn: of
        all runs so far.

    Raises:
        ValueError: if a model cannot be loaded or run.
    """
    durations_ms = [[] for _ in configurations]
    num_turns = min(timing.turns, timing.runs)
    # `None` shows the progress bar on terminals only.
    is_hidden = True if num_turns == 1 else None
    for turn in tqdm.trange(num_turns, unit="turn", disable=is_hidden):
        runs = timing.runs // num_turns + (turn < timing.runs % num_turns)
        for (model, num_threads), durations in zip(
            configurations, durations_ms
        ):
            interpreter = runner.load_interpreter(model, num_threads)
            set_random_inputs(interpreter, timing.seed)
            durations += _time_runs(interpreter, runs, timing.warmup_runs)
        yield [Latency.of(durations) for durations in durations_ms]


def measure(
    model: pathlib.Path | bytes, timing: Timing, num_threads: int = 1
) -> Latency:
    """Times one model.

    Args:
        model: path of a `.tflite` file, or its content.
        timing: Timing.
        num_threads: int. Threads of the interpreter.

    Raises:
        ValueError: if the model cannot be loaded or run.
    """
    *_, (latency,) = measure_by_turns([(model, num_threads)], timing)
    return latency


def measure_first_use(
    path: pathlib.Path, num_threads: int, seed: int
) -> FirstUse:
    """Loads a model and runs it once in a process of its own.

    Args:
        path: path of a `.tflite` file.
        num_threads: int. Threads of the interpreter.
        seed: int. Of the inputs.

    Raises:
        ValueError: if the model cannot be loaded, or the process dies.
    """
    # A fork would start with the memory of this process.
    with concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn")
    ) as executor:
        try:
            return executor.submit(_first_use, path, num_threads, seed).result()
        except BrokenProcessPool as error:
            raise ValueError(
                f"The process that ran {path} died, probably because it ran "
                "out of memory. Measure a smaller model, or use a machine "
                "with more memory."
            ) from error


def _first_use(path, num_threads, seed):
    memory_before = machine.resident_memory_bytes()
    if memory_before is not None:
        # The peak so far is that of the imports, not of the model.
        _PROCESS_MEMORY.write_text(_CLEAR_PEAK_MEMORY)
    start = time.perf_counter()
    interpreter = runner.load_interpreter(path, num_threads)
    initialization_ms = 1e3 * (time.perf_counter() - start)
    set_random_inputs(interpreter, seed)
    (first_run_ms,) = _time_runs(interpreter, 1, 0)
    peak_rss_bytes = None
    if memory_before is not None:
        peak_rss_bytes = machine.peak_resident_memory_bytes() - memory_before
    return FirstUse(initialization_ms, first_run_ms, peak_rss_bytes)


def undelegated_operators(interpreter: Interpreter) -> Mapping[str, int]:
    """Operators that run on the runtime's own kernels instead of XNNPACK.

    Args:
        interpreter: Interpreter with memory allocated.

    Returns:
        dict from operator name to how often it occurs.
    """
    # No public function tells. This one lists the operators of the file, then
    # each delegate with the tensors that enter and leave it.
    nodes = interpreter._get_ops_details()
    operators = [node for node in nodes if node["op_name"] != _DELEGATE]
    makers = {
        tensor: position
        for position, operator in enumerate(operators)
        for tensor in operator["outputs"]
    }
    delegated = set()
    for delegate in nodes:
        if delegate["op_name"] != _DELEGATE:
            continue
        border = {_NO_TENSOR, *delegate["inputs"]}
        waiting = list(delegate["outputs"])
        while waiting:
            tensor = waiting.pop()
            maker = makers.get(tensor)
            if tensor not in border and maker not in {None, *delegated}:
                delegated.add(maker)
                waiting.extend(operators[maker]["inputs"])
    return dict(
        sorted(
            collections.Counter(
                operator["op_name"]
                for position, operator in enumerate(operators)
                if position not in delegated
            ).items()
        )
    )
