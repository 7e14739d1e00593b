"""Measures what `.tflite` files cost on this machine."""

import dataclasses
import hashlib
import importlib.metadata
import pathlib
import sys
from collections.abc import Callable
from collections.abc import Sequence

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.latency.measurement import Timing
from ofa_aec_tf.deployment.tflite import costs as tflite_costs
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import several_models
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

BENCHMARK_TOOL = "benchmark_model"
_RUNTIME = "ai-edge-litert"


@dataclasses.dataclass(frozen=True)
class BenchmarkSettings(settings.Settings):
    """What to measure, and where to write it."""

    threads: tuple[int, ...] = setting(
        (1, 2), "Numbers of threads, each measured.", at_least=1
    )
    timing: Timing = Timing()
    json: str | None = setting(
        None, "Where to write what was measured.", is_path=True
    )
    adb: bool = setting(
        False, "Print the commands that measure on a phone, and stop."
    )
    device: str | None = setting(None, "Name of the device.")
    benchmark_model: str = setting(
        BENCHMARK_TOOL,
        "For --adb: Google's tool, built for the phone, as downloaded from "
        "https://ai.google.dev/edge/litert/models/measurement.",
        when={"adb": True},
    )
    import_device_results: tuple[str, ...] = setting(
        (),
        "Text files with the output of that tool, or directories of them.",
        is_path=True,
    )
    device_table: str | None = setting(
        None,
        "For --import_device_results: where to write them.",
        is_path=True,
        when={"import_device_results": True},
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.threads:
            raise ValueError(
                "`threads` needs at least one number. Received: threads=()"
            )
        object.__setattr__(self, "threads", tuple(dict.fromkeys(self.threads)))
        if self.adb and self.import_device_results:
            raise ValueError("Give either --adb or --import_device_results.")


def runtime_version() -> str:
    """Name and version of the runtime that measures here."""
    return f"{_RUNTIME} {importlib.metadata.version(_RUNTIME)}"


def file_costs(path: pathlib.Path) -> dict:
    """What a file costs on any device, as a part of its row in a table.

    Args:
        path: path of a `.tflite` file.

    Raises:
        ValueError: if the runtime cannot load it.
    """
    # Reading the flatbuffer checks nothing; the runtime does.
    runner.load_interpreter(path)
    content = path.read_bytes()
    summary = inspection.summarize(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return {
        "file": str(path),
        "sha256": sha256,
        "num_bytes": len(content),
        "macs": tflite_costs.count_macs(content),
        "peak_live_bytes": tflite_costs.peak_live_bytes(content),
        "min_runtime_version": summary.min_runtime_version,
        "num_operators": sum(summary.operators.values()),
        "network": _network(path, sha256, summary.inputs[0].shape),
    }


def _network(path, sha256, input_shape):
    """Which network a file holds, if the export beside it says."""
    try:
        info = ModelInfo.read(path)
        report = workdir.read_json(path.parent / EXPORT_REPORT)
        modes = {
            (file["file"], file["sha256"]): mode
            for mode, file in report["files"].items()
        }
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return None
    # Files get renamed and overwritten, so the digest must be the same too.
    mode = modes.get((path.name, sha256))
    if mode is None or not {"family", "subnet"} <= set(info.details):
        return None
    num_frames = _num_frames(info.frontend, input_shape)
    complexity = info.details.get("complexity")
    has_macs = num_frames == info.num_frames and isinstance(complexity, dict)
    return latency_table.network(
        info.details["family"],
        info.details["subnet"],
        num_frames,
        mode,
        complexity.get("macs") if has_macs else None,
    )


def _num_frames(frontend, input_shape):
    """Frames that a file takes, or computes from the samples that it takes."""
    if len(input_shape) == 2:
        return frontend.num_frames(input_shape[1])
    return input_shape[1]


def _costs_here(path, seed):
    costs = file_costs(path)
    interpreter = runner.load_interpreter(path)
    measurement.set_random_inputs(interpreter, seed)
    undelegated = measurement.undelegated_operators(interpreter)
    return costs | {"undelegated_operators": undelegated}


def usable(what: str, items: Sequence, function: Callable) -> dict:
    """Calls a function on each file, skipping those that it refuses.

    Args:
        what: str. What the files are, for messages.
        items: sequence of paths.
        function: function of one path.

    Returns:
        dict from path to result.

    Raises:
        ValueError: if the function refuses every file.
    """
    results, skipped = several_models.for_each(items, function)
    if not results:
        raise ValueError(
            f"None of the {len(items)} {what} can be used; the warnings above "
            "say why."
        )
    if skipped:
        print(
            f"warning: skipped {len(skipped)} of {len(items)} {what}",
            file=sys.stderr,
        )
    return {item: results[str(item)] for item in items if str(item) in results}


def usable_costs(paths: Sequence[pathlib.Path]) -> dict[pathlib.Path, dict]:
    """The costs of those files that can be used, as `file_costs` gives them.

    Raises:
        ValueError: if none can be used.
    """
    return usable(
        "models", paths, lambda path: isolation.call(file_costs, path)
    )


def measure(
    paths: Sequence[pathlib.Path],
    threads: Sequence[int],
    timing: Timing,
    write: Callable[[list[dict]], None],
) -> list[dict]:
    """Measures files on this machine.

    Files that cannot be used are reported on standard error and skipped.

    Args:
        paths: sequence of paths of `.tflite` files.
        threads: sequence of int. Each file runs with each number.
        timing: Timing.
        write: function that is called with the rows so far, after each turn
            and each first run.

    Returns:
        list of dict, the rows of a latency table.

    Raises:
        ValueError: if no file can be used.
    """
    costs = usable(
        "models",
        paths,
        lambda path: isolation.call(_costs_here, path, timing.seed),
    )
    runs = [(p, num_threads) for p in costs for num_threads in threads]
    for latencies in measurement.measure_by_turns(runs, timing):
        rows = [
            latency_table.row(costs[path], num_threads, latency)
            for (path, num_threads), latency in zip(runs, latencies)
        ]
        write(rows)
    for (path, num_threads), row in zip(runs, rows):
        try:
            first_use = measurement.measure_first_use(
                path, num_threads, timing.seed
            )
        except ValueError as error:
            print(f"warning: no first run of {path}: {error}", file=sys.stderr)
            continue
        row |= dataclasses.asdict(first_use)
        write(rows)
    return rows


def benchmark(
    paths: Sequence[pathlib.Path], config: BenchmarkSettings
) -> list[dict]:
    """Measures files on this machine, and writes them as a latency table.

    Args:
        paths: sequence of paths of `.tflite` files.
        config: BenchmarkSettings.

    Returns:
        list of dict, the rows of the table.

    Raises:
        ValueError: if no file can be used, or the table cannot be written.
    """
    if config.json is None:
        return measure(paths, config.threads, config.timing, lambda rows: None)
    workdir.check_writable(config.json)

    def write(rows):
        latency_table.write(
            config.json,
            config.device or machine.cpu_model(),
            rows,
            measured_with=runtime_version(),
            machine=machine.description(),
            turns=config.timing.turns,
            warmup_runs=config.timing.warmup_runs,
            seed=config.timing.seed,
        )

    return measure(paths, config.threads, config.timing, write)


def table_text(rows: Sequence[dict]) -> str:
    """The rows of a latency table, for people.

    Args:
        rows: sequence of dict.
    """
    return text_tables.table(
        [
            # Phones give no more than the number of operators.
            {
                "undelegated_operators": row.get("num_undelegated"),
                **row,
                **row["latency_ms"],
            }
            for row in rows
        ],
        _COLUMNS,
    )


def _mebibytes(num_bytes):
    return f"{num_bytes / 2**20:.2f}"


def _not_delegated(operators):
    if isinstance(operators, int):
        return str(operators)
    return " ".join(f"{n}x{name}" for name, n in operators.items()) or "0"


_COLUMNS = (
    ("file", "file", ""),
    ("threads", "threads", ""),
    ("median ms", "median", ".2f"),
    ("p95 ms", "p95", ".2f"),
    ("mean ms", "mean", ".2f"),
    ("min ms", "min", ".2f"),
    ("first ms", "first_run_ms", ".2f"),
    ("init ms", "initialization_ms", ".1f"),
    ("bytes", "num_bytes", ","),
    ("MMACs", "macs", lambda macs: f"{macs / 1e6:,.1f}"),
    ("live MiB", "peak_live_bytes", _mebibytes),
    ("RSS MiB", "peak_rss_bytes", _mebibytes),
    ("not delegated", "undelegated_operators", _not_delegated),
)
