"""What is costly to make, made once for all tests of deployment."""

import pytest

from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.deployment import waveform_exporter
from ofa_aec_tf.frontend import FrontendConfig
from tests.deployment import small_models


@pytest.fixture(scope="session")
def network():
    # Most scores of a tagger are far below 1/512: so are those of this one.
    return small_models.make_network(mean_logit=-7.0)


@pytest.fixture(scope="session")
def clips():
    return small_models.make_clips(24, seed=2)


@pytest.fixture(scope="session")
def exported(network, clips):
    """ExportedFile of every mode."""
    files = exporter.export_modes(
        network,
        tflite_converter.QUANTIZATION_MODES,
        calibration_clips=small_models.make_clips(16, seed=3),
        parity_clips=clips,
        num_latency_runs=3,
    )
    return dict(files)


@pytest.fixture(scope="session")
def frontend_file():
    """FrontEndFile for clips of the frames of `small_models`."""
    config = FrontendConfig()
    num_samples = (small_models.NUM_FRAMES - 1) * config.hop_samples
    return waveform_exporter.export_frontend(
        config, num_samples, num_latency_runs=3
    )


@pytest.fixture(scope="session")
def waveform_files(exported, frontend_file):
    """ExportedFile of every mode, behind the front end."""
    return {
        mode: waveform_exporter.add_frontend(
            frontend_file,
            network,
            mode,
            small_models.METADATA,
            num_latency_runs=3,
        )
        for mode, network in exported.items()
    }
