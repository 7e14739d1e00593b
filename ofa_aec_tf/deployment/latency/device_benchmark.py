"""Benchmarks on phones: commands for Google's tool, and parsing its output.

The tool is TFLite's `benchmark_model`:
https://ai.google.dev/edge/litert/models/measurement. Its output is defined in
`tensorflow/lite/tools/benchmark/benchmark_model.cc` of TensorFlow; versions
differ in what they say about memory and percentiles.
"""

import dataclasses
import pathlib
import re
import shlex
import sys
from collections.abc import Sequence

from ofa_aec_tf.deployment.latency import file_benchmark
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.latency.file_benchmark import BENCHMARK_TOOL
from ofa_aec_tf.deployment.latency.file_benchmark import BenchmarkSettings
from ofa_aec_tf.runs import workdir

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
    """The tool's output for one model.

    Args:
        graph: str. File name of the model on the device.
        num_undelegated: int or None. Operators that the delegate does not
            run; None if the tool does not say.
        latency: Latency. Its median and 95th percentile are None for older
            versions of the tool, its minimum is None for a single run.
        first_use: FirstUse. Its memory is None if the device does not say.
        num_threads: int.
    """

    graph: str
    num_threads: int
    num_undelegated: int | None
    latency: measurement.Latency
    first_use: measurement.FirstUse


def check_device_name(device: str | None) -> None:
    """Raises ValueError unless a device has a name that is a single word."""
    if device is None or not _DEVICE_NAME.fullmatch(device):
        raise ValueError(
            "Name the device by --device, a word of letters, digits, `.`, `-` "
            f"and `_`. Received: --device={device}"
        )


def remote_name(path: pathlib.Path, sha256: str) -> str:
    """File name of a model on the device.

    Args:
        path: path of the file here.
        sha256: str. Digest of its content, to distinguish it from models of
            the same name in other directories.
    """
    return f"{path.stem}-{sha256[:_DIGEST_LENGTH]}{path.suffix}"


def adb_commands(
    models: Sequence[tuple[pathlib.Path, str]],
    config: BenchmarkSettings,
) -> list[str]:
    """Shell commands that benchmark models on a phone.

    Args:
        models: sequence of `(path, sha256)`.
        config: BenchmarkSettings. Results go to a directory with the name of
            the device.

    Returns:
        list of str. The last command fetches the results.

    Raises:
        ValueError: if the name of the device is not a word.
    """
    check_device_name(config.device)
    remote_tool = f"{REMOTE_DIR}/{BENCHMARK_TOOL}"
    results = f"{REMOTE_DIR}/{config.device}"
    commands = [
        ["adb", "shell", f"mkdir -p {results}"],
        ["adb", "push", config.benchmark_model, remote_tool],
        ["adb", "shell", f"chmod +x {remote_tool}"],
    ]
    graphs = []
    for path, sha256 in models:
        graphs.append(f"{REMOTE_DIR}/{remote_name(path, sha256)}")
        commands.append(["adb", "push", str(path), graphs[-1]])
    for num_threads in config.threads:
        for graph in graphs:
            run = shlex.join(
                [
                    remote_tool,
                    f"--graph={graph}",
                    f"--num_threads={num_threads}",
                    f"--num_runs={config.timing.runs}",
                    f"--warmup_runs={config.timing.warmup_runs}",
                    "--use_xnnpack=true",
                ]
            )
            stem = pathlib.PurePosixPath(graph).stem
            log = shlex.quote(f"{results}/{stem}_threads{num_threads}.txt")
            # Some versions log to stdout, others to stderr.
            commands.append(["adb", "shell", f"{run} > {log} 2>&1"])
    commands.append(["adb", "pull", results, "."])
    return [shlex.join(command) for command in commands]


