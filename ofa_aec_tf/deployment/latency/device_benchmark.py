"""Benchmarks on phones: commands for Google's tool, and what it answers.

The tool is `benchmark_model` of TFLite's interpreter:
https://ai.google.dev/edge/litert/models/measurement. What it logs is defined in
`tensorflow/lite/tools/benchmark/benchmark_model.cc` of TensorFlow; versions
differ in the words about memory and in the percentiles.
"""

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Sequence

REMOTE_DIR = "/data/local/tmp/ofa_aec_tf"
_DEVICE_NAME = re.compile(r"\w[\w.-]*")
_DIGEST_LENGTH = 8

_NUMBER = r"([\d.]+(?:e[+-]?\d+)?)"
_GRAPH = re.compile(r"Graph: \[(.+?)\]")
_THREADS = re.compile(r"Num threads: \[(\d+)\]")
_RUNS = re.compile(r"\bcount=(\d+)")
_MINIMUM = re.compile(rf"\bmin={_NUMBER}")
_PERCENTILES = re.compile(rf"\bp5={_NUMBER} median={_NUMBER} p95={_NUMBER}")
_TIMINGS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_MEMORY = re.compile(
    r"(?:Memory footprint delta from the start of the tool"
    rf"|Peak memory footprint) \(MB\): init={_NUMBER} overall={_NUMBER}"
)
_DELEGATED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate")


@dataclasses.dataclass(frozen=True)
class DeviceResult:
    """What the tool said about one model.

    Args:
        graph: str. File name of the model on the device.
        num_threads: int.
        num_runs: int. Runs that were timed.
        initialization_ms: float.
        first_run_ms: float. The first of the runs that warm up.
        mean_ms: float.
        min_ms: float. None where there was one run.
        median_ms: float. None from an older tool.
        p95_ms: float. None from an older tool.
        initialization_mib: float. Growth of the resident memory until the
            model was ready; None where the device does not tell.
        peak_rss_mib: float. The same until the end.
        num_operators: int. None where the tool does not tell.
        num_undelegated: int. Those that the delegate does not run.
    """

    graph: str
    num_threads: int
    num_runs: int
    initialization_ms: float
    first_run_ms: float
    mean_ms: float
    min_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    initialization_mib: float | None
    peak_rss_mib: float | None
    num_operators: int | None
    num_undelegated: int | None


def check_device_name(device: str | None) -> None:
    """Refuses a name that is no word.

    Raises:
        ValueError: for any other name.
    """
    if device is None or not _DEVICE_NAME.fullmatch(device):
        raise ValueError(
            "Name the device by --device, a word of letters, digits, `.`, `-` "
            f"and `_`. Received: --device={device}"
        )


def remote_name(path: pathlib.Path, sha256: str) -> str:
    """File name of a model on the device.

    Args:
        path: path of the file here.
        sha256: str. Digest of its content, which tells it from models of the
            same name in other directories.
    """
    return f"{path.stem}-{sha256[:_DIGEST_LENGTH]}{path.suffix}"


def adb_commands(
    models: Sequence[tuple[pathlib.Path, str]],
    device: str,
    threads: Sequence[int],
    num_runs: int,
    num_warmup_runs: int,
    tool: str,
) -> list[str]:
    """What to type to benchmark models on a phone.

    Args:
        models: sequence of `(path, sha256)`.
        device: str. Name for the phone; its results go to a directory of
            this name.
        threads: sequence of int. Each model runs with each number.
        num_runs: int. Runs that are timed, at least.
        num_warmup_runs: int. Runs before them, at least.
        tool: path of the `benchmark_model` binary here.

    Returns:
        list of str, shell commands. The last ones fetch the results.

    Raises:
        ValueError: if the name of the device is no word.
    """
    check_device_name(device)
    remote_tool = f"{REMOTE_DIR}/benchmark_model"
    results = f"{REMOTE_DIR}/{device}"
    commands = [
        ["adb", "shell", f"mkdir -p {results}"],
        ["adb", "push", tool, remote_tool],
        ["adb", "shell", f"chmod +x {remote_tool}"],
    ]
    graphs = []
    for path, sha256 in models:
        graphs.append(f"{REMOTE_DIR}/{remote_name(path, sha256)}")
        commands.append(["adb", "push", str(path), graphs[-1]])
    for num_threads in threads:
        for graph in graphs:
            run = shlex.join(
                [
                    remote_tool,
                    f"--graph={graph}",
                    f"--num_threads={num_threads}",
                    f"--num_runs={num_runs}",
                    f"--warmup_runs={num_warmup_runs}",
                    "--use_xnnpack=true",
                ]
            )
            stem = pathlib.PurePosixPath(graph).stem
            log = shlex.quote(f"{results}/{stem}_threads{num_threads}.txt")
            # Some versions log to one stream and some to the other.
            commands.append(["adb", "shell", f"{run} > {log} 2>&1"])
    commands.append(["adb", "pull", results, "."])
    return [shlex.join(command) for command in commands]


def parse(text: str) -> DeviceResult:
    """Reads what the tool logged about one run, to a file or to logcat.

    Args:
        text: str.

    Raises:
        ValueError: if there are no timings, those of several runs, or no word
            about the model and the threads.
    """
    timings = list(_TIMINGS.finditer(text))
    if len(timings) != 1:
        raise ValueError(
            "expected one line with `Inference timings in us:`. Received: "
            f"{len(timings)}"
        )
    graph, threads = _GRAPH.search(text), _THREADS.search(text)
    if graph is None or threads is None:
        raise ValueError(
            "expected the lines `Graph: [...]` and `Num threads: [...]`, which "
            "the tool logs when it is run with --graph and --num_threads"
        )
    # The runs that warm up come before those that count, and a profile of the
    # operators has a summary of its own after them.
    before = text[: timings[0].start()].splitlines()
    statistics = next(
        (line for line in reversed(before) if _RUNS.search(line)), ""
    )
    runs = _RUNS.search(statistics)
    if runs is None:
        raise ValueError(
            "expected a line with `count=` before the timings. Is the file cut?"
        )
    init_us, first_us, _, mean_us = map(float, timings[0].groups())
    minimum = _MINIMUM.search(statistics)
    percentiles = _PERCENTILES.search(statistics)
    memory, delegated = _MEMORY.search(text), _DELEGATED.search(text)
    return DeviceResult(
        graph=pathlib.PurePosixPath(graph[1]).name,
        num_threads=int(threads[1]),
        num_runs=int(runs[1]),
        initialization_ms=init_us / 1e3,
        first_run_ms=first_us / 1e3,
        mean_ms=mean_us / 1e3,
        min_ms=float(minimum[1]) / 1e3 if minimum else None,
        median_ms=float(percentiles[2]) / 1e3 if percentiles else None,
        p95_ms=float(percentiles[3]) / 1e3 if percentiles else None,
        initialization_mib=float(memory[1]) if memory else None,
        peak_rss_mib=float(memory[2]) if memory else None,
        num_operators=int(delegated[2]) if delegated else None,
        num_undelegated=int(delegated[2]) - int(delegated[1])
        if delegated
        else None,
    )


def result_files(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The text files that hold results.

    Args:
        paths: files, and directories of which all `.txt` files are taken.

    Raises:
        ValueError: if a path does not exist, or there is no file.
    """
    files = []
    for path in paths:
        if not path.exists():
            raise ValueError(
                f"There are no results {path}. Run the commands that --adb "
                "prints, of which the last one fetches them."
            )
        files += sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise ValueError(
            f"There is no .txt file in {[str(path) for path in paths]}."
        )
    return files
