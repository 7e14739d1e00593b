import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from tests.synthetic_data import CLASS_NAMES

_FAMILY = Cnn10Family(3, channels=(4, 6, 8, 8), hidden_units=8)
_SPACE = _FAMILY.search_space()
_SUBNET = _SPACE.smallest()
# TFLite has no transform of 1000 samples.
_LOG_MEL = FrontendConfig(window_samples=1000)


@pytest.fixture(scope="module")
def log_mel_networks():
    return NetworkFiles(_FAMILY, _LOG_MEL, 0.5, CLASS_NAMES)


def test_files_take_samples():
    networks = NetworkFiles(_FAMILY, FrontendConfig(), 0.5, CLASS_NAMES)
    assert networks.num_frames == 51
    files = networks.convert(_SUBNET, ["float32", "int8"])
    for content in files.values():
        runner = TFLiteModel(content)
        assert runner.input_shape == (1, 16000)
        scores = runner.predict(np.zeros((1, 16000)))
        assert scores.shape == (1, 3)
        assert np.isfinite(scores).all()
    quantizing = {
        mode: "QUANTIZE" in inspection.summarize(content).operators
        for mode, content in files.items()
    }
    assert quantizing == {"float32": False, "int8": True}


def test_without_a_front_end_files_take_spectrograms(log_mel_networks):
    assert log_mel_networks.frontend is None
    (content,) = log_mel_networks.convert(_SUBNET, ["float32"]).values()
    assert TFLiteModel(content).input_shape == (1, 51, 64)


def test_the_same_file_comes_again(log_mel_networks):
    first, again = (
        log_mel_networks.convert(_SUBNET, ["float32"]) for _ in range(2)
    )
    assert first == again


def test_what_decides_a_file_decides_its_key(log_mel_networks):
    key = log_mel_networks.key(_SUBNET, "int8")
    again = NetworkFiles(_FAMILY, _LOG_MEL, 0.5, CLASS_NAMES)
    assert again.key(_SUBNET, "int8") == key
    wider = Cnn10Family(3, channels=(4, 6, 8, 8), hidden_units=9)
    others = {
        log_mel_networks.key(_SUBNET, "float32"),
        log_mel_networks.key(_SPACE.largest(), "int8"),
        NetworkFiles(wider, _LOG_MEL, 0.5, CLASS_NAMES).key(_SUBNET, "int8"),
        NetworkFiles(_FAMILY, _LOG_MEL, 1, CLASS_NAMES).key(_SUBNET, "int8"),
        NetworkFiles(_FAMILY, _LOG_MEL, 0.5, "abc").key(_SUBNET, "int8"),
        NetworkFiles(_FAMILY, FrontendConfig(), 0.5, CLASS_NAMES).key(
            _SUBNET, "int8"
        ),
    }
    assert len(others - {key}) == 6
