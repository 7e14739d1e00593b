import functools
import importlib.util
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logit

from ofa_aec_tf.deployment import parity
from ofa_aec_tf.deployment.export.network_export import NetworkExporter
from ofa_aec_tf.deployment.qat import activation_ranges
from ofa_aec_tf.deployment.qat import folding
from ofa_aec_tf.deployment.qat.fine_tuning import FineTuning
from ofa_aec_tf.deployment.qat.quantization_aware_training import load_engine
from ofa_aec_tf.deployment.qat.quantization_aware_training import quantize
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from tests.deployment import small_models

needs_tfmot = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None,
    reason="needs the extra `qat`",
)
pytestmark = pytest.mark.qat
ENGINES = ["keras", pytest.param("tfmot", marks=needs_tfmot)]


def _quantize(network, clips, engine="keras", fine_tuning=None):
    return quantize(
        network,
        small_models.NUM_FRAMES,
        small_models.NUM_MEL_BINS,
        engine,
        clips,
        fine_tuning,
    )


@pytest.fixture(scope="module")
def quantized(network, calibration_clips):
    """The QuantizedNetwork of each engine, made when asked for."""
    return functools.cache(
        lambda engine: _quantize(network, calibration_clips, engine)
    )


def _check(quantized, network, clips):
    """What the export does with the file; returns its ExportedFile."""
    exporter = NetworkExporter(network, clips, num_latency_runs=3)
    return exporter.check(
        quantized.content, "int8_qat", quantized.predict(clips)
    )


@pytest.fixture(scope="module")
def odd_network():
    keras.utils.set_random_seed(0)
    network = small_models.build_cnn10(
        ((7,), (31, 31), (61,), (13,)), small_models.NUM_CLASSES, hidden_units=9
    )
    for _ in range(40):
        network(small_models.make_clips(8, seed=1), training=True)
    return network


@pytest.mark.parametrize("engine", ENGINES)
def test_file_passes_the_checks_of_the_export(
    network, clips, quantized, engine
):
    summary = _check(quantized(engine), network, clips).summary
    for name in ("CONV_2D", "AVERAGE_POOL_2D", "MEAN", "FULLY_CONNECTED"):
        assert summary.activation_dtypes[name] == ("int8",)
    assert summary.activation_dtypes["LOGISTIC"] == ("float32",)
    # One conversion at each end, and none between.
    assert summary.operators["QUANTIZE"] == 1
    assert summary.operators["DEQUANTIZE"] == 1
    assert summary.operators["CONV_2D"] == small_models.NUM_CONVOLUTIONS


@pytest.mark.parametrize("engine", ENGINES)
def test_scores_are_as_near_as_those_of_the_converter_alone(
    network, clips, exported, quantized, engine
):
    scores = TFLiteModel(quantized(engine).content).predict(clips)
    result = parity.compare(network.predict(clips, verbose=0), scores)
    assert result.logit_snr_db > exported["int8"].parity.logit_snr_db - 1


@pytest.mark.parametrize("engine", ENGINES)
def test_file_computes_what_the_quantized_network_does(
    mobile_network, calibration_clips, clips, engine
):
    result = _quantize(mobile_network, calibration_clips, engine)
    scores = TFLiteModel(result.content).predict(clips)
    differences = np.abs(logit(scores) - logit(result.predict(clips)))
    ranges = activation_ranges.calibrate(
        folding.fold(mobile_network), calibration_clips
    )
    minimum, maximum = ranges["logits"]
    step = (maximum - minimum) / 255
    assert differences.max() < 1.01 * step
    assert np.mean(differences < 0.01 * step) > 0.7


@pytest.mark.parametrize("engine", ENGINES)
def test_odd_widths_are_converted(
    odd_network, calibration_clips, clips, engine
):
    result = _quantize(odd_network, calibration_clips, engine)
    _check(result, odd_network, clips)
    scores = TFLiteModel(result.content).predict(clips)
    assert (
        parity.compare(
            odd_network.predict(clips, verbose=0), scores
        ).logit_snr_db
        > 25
    )


