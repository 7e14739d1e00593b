import dataclasses

import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.export import fidelity_checks
from ofa_aec_tf.deployment.export.network_export import NetworkExporter
from ofa_aec_tf.deployment.parity import Parity
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import inspection
from tests.deployment import small_models


def _check(network, summary, mode="float32"):
    fidelity_checks.check_weights_are_inside(summary, network, mode)


@pytest.fixture
def summary(exported):
    return inspection.summarize(exported["float32"].content)


def test_file_without_its_weights_is_refused(network, summary):
    with pytest.raises(ValueError, match="Received: 900 bytes. Weights are"):
        _check(network, dataclasses.replace(summary, constant_bytes=900))


@pytest.mark.parametrize("mode", ["float16", "dynamic_range", "int8"])
def test_weights_left_in_float32_are_refused(network, summary, mode):
    with pytest.raises(ValueError, match="not stored in the format"):
        _check(network, summary, mode)


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_good_files_hold_their_weights(network, exported, mode):
    _check(network, exported[mode].summary, mode)


def test_bounds_of_the_constants_are_those_computed_by_hand():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(40)])
    bounds = fidelity_checks.constant_bytes_bounds
    # 1200 weights, and beside them 40 biases of 4 bytes and 1 KiB.
    assert bounds(model, "float32") == (4800, 4800 + 160 + 1024)
    assert bounds(model, "float16") == (2400, 2400 + 160 + 1024)
    assert bounds(model, "dynamic_range") == (1200, 1200 + 160 + 1024)
    assert bounds(model, "int8") == (1200, 1200 + 160 + 1024)


def test_dynamic_range_may_keep_small_kernels_in_float32():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(40)])
    smallest, _ = fidelity_checks.constant_bytes_bounds(model, "dynamic_range")
    assert smallest == 1600


@pytest.mark.parametrize("difference", [1e-5, 0.3, np.nan])
def test_float32_file_must_equal_the_keras_model(difference):
    parity = Parity(4, difference, 0.0, None)
    with pytest.raises(ValueError, match="must equal the Keras model"):
        fidelity_checks.check_parity(parity, "float32")


def test_quantized_files_may_differ():
    fidelity_checks.check_parity(Parity(4, 9e-6, 0.0, None), "float32")
    fidelity_checks.check_parity(Parity(4, 0.05, 0.01, 25.0), "int8")


@pytest.mark.parametrize(
    ("mode", "snr_db"),
    [("float32", 59), ("float16", 39), ("dynamic_range", 14), ("int8", 14)],
)
def test_logits_that_are_mostly_noise_are_refused(mode, snr_db):
    parity = Parity(4, 1e-6, 1e-7, snr_db)
    with pytest.raises(ValueError, match=f"{snr_db}.0 dB"):
        fidelity_checks.check_parity(parity, mode)
    fidelity_checks.check_parity(Parity(4, 1e-6, 1e-7, snr_db + 2.0), mode)


def test_a_network_that_training_ruined_is_refused():
    fidelity_checks.check_trained_parity(Parity(4, 0.4, 0.1, 7.0))
    fidelity_checks.check_trained_parity(Parity(4, 0.0, 0.0, None))
    with pytest.raises(ValueError, match=r"Received: -2\.5 dB. Lower"):
        fidelity_checks.check_trained_parity(Parity(4, 0.9, 0.3, -2.5))


def test_scores_that_an_int8_sigmoid_rounds_away_are_refused(network, clips):
    runner, parity = NetworkExporter(
        network, clips, small_models.make_clips(16, seed=3)
    ).int8_sigmoid()
    scores = runner.predict(clips)
    expected = network.predict(clips, verbose=0)
    # What this check is for: most scores of a tagger are below 1/512.
    assert np.mean(expected < 1 / 512) > 0.5
    assert np.mean(scores == 0) > 0.5
    assert parity.num_clips == len(clips)
    with pytest.raises(ValueError, match="scores into exactly 0 or 1"):
        fidelity_checks.check_score_resolution(expected, scores, "int8")


def test_certain_scores_may_be_exact():
    expected = np.array([[0.0, 1.0, 1e-7, 0.3]])
    fidelity_checks.check_score_resolution(
        expected, np.array([[0.0, 1.0, 0.0, 0.3]]), "int8"
    )
    with pytest.raises(ValueError, match="25% of the scores"):
        fidelity_checks.check_score_resolution(
            expected, np.array([[0.0, 1.0, 0.0, 1.0]]), "int8"
        )


@pytest.mark.parametrize("difference_db", [1e-3, 3.0, np.nan])
def test_another_front_end_is_refused(difference_db):
    fidelity_checks.check_frontend(9e-4, "noise")
    with pytest.raises(ValueError, match=r"0\.001 dB.*on noise"):
        fidelity_checks.check_frontend(difference_db, "noise")


def test_a_chain_that_changes_the_last_bit_is_refused():
    scores = np.float32([[0.5, 0.25]])
    fidelity_checks.check_same_scores(scores, scores.copy(), "int8")
    other = np.nextafter(scores, np.float32(1))
    with pytest.raises(ValueError, match="differs by 6e-08"):
        fidelity_checks.check_same_scores(scores, other, "int8")


def test_a_loss_of_quality_above_the_limit_is_refused():
    fidelity_checks.check_quality(0.95, 0.94, 0.011, "int8")
    fidelity_checks.check_quality(None, None, 0.0, "int8")
    with pytest.raises(ValueError, match=r"0\.9380.*0\.9500.*drop=0\.01"):
        fidelity_checks.check_quality(0.95, 0.938, 0.01, "int8")
