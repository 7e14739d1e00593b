"""Exported networks on recordings: silence, clipping and all."""

import os
import pathlib

import numpy as np
import pytest

from ofa_aec_tf import audio
from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.frontend import FrontendConfig
from ofa_aec_tf.frontend import log_mel_spectrogram
from tests.deployment import small_models

CLIP_SECONDS = 5
NUM_CLIPS = 24


def _esc10_dir():
    default = pathlib.Path(__file__).parents[2] / "../shared/data/esc10"
    return pathlib.Path(os.environ.get("ESC10_DIR", default))


@pytest.fixture(scope="module")
def recordings():
    """Log-mel spectrograms of every so many recordings, in random order."""
    paths = sorted((_esc10_dir() / "audio").glob("*.*"))
    if not paths:
        pytest.skip(f"no ESC-10 recordings in {_esc10_dir()}")
    paths = paths[:: len(paths) // NUM_CLIPS][:NUM_CLIPS]
    frontend = FrontendConfig()
    num_samples = frontend.num_samples(CLIP_SECONDS)
    clips = [
        log_mel_spectrogram(
            audio.fit_length(
                audio.load_audio(path, frontend.sample_rate_hz), num_samples
            ),
            frontend,
        )
        for path in paths
    ]
    return np.random.default_rng(0).permutation(np.stack(clips))


@pytest.fixture(scope="module")
def exported_for_recordings(recordings):
    network = small_models.make_untrained_network()
    for _ in range(40):
        network(recordings[: NUM_CLIPS // 2], training=True)
    files = exporter.export_modes(
        network,
        tflite_converter.QUANTIZATION_MODES,
        calibration_clips=recordings[: NUM_CLIPS // 2],
        parity_clips=recordings[NUM_CLIPS // 2 :],
        num_latency_runs=3,
    )
    return dict(files)


@pytest.mark.real_audio
@pytest.mark.parametrize(
    ("mode", "min_snr_db"),
    [("float32", 80), ("float16", 50), ("dynamic_range", 25), ("int8", 20)],
)
def test_recordings_get_the_scores_of_the_keras_model(
    exported_for_recordings, mode, min_snr_db
):
    parity = exported_for_recordings[mode].parity
    assert parity.num_clips == NUM_CLIPS // 2
    assert parity.logit_snr_db > min_snr_db