def _distillation(teacher, num_steps):
    """Fine-tuning on the teacher's scores."""

    def loss_fn(log_mel, labels, logits):
        del labels
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(teacher(log_mel), logits)
        )

    def batches():
        for seed in range(num_steps):
            log_mel = small_models.make_clips(8, seed=100 + seed)
            yield log_mel, np.zeros((8, 10), np.float32)

    return FineTuning(batches(), loss_fn, num_steps, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_fine_tuning_brings_the_file_nearer_to_its_teacher(
    network, calibration_clips, clips, quantized, engine
):
    # The same network with its classes turned by one.
    teacher = keras.models.clone_model(network)
    teacher.set_weights(network.get_weights())
    logits = teacher.get_layer("logits")
    logits.set_weights([np.roll(w, 1, -1) for w in logits.get_weights()])
    expected = logit(teacher.predict(clips, verbose=0))

    def distance(result):
        scores = TFLiteModel(result.content).predict(clips)
        return np.mean((logit(scores) - expected) ** 2)

    tuned = _quantize(
        network, calibration_clips, engine, _distillation(teacher, 40)
    )
    assert distance(tuned) < 0.7 * distance(quantized(engine))
    assert len(tuned.losses) == 40
    assert np.mean(tuned.losses[-5:]) < 0.7 * np.mean(tuned.losses[:5])
    # It is another network now, and the file is that one.
    _check(tuned, network, clips)


@pytest.mark.slow
def test_run_is_repeatable_and_leaves_the_network_as_it_was(
    network, calibration_clips, clips
):
    before = [weights.copy() for weights in network.get_weights()]
    first, second = (
        TFLiteModel(
            _quantize(
                network,
                calibration_clips,
                fine_tuning=_distillation(network, 3),
            ).content
        ).predict(clips)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    for weights, now in zip(before, network.get_weights()):
        np.testing.assert_array_equal(weights, now)


@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_scores_are_those_of_the_activation_of_the_network(
    calibration_clips, clips, name
):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((101, 64))
    x = keras.layers.Rescaling(0.1)(inputs)
    x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dense(10, name="logits")(x)
    network = keras.Model(inputs, keras.layers.Activation(name)(x))
    result = _quantize(network, calibration_clips)
    scores = TFLiteModel(result.content).predict(clips)
    expected = network.predict(clips, verbose=0)
    for received in (scores, result.predict(clips)):
        assert np.abs(received - expected).mean() < 0.01
        if name == "softmax":
            np.testing.assert_allclose(received.sum(axis=1), 1, rtol=1e-5)


def test_network_without_a_known_activation_is_refused(calibration_clips):
    inputs = keras.Input((101, 64))
    x = keras.layers.GlobalMaxPooling1D(name="pool")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(10, name="logits")(x))
    with pytest.raises(ValueError, match=r"softmax.*\['pool', 'logits'\]"):
        _quantize(network, calibration_clips)


def test_weights_and_clips_are_checked(network, calibration_clips):
    broken = keras.models.clone_model(network)
    weights = network.get_weights()
    weights[-1] = weights[-1] * np.nan
    broken.set_weights(weights)
    with pytest.raises(ValueError, match="10 of 10 values of 'logits/bias'"):
        _quantize(broken, calibration_clips)
    with pytest.raises(ValueError, match=r"Received: shape \(2, 100, 64\)"):
        _quantize(network, np.zeros((2, 100, 64)))


def test_unknown_engine_is_refused_naming_the_engines():
    with pytest.raises(ValueError, match=r"\('keras', 'tfmot'\).*'torch'"):
        load_engine("torch")


def test_missing_packages_are_an_error_that_names_the_extra(monkeypatch):
    name = "ofa_aec_tf.deployment.qat.tfmot_engine"
    monkeypatch.delitem(sys.modules, name, raising=False)
    # As import does where there is no such package.
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(
        ValueError,
        match=r"needs tensorflow_model_optimization.*'ofa_aec_tf\[qat\]'",
    ):
        load_engine("tfmot")


def test_quantization_prints_nothing(network, capfd):
    _quantize(network, small_models.make_clips(2, seed=3))
    assert capfd.readouterr() == ("", "")
