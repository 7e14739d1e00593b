"""The outputs below are in the formats of the tool's versions."""

import pathlib
import shlex

import pytest

from ofa_aec_tf.deployment.latency import device_benchmark
from ofa_aec_tf.deployment.latency.file_benchmark import BenchmarkSettings
from ofa_aec_tf.deployment.latency.measurement import FirstUse
from ofa_aec_tf.deployment.latency.measurement import Latency
from ofa_aec_tf.deployment.latency.measurement import Timing

_NOTE = (
    "Note: as the benchmark tool itself affects memory footprint, the "
    "following is only APPROXIMATE to the actual memory footprint of the model "
    "at runtime. Take the information at your discretion.\n"
)

# With percentiles and a severity before each line.
_RECENT = (
    "INFO: Min num runs: [50]\n"
    "INFO: Num threads: [2]\n"
    "INFO: Min warmup runs: [5]\n"
    "INFO: Graph: [/data/local/tmp/ofa_aec_tf/subnet_int8-0a1b2c3d.tflite]\n"
    "INFO: Signature to run: []\n"
    "INFO: Use xnnpack: [1]\n"
    "INFO: #threads used for CPU inference: [2]\n"
    "INFO: Loaded model "
    "/data/local/tmp/ofa_aec_tf/subnet_int8-0a1b2c3d.tflite\n"
    "INFO: Initialized TensorFlow Lite runtime.\n"
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    "VERBOSE: Replacing 19 out of 25 node(s) with delegate "
    "(TfLiteXNNPackDelegate) node, yielding 5 partitions for subgraph 0.\n"
    "INFO: The input model file size (MB): 0.5123\n"
    "INFO: Initialized session in 7.25ms.\n"
    "INFO: Running benchmark for at least 5 iterations and at least 0.5 "
    "seconds but terminate if exceeding 150 seconds.\n"
    "INFO: count=40 first=14000 curr=12100 min=12000 max=14000 avg=12400.5 "
    "std=310 p5=12010 median=12350 p95=13000\n"
    "\n"
    "INFO: Running benchmark for at least 50 iterations and at least 1 seconds "
    "but terminate if exceeding 150 seconds.\n"
    "INFO: count=83 first=12200 curr=12000 min=11800 max=15900 avg=12150.7 "
    "std=420 p5=11850 median=12050 p95=12900\n"
    "\n"
    "INFO: Inference timings in us: Init: 7250, First inference: 14000, "
    "Warmup (avg): 12400.5, Inference (avg): 12150.7\n"
    f"INFO: {_NOTE}"
    "INFO: Memory footprint delta from the start of the tool (MB): "
    "init=6.5 overall=9.25\n"
)

# Without severities and percentiles, large numbers as powers of ten, and
# --enable_op_profiling, whose summary has counts of its own.
_OLDER = (
    "STARTING!\n"
    "Log parameter values verbosely: [0]\n"
    "Num threads: [4]\n"
    "Graph: [./net.tflite]\n"
    "Enable op profiling: [1]\n"
    "#threads used for CPU inference: [4]\n"
    "Loaded model ./net.tflite\n"
    "The input model file size (MB): 16.5\n"
    "Initialized session in 17.5ms.\n"
    "Running benchmark for at least 1 iterations and at least 0.5 seconds but "
    "terminate if exceeding 150 seconds.\n"
    "count=1 curr=3500000\n"
    "\n"
    "Running benchmark for at least 50 iterations and at least 1 seconds but "
    "terminate if exceeding 150 seconds.\n"
    "count=50 first=2990000 curr=2910000 min=2720000 max=3180000 "
    "avg=2.95e+06 std=109000\n"
    "\n"
    "Inference timings in us: Init: 17500, First inference: 3500000, "
    "Warmup (avg): 3.5e+06, Inference (avg): 2.95e+06\n"
    f"{_NOTE}"
    "Memory footprint delta from the start of the tool (MB): init=4.25 "
    "overall=46\n"
    "Profiling Info for Benchmark Initialization:\n"
    "Timings (microseconds): count=1 curr=1356\n"
    "Memory (bytes): count=0\n"
    "Timings (microseconds): count=50 first=2 curr=3 min=1 max=4 avg=2 std=1\n"
)

# Of TensorFlow 2.4.
_OLDEST = (
    "STARTING!\n"
    "Num threads: [1]\n"
    "Graph: [/data/local/tmp/net.tflite]\n"
    "count=50 first=249000 curr=250000 min=247000 max=254000 avg=249600 "
    "std=1400\n"
    "Inference timings in us: Init: 16000, First inference: 360000, Warmup "
    "(avg): 304000, Inference (avg): 249600\n"
    f"{_NOTE}"
    "Peak memory footprint (MB): init=4.5 overall=138.5\n"
)


def _logcat(text):
    """The lines as Android's log shows them."""
    return "".join(
        f"07-08 15:33:58.{number:03} I/tflite  ( 5395): {line}\n"
        for number, line in enumerate(text.replace("INFO: ", "").splitlines())
    )


