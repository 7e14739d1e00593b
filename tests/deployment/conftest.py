"""What is costly to make, made once for all tests of deployment."""

import pytest

from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import tflite_converter
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
