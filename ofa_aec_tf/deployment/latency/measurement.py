"""How long TFLite models take on this machine, and what of them XNNPACK runs.

Repeated runs are timed in this process, with an interpreter that is made anew
for each turn: processes of their own for each turn would measure the same and
take half a second more to start. What only a fresh process can show, the
first run and the memory, is measured in one.
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

from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.runs import machine

_DELEGATE = "DELEGATE"
_LEFT_OUT = -1
_CLEAR_PEAK_MEMORY = "5"
_PROCESS_MEMORY = pathlib.Path("/proc/self/clear_refs")


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times of repeated runs.

    Args:
        median_ms: float.
        p95_ms: float. Nineteen of twenty runs take no longer.
        mean_ms: float.
        min_ms: float. The fastest run, which other work disturbed least.
        num_runs: int.
    """

    median_ms: float
    p95_ms: float
    mean_ms: float
    min_ms: float
    num_runs: int

    @classmethod
    def of(cls, durations_ms: Sequence[float]) -> "Latency":
        """The statistics of some runs, in milliseconds each."""
        return cls(
            float(np.median(durations_ms)),
            float(np.percentile(durations_ms, 95)),
            float(np.mean(durations_ms)),
            float(np.min(durations_ms)),
            len(durations_ms),
        )

    def to_json(self) -> dict[str, float]:
        """The statistics as a latency table names them."""
        return {
            "median": self.median_ms,
            "p95": self.p95_ms,
            "mean": self.mean_ms,
            "min": self.min_ms,
        }


@dataclasses.dataclass(frozen=True)
class FirstUse:
    """What loading a model and running it once takes in a fresh process.

    Args:
        initialization_ms: float. Loading, packing of weights, allocation.
        first_run_ms: float.
        peak_rss_bytes: int. How much the resident memory of the process grew
            at the most; None where Linux does not tell.
    """

    initialization_ms: float
    first_run_ms: float
    peak_rss_bytes: int | None


def measure_by_turns(
    configurations: Sequence[tuple[pathlib.Path, int]],
    num_runs: int,
    num_warmup_runs: int,
    num_turns: int,
    seed: int,
) -> Iterator[list[Latency]]:
    """Times models by turns, so that a slow minute hits all of them alike.

    Args:
        configurations: sequence of `(path, num_threads)`.
        num_runs: int. Timed runs of each, divided among the turns.
        num_warmup_runs: int. Runs before the timed ones of each turn.
        num_turns: int.
        seed: int. Of the inputs.

    Yields:
        list of Latency, in the order of `configurations`, after each turn: of
        all runs so far.

    Raises:
        ValueError: as `runner.load_interpreter`.
    """
    durations_ms = [[] for _ in configurations]
    num_turns = min(num_turns, num_runs)
    # No bar but on a terminal.
    for turn in tqdm.trange(num_turns, unit="turn", disable=None):
        runs = num_runs // num_turns + (turn < num_runs % num_turns)
        for (path, num_threads), durations in zip(configurations, durations_ms):
            interpreter = runner.load_interpreter(path, num_threads)
            runner.set_random_inputs(interpreter, seed)
            durations += runner.time_runs(interpreter, runs, num_warmup_runs)
        yield [Latency.of(durations) for durations in durations_ms]


def measure_first_use(
    path: pathlib.Path, num_threads: int, seed: int
) -> FirstUse:
    """Loads a model and runs it once in a process of its own.

    Args:
        path: path of a `.tflite` file.
        num_threads: int. Threads of the interpreter.
        seed: int. Of the inputs.

    Raises:
        ValueError: if the model cannot be loaded, or the process dies of it.
    """
    # Not a fork: it would begin with the memory of this process.
    with concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn")
    ) as executor:
        try:
            return executor.submit(_first_use, path, num_threads, seed).result()
        except BrokenProcessPool as error:
            raise ValueError(
                f"The process that ran {path} died, probably for want of "
                "memory. Measure a smaller model, or where there is more."
            ) from error


def _first_use(path, num_threads, seed):
    memory_before = machine.resident_memory_bytes()
    if memory_before is not None:
        # What the imports took for a moment is no cost of the model.
        _PROCESS_MEMORY.write_text(_CLEAR_PEAK_MEMORY)
    start = time.perf_counter()
    interpreter = runner.load_interpreter(path, num_threads)
    initialization_ms = 1e3 * (time.perf_counter() - start)
    runner.set_random_inputs(interpreter, seed)
    (first_run_ms,) = runner.time_runs(interpreter, 1, 0)
    peak_rss_bytes = None
    if memory_before is not None:
        peak_rss_bytes = machine.peak_resident_memory_bytes() - memory_before
    return FirstUse(initialization_ms, first_run_ms, peak_rss_bytes)


def undelegated_operators(interpreter: Interpreter) -> Mapping[str, int]:
    """Operators that the runtime's own kernels run, and not XNNPACK.

    Args:
        interpreter: Interpreter with memory allocated.

    Returns:
        dict from operator name to how often it occurs.
    """
    # No public function tells; this one lists the operators of the file and
    # behind them each delegate, with the tensors on its border.
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
        border = {_LEFT_OUT, *delegate["inputs"]}
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