def parse(text: str) -> DeviceResult:
    """Parses the tool's output for one run, from a file or from logcat.

    Args:
        text: str.

    Raises:
        ValueError: if it does not name the model and its threads, or does not
            have the timings of exactly one run.
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
    # Statistics of the warm-up runs come before those of the timed runs, and
    # those of an operator profile after them.
    before = text[: timings[0].start()].splitlines()
    statistics = next(
        (line for line in reversed(before) if _RUNS.search(line)), ""
    )
    runs = _RUNS.search(statistics)
    if runs is None:
        raise ValueError(
            "expected a line with `count=` before the timings. Is the file "
            "truncated?"
        )
    init_us, first_us, _, mean_us = map(float, timings[0].groups())
    minimum = _MINIMUM.search(statistics)
    percentiles = _PERCENTILES.search(statistics)
    memory, delegated = _MEMORY.search(text), _DELEGATED.search(text)
    return DeviceResult(
        graph=pathlib.PurePosixPath(graph[1]).name,
        num_threads=int(threads[1]),
        num_undelegated=int(delegated[2]) - int(delegated[1])
        if delegated
        else None,
        latency=measurement.Latency(
            median_ms=float(percentiles[2]) / 1e3 if percentiles else None,
            p95_ms=float(percentiles[3]) / 1e3 if percentiles else None,
            mean_ms=mean_us / 1e3,
            min_ms=float(minimum[1]) / 1e3 if minimum else None,
            num_runs=int(runs[1]),
        ),
        first_use=measurement.FirstUse(
            initialization_ms=init_us / 1e3,
            first_run_ms=first_us / 1e3,
            peak_rss_bytes=round(float(memory[2]) * 2**20) if memory else None,
        ),
    )


def result_files(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The text files with the tool's output.

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


def commands_text(
    paths: Sequence[pathlib.Path], config: BenchmarkSettings
) -> str:
    """What to type to measure files on a phone, and to read the results.

    Args:
        paths: sequence of paths of `.tflite` files. Those that cannot be used
            are reported on standard error and skipped.
        config: BenchmarkSettings.

    Raises:
        ValueError: if no file can be used, or the device has no proper name.
    """
    costs = file_benchmark.usable_costs(paths)
    models = [(path, row["sha256"]) for path, row in costs.items()]
    commands = adb_commands(models, config)
    arguments = [
        f"--import_device_results={config.device}",
        f"--device={config.device}",
        f"--device_table={config.device}.json",
        *map(str, costs),
    ]
    commands.append(f"python -m ofa_aec_tf.benchmark {shlex.join(arguments)}")
    return "\n".join(commands)


def import_results(
    paths: Sequence[pathlib.Path], config: BenchmarkSettings
) -> list[dict]:
    """Writes the latency table of a phone from the tool's output.

    Args:
        paths: sequence of paths of the `.tflite` files that were measured.
        config: BenchmarkSettings. Names the text files with the output, the
            device and the table.

    Returns:
        list of dict, the rows of the table.

    Raises:
        ValueError: if no text file can be used, or the device or the table is
            not named.
    """
    check_device_name(config.device)
    if config.device_table is None:
        raise ValueError("Name the file to write by --device_table.")
    workdir.check_writable(config.device_table)
    files = result_files(
        [pathlib.Path(path) for path in config.import_device_results]
    )
    results = file_benchmark.usable("results", files, _parse_file)
    models = _models_by_remote_name(paths)
    rows = [_row(result, models) for result in results.values()]
    latency_table.write(
        config.device_table,
        config.device,
        rows,
        measured_with=BENCHMARK_TOOL,
    )
    return rows


def _parse_file(path):
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        raise ValueError(f"{error} (in {path})") from error


def _models_by_remote_name(paths):
    """Costs of files, by the names that they may have on the device."""
    by_name = {}
    costs = file_benchmark.usable_costs(paths) if paths else {}
    for path, row in costs.items():
        by_name[remote_name(path, row["sha256"])] = row
        # By its own name too, unless several files share it.
        by_name[path.name] = None if path.name in by_name else row
    return by_name


def _row(result, models):
    costs = models.get(result.graph)
    if costs is None:
        print(
            f"warning: {result.graph} is none of the files given, or several: "
            "its row names no network",
            file=sys.stderr,
        )
        costs = {"file": result.graph, "macs": None, "network": None}
    row = latency_table.row(costs, result.num_threads, result.latency)
    row |= dataclasses.asdict(result.first_use)
    if result.num_undelegated is not None:
        row["num_undelegated"] = result.num_undelegated
    return row
