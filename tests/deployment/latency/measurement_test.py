import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.latency.measurement import Timing
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.deployment.tflite.runner import load_interpreter
from tests.deployment.tflite.tflite_graphs import convert


def test_the_95th_percentile_is_near_the_slowest_of_twenty():
    measured = measurement.Latency.of([float(run) for run in range(1, 22)])
    assert (measured.median_ms, measured.mean_ms) == (11, 11)
    assert (measured.min_ms, measured.p95_ms) == (1, 20)
    assert measured.num_runs == 21


@pytest.fixture
def turns(monkeypatch):
    """Notes each turn, and lets every run take as long as it has threads."""
    noted = []

    def time_runs(interpreter, num_runs, num_warmup_runs):
        noted.append((*interpreter, num_runs, num_warmup_runs))
        return [float(interpreter[1])] * num_runs

    monkeypatch.setattr(
        runner, "load_interpreter", lambda path, threads: (path, threads)
    )
    monkeypatch.setattr(measurement, "set_random_inputs", lambda *_: None)
    monkeypatch.setattr(measurement, "_time_runs", time_runs)
    return noted


def test_models_take_turns_and_share_out_all_runs(turns):
    latencies = list(
        measurement.measure_by_turns([("a", 1), ("b", 2)], Timing(8, 3, 3))
    )
    assert turns == [
        ("a", 1, 3, 3),
        ("b", 2, 3, 3),
        ("a", 1, 3, 3),
        ("b", 2, 3, 3),
        ("a", 1, 2, 3),
        ("b", 2, 2, 3),
    ]
    assert [
        [(latency.num_runs, latency.median_ms) for latency in turn]
        for turn in latencies
    ] == [[(3, 1), (3, 2)], [(6, 1), (6, 2)], [(8, 1), (8, 2)]]


def test_there_is_no_turn_without_a_run(turns):
    assert len(list(measurement.measure_by_turns([("a", 1)], Timing(2)))) == 2
    assert turns == [("a", 1, 1, 5)] * 2


def test_latency_is_of_the_timed_runs_only(exported, monkeypatch):
    # Start and end of three runs of 1, 5 and 2 s; warm-up runs read no clock.
    readings = iter([10, 11, 10, 15, 10, 12])
    monkeypatch.setattr("time.perf_counter", lambda: next(readings))
    latency = measurement.measure(exported["float32"].content, Timing(3, 2, 1))
    assert latency.median_ms == 2000
    assert latency.min_ms == 1000


def test_a_real_file_is_timed_on_several_threads(exported, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(exported["int8"].content)
    latency = measurement.measure(path, Timing(4, 1, 2), num_threads=2)
    assert latency.num_runs == 4
    assert 0 < latency.median_ms <= latency.p95_ms


def test_memory_of_the_first_use_holds_the_weights(tmp_path):
    # 16 MiB of weights, which the runtime packs into as many again; this
    # process has more, and that must not show.
    kernel = tf.random.stateless_normal((2048, 2048), (0, 0))
    path = tmp_path / "wide.tflite"
    path.write_bytes(convert(lambda x: tf.matmul(x, kernel), (1, 2048)))
    ballast = b"x" * (200 * 2**20)
    first_use = measurement.measure_first_use(path, 1, seed=0)
    assert len(ballast) == 200 * 2**20
    assert 16 * 2**20 < first_use.peak_rss_bytes < 64 * 2**20
    assert first_use.initialization_ms > 0
    assert first_use.first_run_ms > 0


def test_the_error_of_a_process_of_its_own_is_that_of_this_one(tmp_path):
    with pytest.raises(ValueError, match="no TFLite file .*absent"):
        measurement.measure_first_use(tmp_path / "absent.tflite", 1, seed=0)


def test_what_xnnpack_has_no_kernel_for_is_named():
    # Sums along an axis are no operator of XNNPACK; the others are.
    content = convert(lambda x: tf.tanh(tf.cumsum(x * 2.0, axis=1)), (1, 8))
    undelegated = measurement.undelegated_operators(load_interpreter(content))
    assert undelegated == {"CUMSUM": 1}


def test_operators_on_both_sides_of_a_gap_are_delegated():
    def graph(x):
        left = tf.cumsum(tf.tanh(x), axis=1)
        right = tf.cumsum(tf.tanh(x + 1.0), axis=1)
        return tf.tanh(left * right)

    undelegated = measurement.undelegated_operators(
        load_interpreter(convert(graph, (1, 8)))
    )
    assert undelegated == {"CUMSUM": 2}


@pytest.mark.parametrize("mode", ["float32", "float16", "dynamic_range"])
def test_all_of_a_float_network_is_delegated(exported, mode):
    interpreter = load_interpreter(exported[mode].content)
    assert measurement.undelegated_operators(interpreter) == {}


def test_integer_inputs_are_refused_by_name():
    content = convert(lambda x: x + x, (1, 4), dtype=tf.int32)
    with pytest.raises(ValueError, match="float32 inputs.*of int32"):
        measurement.set_random_inputs(load_interpreter(content), 0)


@pytest.mark.parametrize(
    ("shape", "low", "high"), [((1, 4000), -1, 1), ((1, 100, 64), -100, 0)]
)
def test_inputs_have_the_range_of_waveforms_or_decibels(shape, low, high):
    interpreter = load_interpreter(convert(tf.identity, shape))
    measurement.set_random_inputs(interpreter, 0)
    tensor = interpreter.get_input_details()[0]
    values = interpreter.get_tensor(tensor["index"])
    margin = 0.01 * (high - low)
    assert low <= values.min() < low + margin
    assert high - margin < values.max() <= high
    measurement.set_random_inputs(interpreter, 0)
    assert (interpreter.get_tensor(tensor["index"]) == values).all()
