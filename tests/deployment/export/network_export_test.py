import hashlib

import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import converter
from tests.deployment import small_models


def test_modes_come_in_the_order_asked_for(exported):
    assert tuple(exported) == converter.QUANTIZATION_MODES


def test_report_describes_the_file(exported):
    file = exported["int8"]
    report = file.report("subnet_int8.tflite")
    assert report["file"] == "subnet_int8.tflite"
    assert report["num_bytes"] == len(file.content)
    assert report["sha256"] == hashlib.sha256(file.content).hexdigest()
    assert report["operators"]["CONV_2D"] == small_models.NUM_CONVOLUTIONS
    assert report["parity"]["num_clips"] == 24
    assert report["latency_ms"] > 0


def test_parity_is_that_of_the_file_with_the_keras_model(
    network, clips, exported
):
    expected = network.predict(clips, verbose=0).astype(np.float64)
    for file in exported.values():
        difference = np.abs(file.runner.predict(clips) - expected)
        assert file.parity.max_score_difference == pytest.approx(
            difference.max(), abs=1e-6
        )
        assert file.parity.mean_score_difference == pytest.approx(
            difference.mean(), abs=1e-7
        )


def test_finer_formats_are_nearer_to_the_keras_model(exported):
    snr_db = {mode: f.parity.logit_snr_db for mode, f in exported.items()}
    assert snr_db["float32"] > snr_db["float16"]
    assert snr_db["float16"] > snr_db["dynamic_range"] > 25
    assert snr_db["float16"] > snr_db["int8"] > 25


def test_diverged_network_is_not_exported(network, clips):
    broken = keras.models.clone_model(network)
    broken.set_weights(network.get_weights())
    bn = broken.get_layer("block2_bn1")
    values = bn.get_weights()
    values[3][:] = np.inf
    bn.set_weights(values)
    with pytest.raises(ValueError, match="block2_bn1/moving_variance.*not fin"):
        small_models.export(broken, clips, ["float32"])


def test_clips_of_another_length_than_calibrated_are_refused(network, clips):
    longer = np.concatenate([clips, clips], axis=1)[:2]
    with pytest.raises(ValueError, match=r"\(num_clips, 202, 64\).*101"):
        small_models.export(network, longer, ["int8"], calibration_clips=clips)
