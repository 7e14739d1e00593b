r"""Command: what `.tflite` files cost, on this machine or on a phone.

python -m ofa_aec_tf.benchmark --json=here.json exported/*/*.tflite
python -m ofa_aec_tf.benchmark --adb --device=phone exported/*/*.tflite
python -m ofa_aec_tf.benchmark --import_device_results=phone --device=phone \
    --device_table=phone.json exported/*/*.tflite

The first measures here. The second prints what to type to measure on a phone
that is connected by adb, and the third reads what the phone answered. `search`
takes either JSON file as `--latency_table`; --json is written after each turn.
Files that cannot be used are reported on standard error and skipped; the exit
status is 2 when none can.
"""

import dataclasses
import hashlib
import importlib.metadata
import pathlib
import shlex
import sys

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.latency import device_benchmark
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.tflite import costs as tflite_costs
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

_RUNTIME = "ai-edge-litert"
_TOOL = "benchmark_model"

_THREADS = flags.DEFINE_list(
    "threads", "1,2", "Numbers of threads, each measured."
)
_RUNS = flags.DEFINE_integer("runs", 50, "Runs that are timed.", lower_bound=1)
_WARMUP_RUNS = flags.DEFINE_integer(
    "warmup_runs", 5, "Runs before them, at each turn.", lower_bound=0
)
_TURNS = flags.DEFINE_integer(
    "turns",
    5,
    "Turns that the runs are divided into: all files run once before the "
    "first one runs again.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the inputs.", lower_bound=0)
_JSON = path_flags.define_path(
    "json", None, "Where to write what was measured."
)
_ADB = flags.DEFINE_bool(
    "adb", False, "Print the commands that measure on a phone, and stop."
)
_DEVICE = flags.DEFINE_string("device", None, "Name of the device.")
_BENCHMARK_MODEL = flags.DEFINE_string(
    "benchmark_model",
    _TOOL,
    "For --adb: Google's tool, built for the phone, as downloaded from "
    "https://ai.google.dev/edge/litert/models/measurement.",
)
_RESULTS = path_flags.define_paths(
    "import_device_results",
    [],
    "Text files that the tool's answers are in, or directories of them.",
)
_DEVICE_TABLE = path_flags.define_path(
    "device_table", None, "For --import_device_results: where to write."
)


def _thread_counts():
    texts = _THREADS.value
    if not texts or not all(t.isdecimal() and int(t) for t in texts):
        raise ValueError(
            "`--threads` needs positive integers with commas between them. "
            f"Received: --threads={','.join(texts)}"
        )
    return [int(text) for text in dict.fromkeys(texts)]


def _network(path, sha256, input_shape):
    """Which network the file is, where the export beside it says."""
    try:
        info = ModelInfo.read(path)
        report = workdir.read_json(path.parent / EXPORT_REPORT)
        files = {
            mode: (file["file"], file["sha256"])
            for mode, file in report["files"].items()
        }
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return None
    for mode, file in files.items():
        # The digest: files are renamed and written over.
        if file != (path.name, sha256):
            continue
        if {"family", "subnet"} <= set(info.details):
            num_frames = _num_frames(info.frontend, input_shape)
            macs = None
            if num_frames == info.num_frames:
                complexity = info.details.get("complexity")
                if isinstance(complexity, dict):
                    macs = complexity.get("macs")
            return latency_table.network(
                info.details["family"],
                info.details["subnet"],
                num_frames,
                mode,
                macs,
            )
    return None


def _num_frames(frontend, input_shape):
    """Frames that a file takes, or makes of the samples that it takes."""
    if len(input_shape) == 2:
        return frontend.num_frames(input_shape[1])
    return input_shape[1]


def _static_costs(path):
    """What the file alone tells, as part of a row."""
    # The runtime checks what is in the file, and reading it here does not.
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


def _check_runs(path):
    """Operators that XNNPACK leaves; raises ValueError if it cannot run."""
    interpreter = runner.load_interpreter(path)
    runner.set_random_inputs(interpreter, _SEED.value)
    return {
        "undelegated_operators": (
            measurement.undelegated_operators(interpreter)
        )
    }


def _each(what, items, function):
    """Results of the items that the function can make something of."""
    results = {}
    for item in items:
        try:
            results[item] = function(item)
        except (ValueError, OSError) as error:
            print(f"warning: skipped {item}: {error}", file=sys.stderr)
    if not results:
        raise ValueError(
            f"None of the {len(items)} {what} can be used; the warnings above "
            "say why."
        )
    num_skipped = len(items) - len(results)
    if num_skipped:
        print(
            f"warning: skipped {num_skipped} of {len(items)} {what}",
            file=sys.stderr,
        )
    return results


def _costs(path):
    return _static_costs(path) | _check_runs(path)


def _measure(paths, threads, write):
    """Rows of the table, one for each file and number of threads.

    Args:
        write: function that is given the rows so far, again and again.
    """
    costs = _each("models", paths, lambda path: isolation.call(_costs, path))
    configurations = [
        (p, num_threads) for p in costs for num_threads in threads
    ]
    for latencies in measurement.measure_by_turns(
        configurations,
        _RUNS.value,
        _WARMUP_RUNS.value,
        _TURNS.value,
        _SEED.value,
    ):
        rows = [
            {
                **costs[path],
                "threads": num_threads,
                "num_runs": measured.num_runs,
                "latency_ms": measured.to_json(),
            }
            for (path, num_threads), measured in zip(configurations, latencies)
        ]
        write(rows)
    for (path, num_threads), row in zip(configurations, rows):
        try:
            first_use = measurement.measure_first_use(
                path, num_threads, _SEED.value
            )
        except ValueError as error:
            print(f"warning: no first run of {path}: {error}", file=sys.stderr)
            continue
        row |= dataclasses.asdict(first_use)
        write(rows)
    return rows


