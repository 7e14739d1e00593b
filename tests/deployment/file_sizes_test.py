"""Predicted sizes against files that are really converted."""

import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.runs import workdir
from tests import commands
from tests import synthetic_data
from tests.deployment import small_models

_MODES = {"float32_file_bytes": "float32", "int8_file_bytes": "int8"}
_SPACES = {
    "22X": {},
    "XXX": {"depth_pattern": "XXX"},
    "stem": {"elastic_stem": True},
    "layers": {"depth_pattern": "XXX", "width_granularity": "layer"},
}


def _family(**options):
    return Cnn10Family(
        len(synthetic_data.CLASS_NAMES),
        channels=(8, 12, 20, 64),
        hidden_units=32,
        **options,
    )


def _network(family, subnet, rng):
    network = registry.build_network(family, subnet)
    small_models.randomize(network, rng)
    return network


def _log_mel_sizes(family):
    # TFLite has no transform of 1000 samples: quick to convert.
    config = FrontendConfig(window_samples=1000)
    return FileSizes(
        NetworkFiles(family, config, 0.5, synthetic_data.CLASS_NAMES)
    )


@pytest.fixture(scope="module")
def file_sizes():
    """Of files from samples to scores."""
    return FileSizes(
        NetworkFiles(
            _family(), FrontendConfig(), 0.5, synthetic_data.CLASS_NAMES
        )
    )


def test_predictions_are_within_the_error_that_is_reported():
    family = Cnn10Family(
        3,
        channels=(8, 16, 24),
        hidden_units=16,
        depth_pattern="XX",
        width_granularity="layer",
    )
    sizes = _log_mel_sizes(family)
    assert len(sizes.to_json()["converted_subnets"]) == 6
    rng = np.random.default_rng(1)
    for _ in range(2):
        subnet = family.search_space().sample(rng)
        assert not sizes.is_real(subnet)
        predicted = sizes.costs(subnet)
        real = sizes.convert(subnet)
        assert sizes.is_real(subnet) and sizes.costs(subnet) == real
        # Float weights and biases are multiples of the alignment.
        assert predicted["float32_file_bytes"] == pytest.approx(
            real["float32_file_bytes"], abs=16
        )
        assert predicted["int8_file_bytes"] == pytest.approx(
            real["int8_file_bytes"], abs=64
        )


def test_sizes_of_a_converted_subnet_are_those_of_its_files():
    family = Cnn10Family(
        3,
        channels=(4, 6),
        hidden_units=8,
        width_ratios=(0.5,),
        depth_pattern="X",
    )
    sizes = _log_mel_sizes(family)
    rng = np.random.default_rng(0)
    clips = rng.normal(-40, 15, (2, 51, 64))
    for subnet in family.search_space().enumerate():
        network = _network(family, subnet, rng)
        assert sizes.is_real(subnet)
        expected = {
            name: len(converter.convert(network, 51, 64, mode, clips))
            for name, mode in _MODES.items()
        }
        assert sizes.costs(subnet) == expected
        assert sizes.convert(subnet, network) == expected


@pytest.mark.slow
def test_sizes_are_those_of_what_the_command_writes(tmp_path):
    dataset, _ = synthetic_data.write_dataset(tmp_path)
    info = ModelInfo.for_dataset(dataset, stage="materialized")
    rng = np.random.default_rng(0)
    expected = {}
    for space, options in _SPACES.items():
        family = _family(**options)
        sizes = FileSizes(
            NetworkFiles(
                family,
                dataset.frontend,
                dataset.clip_seconds,
                dataset.class_map.names,
            )
        )
        for number in range(2):
            subnet = family.search_space().sample(rng)
            name = f"{space}-{number}"
            path = tmp_path / name / "subnet.keras"
            path.parent.mkdir()
            _network(family, subnet, rng).save(path)
            info.write(path)
            expected[name] = sizes.convert(subnet)
    paths = [str(tmp_path / name / "subnet.keras") for name in expected]
    result = commands.run_with_tensorflow(
        "ofa_aec_tf.export",
        f"--model={','.join(paths)}",
        f"--data_dir={tmp_path}",
        f"--output_dir={tmp_path / 'out'}",
        "--modes=float32,int8",
        "--log_mel_modes=",
        "--num_calibration_clips=8",
        "--num_parity_clips=4",
    )
    assert result.returncode == 0, result.stderr
    written = {
        name: {
            cost: (tmp_path / "out" / name / f"subnet_{mode}.tflite")
            .stat()
            .st_size
            for cost, mode in _MODES.items()
        }
        for name in expected
    }
    assert written == expected
    report = workdir.read_json(tmp_path / "out" / "22X-0" / "export.json")
    assert report["files"]["int8"]["input_shape"] == [1, 16000]


def test_a_wider_subnet_takes_what_its_weights_do(file_sizes):
    space = _family().search_space()
    narrow = space.smallest()
    wide = space.subnet({**narrow, "block3_width": 1.0})
    # 8 of 20 channels, between 5 and 26 others, and a bias.
    weights = {n: 9 * (5 * n + n * n + n * 26) for n in (8, 20)}
    more = weights[20] - weights[8]
    differences = {
        name: num_bytes - file_sizes.costs(narrow)[name]
        for name, num_bytes in file_sizes.costs(wide).items()
    }
    assert differences["float32_file_bytes"] == pytest.approx(
        4 * (more + 2 * 12), abs=16
    )
    # A scale and a zero point of each channel too, for weights and bias.
    expected = more + 2 * 12 * (4 + 2 * (4 + 8))
    assert differences["int8_file_bytes"] == pytest.approx(expected, abs=64)


def test_what_costs_bytes_is_reported(file_sizes):
    report = file_sizes.to_json()
    bytes_per = report["bytes_per"]
    assert bytes_per["float32_file_bytes"]["kernel_parameter"] == (
        pytest.approx(4, abs=0.01)
    )
    assert bytes_per["int8_file_bytes"]["kernel_parameter"] == (
        pytest.approx(1, abs=0.01)
    )
    assert max(report["max_error_bytes"].values()) < 64


def test_a_class_name_that_no_file_can_hold_is_refused():
    names = ("low", "middle", "hi\ngh")
    with pytest.raises(ValueError, match="is a line of text"):
        FileSizes(NetworkFiles(_family(), FrontendConfig(), 0.5, names))
