"""Sizes against files that are really written, to the byte."""

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


@pytest.fixture(scope="module")
def file_sizes():
    """Of files from samples to scores."""
    return FileSizes(
        NetworkFiles(
            _family(), FrontendConfig(), 0.5, synthetic_data.CLASS_NAMES
        )
    )


# Of one structure each, to be quick.
@pytest.mark.parametrize(
    "options",
    [
        {"channels": (8, 12, 20, 64), "width_granularity": "layer"},
        {"channels": (8, 3, 3, 3), "width_ratios": (0.4,)},
    ],
    ids=["layers", "one channel"],
)
def test_without_a_front_end_sizes_are_those_of_log_mel_files(options):
    # TFLite has no transform of 1000 samples.
    config = FrontendConfig(window_samples=1000)
    family = Cnn10Family(
        3, hidden_units=32, depth_pattern="222", elastic_stem=True, **options
    )
    sizes = FileSizes(
        NetworkFiles(family, config, 0.5, synthetic_data.CLASS_NAMES)
    )
    rng = np.random.default_rng(0)
    num_frames = config.num_frames(config.num_samples(0.5))
    clips = rng.normal(-40, 15, (2, num_frames, 64))
    subnet = family.search_space().sample(rng)
    network = _network(family, subnet, rng)
    assert sizes.costs(subnet) == {
        name: len(converter.convert(network, num_frames, 64, mode, clips))
        for name, mode in _MODES.items()
    }


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
            expected[name] = sizes.costs(subnet)
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


def test_longer_names_of_classes_take_their_bytes(file_sizes):
    family = _family()
    subnet = family.search_space().smallest()
    # Letters of two bytes in UTF-8.
    names = ("low", "middle", "höhö")
    longer = FileSizes(NetworkFiles(family, FrontendConfig(), 0.5, names))
    for name, num_bytes in file_sizes.costs(subnet).items():
        assert longer.costs(subnet)[name] == num_bytes + 2


def test_a_wider_subnet_takes_what_its_weights_do(file_sizes):
    space = _family().search_space()
    narrow = dict(space.smallest())
    wide = {**narrow, "block3_width": 1.0}
    # 8 of 20 channels, between 5 and 26 others, and a bias.
    weights = {n: 9 * (5 * n + n * n + n * 26) for n in (8, 20)}
    more = weights[20] - weights[8]
    differences = {
        name: num_bytes - file_sizes.costs(narrow)[name]
        for name, num_bytes in file_sizes.costs(wide).items()
    }
    assert differences["float32_file_bytes"] == 4 * (more + 2 * 12)
    # A scale and a zero point of each channel too, for weights and bias.
    expected = more + 2 * 12 * (4 + 2 * (4 + 8))
    assert differences["int8_file_bytes"] == pytest.approx(expected, abs=16)


def test_a_class_name_that_no_file_can_hold_is_refused():
    names = ("low", "middle", "hi\ngh")
    with pytest.raises(ValueError, match="is a line of text"):
        FileSizes(NetworkFiles(_family(), FrontendConfig(), 0.5, names))