@pytest.mark.parametrize(
    "text",
    [_RECENT, _logcat(_RECENT), _RECENT.replace("\n", "\r\n")],
    ids=["file", "logcat", "windows"],
)
def test_a_recent_tool_gives_percentiles_of_the_runs_that_count(text):
    assert device_benchmark.parse(text) == device_benchmark.DeviceResult(
        graph="subnet_int8-0a1b2c3d.tflite",
        num_threads=2,
        num_undelegated=6,
        latency=Latency(12.05, 12.9, pytest.approx(12.1507), 11.8, 83),
        first_use=FirstUse(7.25, 14.0, int(9.25 * 2**20)),
    )


def test_an_older_tool_gives_the_mean_only():
    assert device_benchmark.parse(_OLDER) == device_benchmark.DeviceResult(
        graph="net.tflite",
        num_threads=4,
        num_undelegated=None,
        latency=Latency(None, None, 2950.0, 2720.0, 50),
        first_use=FirstUse(17.5, 3500.0, 46 * 2**20),
    )


def test_the_oldest_tool_has_other_words_for_memory():
    result = device_benchmark.parse(_OLDEST)
    assert result.first_use.peak_rss_bytes == 138.5 * 2**20
    assert (result.latency.num_runs, result.latency.mean_ms) == (50, 249.6)


def test_memory_is_unknown_where_the_device_does_not_tell():
    text = _RECENT[: _RECENT.index("INFO: Note")]
    result = device_benchmark.parse(text)
    assert result.first_use.peak_rss_bytes is None
    assert result.latency.median_ms == 12.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Inference timings.*Received: 0"),
        (_RECENT[: _RECENT.index("INFO: Inference")], "Received: 0"),
        ("ERROR: Failed to load model.\nBenchmarking failed.\n", "Received: 0"),
        # The words of 2018, which lack the parts that are needed.
        (
            "Average inference timings in us: Warmup: 83, Init: 5, no stats: 8",
            "Received: 0",
        ),
        (_RECENT + _RECENT, "Received: 2"),
        (_RECENT.replace("INFO: Num threads: [2]\n", ""), "Num threads"),
        (_RECENT.replace("Graph:", "Graf:"), "Graph"),
        (_RECENT.replace("count=", "n="), "count="),
    ],
    ids=["empty", "cut", "failed", "2018", "two", "threads", "graph", "count"],
)
def test_answers_without_what_is_needed_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        device_benchmark.parse(text)


def test_commands_push_run_and_pull():
    models = [(pathlib.Path("a dir/net.tflite"), "0123456789abcdef")]
    config = BenchmarkSettings(
        (1, 4),
        Timing(60, 7),
        adb=True,
        device="pixel",
        benchmark_model="downloads/benchmark_model",
    )
    commands = device_benchmark.adb_commands(models, config)
    remote = "/data/local/tmp/ofa_aec_tf"
    graph = f"{remote}/net-01234567.tflite"

    def run(threads):
        return (
            f"{remote}/benchmark_model --graph={graph} "
            f"--num_threads={threads} --num_runs=60 --warmup_runs=7 "
            f"--use_xnnpack=true > {remote}/pixel/"
            f"net-01234567_threads{threads}.txt 2>&1"
        )

    assert [shlex.split(command) for command in commands] == [
        ["adb", "shell", f"mkdir -p {remote}/pixel"],
        [
            "adb",
            "push",
            "downloads/benchmark_model",
            f"{remote}/benchmark_model",
        ],
        ["adb", "shell", f"chmod +x {remote}/benchmark_model"],
        ["adb", "push", "a dir/net.tflite", graph],
        ["adb", "shell", run(1)],
        ["adb", "shell", run(4)],
        ["adb", "pull", f"{remote}/pixel", "."],
    ]


def test_models_of_one_name_have_two_on_the_device():
    names = {
        device_benchmark.remote_name(pathlib.Path(folder, "net.tflite"), digest)
        for folder, digest in (("a", "00ff00ff00"), ("b", "11ff00ff00"))
    }
    assert names == {"net-00ff00ff.tflite", "net-11ff00ff.tflite"}


@pytest.mark.parametrize("device", [None, "", "my phone", "../up", "$HOME"])
def test_names_of_devices_are_words(device):
    with pytest.raises(ValueError, match="--device"):
        device_benchmark.adb_commands([], BenchmarkSettings(device=device))


def test_results_are_all_text_files_of_a_directory(tmp_path):
    for name in ("b.txt", "a.txt", "notes.md"):
        (tmp_path / name).touch()
    single = tmp_path / "notes.md"
    assert device_benchmark.result_files([tmp_path, single]) == [
        tmp_path / "a.txt",
        tmp_path / "b.txt",
        single,
    ]


def test_results_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no results .*absent"):
        device_benchmark.result_files([tmp_path / "absent"])
    with pytest.raises(ValueError, match="no .txt file"):
        device_benchmark.result_files([tmp_path])


def test_a_single_run_has_no_minimum():
    text = _OLDER.replace(
        "count=50 first=2990000 curr=2910000 min=2720000 max=3180000 "
        "avg=2.95e+06 std=109000",
        "count=1 curr=2950000",
    )
    result = device_benchmark.parse(text)
    assert (result.latency.num_runs, result.latency.min_ms) == (1, None)
