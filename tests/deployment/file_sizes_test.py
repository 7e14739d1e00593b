"""Predicted sizes against files that are really converted."""

import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.families import networks
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
    network = networks.build_network(family, subnet)
    small_models.randomize(network, rng)
    return network


class _CountedNetworks:
    """In the place of NetworkFiles: files of known sizes, quickly.

    Args:
        family: Cnn10Family.
        alignment: int. What the sizes are rounded up to.
    """

    num_frames = 51

    def __init__(self, family, alignment=1):
        self.family = family
        self._alignment = alignment
        self.converted = []

    def num_bytes(self, subnet, per_weight):
        """The size of a file, by bytes for each weight of a kernel."""
        filters = self.family.filters(subnet)
        flat = [1, *(n for block in filters for n in block)]
        kernels = sum(9 * a * b for a, b in zip(flat, flat[1:]))
        hidden = self.family.hidden_units
        dense = (flat[-1] + 1) * hidden + (hidden + 1) * 3
        exact = 5000 + per_weight * (kernels + dense) + 28 * sum(flat[1:])
        exact += 300 * len(flat)
        return -(-exact // self._alignment) * self._alignment

    def convert(self, subnet, modes, network=None):
        self.converted.append(subnet)
        extra = 0 if network is None else 1
        sizes = {"float32": 4, "int8": 1}
        return {
            mode: bytes(self.num_bytes(subnet, sizes[mode]) + extra)
            for mode in modes
        }


def test_a_few_conversions_give_the_sizes_of_a_large_space():
    family = _family(depth_pattern="XXX", width_granularity="layer")
    networks = _CountedNetworks(family)
    sizes = FileSizes(networks)
    space = family.search_space()
    assert len(networks.converted) == 6
    assert {space.smallest(), space.largest()} <= set(networks.converted)
    assert max(sizes.error_bytes.values()) <= 1
    rng = np.random.default_rng(1)
    for _ in range(50):
        subnet = space.sample(rng)
        assert sizes.costs(subnet) == {
            "float32_file_bytes": networks.num_bytes(subnet, 4),
            "int8_file_bytes": networks.num_bytes(subnet, 1),
        }
    bytes_per = sizes.to_json()["bytes_per"]
    for name, per_weight in {
        "float32_file_bytes": 4,
        "int8_file_bytes": 1,
    }.items():
        assert bytes_per[name]["kernel_parameter"] == pytest.approx(per_weight)
        # Batch normalization has two for each channel.
        assert bytes_per[name]["other_parameter"] == pytest.approx(14)


def test_what_alignment_adds_is_reported_as_an_error():
    family = _family(depth_pattern="XXX")
    networks = _CountedNetworks(family, alignment=64)
    sizes = FileSizes(networks)
    assert 1 < sizes.error_bytes["int8_file_bytes"] < 200
    assert sizes.to_json()["max_error_bytes"] == sizes.error_bytes
    rng = np.random.default_rng(1)
    for _ in range(50):
        subnet = family.search_space().sample(rng)
        assert sizes.costs(subnet)["int8_file_bytes"] == pytest.approx(
            networks.num_bytes(subnet, 1), abs=200
        )


def test_a_converted_subnet_has_its_real_size():
    family = _family()
    networks = _CountedNetworks(family)
    sizes = FileSizes(networks)
    subnet = next(
        subnet
        for subnet in family.search_space().enumerate()
        if not sizes.is_real(subnet)
    )
    # One byte more with trained weights.
    real = sizes.convert(subnet, network=object())
    assert real["int8_file_bytes"] == networks.num_bytes(subnet, 1) + 1
    assert sizes.is_real(subnet) and sizes.costs(subnet) == real
    assert dict(subnet) in sizes.to_json()["converted_subnets"]


def test_a_space_of_one_subnet_is_converted():
    family = Cnn10Family(
        3, channels=(4, 6), width_ratios=(0.5,), depth_pattern="2"
    )
    networks = _CountedNetworks(family)
    sizes = FileSizes(networks)
    (subnet,) = family.search_space().enumerate()
    assert networks.converted == [subnet]
    assert sizes.error_bytes["int8_file_bytes"] == 0


def test_predictions_are_right_for_real_files():
    # TFLite has no transform of 1000 samples: quick to convert.
    config = FrontendConfig(window_samples=1000)
    family = Cnn10Family(
        3,
        channels=(8, 12, 20),
        hidden_units=16,
        width_ratios=(0.5, 1.0),
        depth_pattern="2X",
    )
    networks = NetworkFiles(family, config, 0.5, synthetic_data.CLASS_NAMES)
    sizes = FileSizes(networks)
    subnets = list(family.search_space().enumerate())
    predicted = [s for s in subnets if not sizes.is_real(s)]
    assert len(predicted) == len(subnets) - 6 == 2
    for subnet in predicted:
        costs = sizes.costs(subnet)
        real = sizes.convert(subnet)
        for name in _MODES:
            assert costs[name] == pytest.approx(real[name], abs=64)
    rng = np.random.default_rng(0)
    clips = rng.normal(-40, 15, (2, networks.num_frames, 64))
    network = _network(family, predicted[0], rng)
    expected = {
        name: len(
            converter.convert(network, networks.num_frames, 64, mode, clips)
        )
        for name, mode in _MODES.items()
    }
    assert sizes.costs(predicted[0]) == expected
    assert sizes.convert(predicted[0], network) == expected


@pytest.mark.long
def test_sizes_are_those_of_what_the_command_writes(tmp_path):
    dataset, _ = synthetic_data.write_dataset(tmp_path)
    info = ModelInfo.for_dataset(dataset, stage="materialized")
    rng = np.random.default_rng(0)
    expected = {}
    for space, options in _SPACES.items():
        family = _family(**options)
        networks = NetworkFiles(
            family,
            dataset.frontend,
            dataset.clip_seconds,
            dataset.class_map.names,
        )
        for number in range(2):
            subnet = family.search_space().sample(rng)
            name = f"{space}-{number}"
            path = tmp_path / name / "subnet.keras"
            path.parent.mkdir()
            _network(family, subnet, rng).save(path)
            info.write(path)
            files = networks.convert(subnet, _MODES.values())
            expected[name] = {
                cost: len(files[mode]) for cost, mode in _MODES.items()
            }
    paths = [str(tmp_path / name / "subnet.keras") for name in expected]
    result = commands.run(
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


def test_a_class_name_that_no_file_can_hold_is_refused():
    names = ("low", "middle", "hi\ngh")
    with pytest.raises(ValueError, match="is a line of text"):
        NetworkFiles(_family(), FrontendConfig(), 0.5, names)