def _mebibytes(num_bytes):
    return f"{num_bytes / 2**20:.2f}"


def _named_counts(counts):
    return " ".join(f"{n}x{name}" for name, n in counts.items()) or "0"


def _print_table(rows, columns):
    rows = [{**row, **row["latency_ms"]} for row in rows]
    cells = [[header for header, _, _ in columns]]
    for row in rows:
        values = [(row.get(key), form) for _, key, form in columns]
        cells.append(["-" if v is None else form(v) for v, form in values])
    print(text_tables.aligned(cells))


_LATENCY_COLUMNS = (
    ("file", "file", str),
    ("threads", "threads", str),
    ("median ms", "median", "{:.2f}".format),
    ("p95 ms", "p95", "{:.2f}".format),
    ("mean ms", "mean", "{:.2f}".format),
    ("min ms", "min", "{:.2f}".format),
    ("first ms", "first_run_ms", "{:.2f}".format),
    ("init ms", "initialization_ms", "{:.1f}".format),
    ("bytes", "num_bytes", "{:,}".format),
    ("MMACs", "macs", lambda macs: f"{macs / 1e6:,.1f}"),
    ("live MiB", "peak_live_bytes", _mebibytes),
    ("RSS MiB", "peak_rss_bytes", _mebibytes),
    ("not delegated", "undelegated_operators", _named_counts),
)


def _print_commands(paths, threads):
    models = _each(
        "models", paths, lambda path: isolation.call(_static_costs, path)
    )
    for command in device_benchmark.adb_commands(
        [(path, costs["sha256"]) for path, costs in models.items()],
        _DEVICE.value,
        threads,
        _RUNS.value,
        _WARMUP_RUNS.value,
        _BENCHMARK_MODEL.value,
    ):
        print(command)
    arguments = [
        f"--import_device_results={_DEVICE.value}",
        f"--device={_DEVICE.value}",
        f"--device_table={_DEVICE.value}.json",
        *map(str, models),
    ]
    print(f"python -m ofa_aec_tf.benchmark {shlex.join(arguments)}")


def _local_models(paths):
    """Costs of the files here, by the names that they have on the device."""
    costs = {}
    if paths:
        costs = _each(
            "models", paths, lambda path: isolation.call(_static_costs, path)
        )
    by_name = {}
    for path, values in costs.items():
        remote = device_benchmark.remote_name(path, values["sha256"])
        by_name[remote] = values
        # Under its own name too, unless several files have it.
        by_name[path.name] = None if path.name in by_name else values
    return by_name


def _device_row(result, models):
    costs = models.get(result.graph)
    if costs is None:
        print(
            f"warning: {result.graph} is none of the files given, or several: "
            "its row names no network",
            file=sys.stderr,
        )
        costs = {"file": result.graph, "macs": None, "network": None}
    mib = result.peak_rss_mib
    row = {
        **costs,
        "threads": result.num_threads,
        "num_runs": result.num_runs,
        "latency_ms": {
            "median": result.median_ms,
            "p95": result.p95_ms,
            "mean": result.mean_ms,
            "min": result.min_ms,
        },
        "initialization_ms": result.initialization_ms,
        "first_run_ms": result.first_run_ms,
        "peak_rss_bytes": None if mib is None else round(mib * 2**20),
    }
    if result.num_undelegated is not None:
        row["num_undelegated"] = result.num_undelegated
    return row


_DEVICE_COLUMNS = (
    *_LATENCY_COLUMNS[:-1],
    ("not delegated", "num_undelegated", str),
)


def _import_results(paths):
    device_benchmark.check_device_name(_DEVICE.value)
    if _DEVICE_TABLE.value is None:
        raise ValueError("Name the file to write by --device_table.")
    workdir.check_writable(_DEVICE_TABLE.value)
    files = device_benchmark.result_files(
        [pathlib.Path(path) for path in _RESULTS.value]
    )
    results = _each(
        "results",
        files,
        lambda file: device_benchmark.parse(
            file.read_text(encoding="utf-8", errors="replace")
        ),
    )
    models = _local_models(paths)
    rows = [_device_row(result, models) for result in results.values()]
    latency_table.write(
        _DEVICE_TABLE.value, _DEVICE.value, rows, measured_with=_TOOL
    )
    _print_table(rows, _DEVICE_COLUMNS)
    print(f"wrote {_DEVICE_TABLE.value}")


def _benchmark_here(paths, threads):
    runtime = f"{_RUNTIME} {importlib.metadata.version(_RUNTIME)}"

    def write(rows):
        if _JSON.value:
            latency_table.write(
                _JSON.value,
                _DEVICE.value or machine.cpu_model(),
                rows,
                measured_with=runtime,
                machine=machine.description(),
                turns=_TURNS.value,
                warmup_runs=_WARMUP_RUNS.value,
                seed=_SEED.value,
            )

    if _JSON.value:
        workdir.check_writable(_JSON.value)
    rows = _measure(paths, threads, write)
    _print_table(rows, _LATENCY_COLUMNS)
    print(f"{runtime} on {machine.description()}")


def main(arguments):
    """Runs the command on `.tflite` files."""
    threads = _thread_counts()
    paths = [
        pathlib.Path(path_flags.local_path(path))
        for path in dict.fromkeys(arguments)
    ]
    if _ADB.value and _RESULTS.value:
        raise ValueError("Give either --adb or --import_device_results.")
    if _RESULTS.value:
        _import_results(paths)
        return
    if not paths:
        raise ValueError("Name at least one .tflite file after the flags.")
    if _ADB.value:
        _print_commands(paths, threads)
    else:
        _benchmark_here(paths, threads)


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
