"""Measures real files of a very small family; no time is tested."""

import json
import os

import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.latency import subnet_latency
from ofa_aec_tf.deployment.latency.subnet_latency import SubnetTiming
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.runs import machine
from tests.synthetic_data import CLASS_NAMES

# Of 4 filters a half and 0.6 keep both 2.
_FAMILY = Cnn10Family(
    3,
    channels=(4, 4, 4, 4),
    hidden_units=8,
    width_ratios=(0.5, 0.6, 1.0),
    depth_pattern="222",
)
_SUBNETS = [
    _FAMILY.search_space().subnet(
        {"block2_width": 1.0, "block3_width": 1.0, "block4_width": width}
    )
    for width in (1.0, 0.5, 0.6)
]
_HOW = SubnetTiming("float32", 1, 3)


@pytest.fixture
def conversions(monkeypatch):
    """Notes widths and modes of all that is converted."""
    convert = NetworkFiles.convert
    noted = []

    def noting(networks, subnet, modes):
        noted.append((subnet["block4_width"], *modes))
        return convert(networks, subnet, modes)

    monkeypatch.setattr(NetworkFiles, "convert", noting)
    return noted


def _measure(directory, subnets=_SUBNETS, how=_HOW, clip_seconds=0.2):
    # TFLite has no transform of 1000 samples: quick to convert.
    config = FrontendConfig(window_samples=1000)
    networks = NetworkFiles(_FAMILY, config, clip_seconds, CLASS_NAMES)
    return subnet_latency.measure(directory, networks, subnets, how)


def _rows(table):
    return {
        (
            row["network"]["subnet"]["block4_width"],
            row["network"]["mode"],
            row["threads"],
        ): row
        for row in table["rows"]
    }


def test_each_subnet_has_a_row_and_is_measured_once(tmp_path, conversions):
    table = _measure(tmp_path / "run")
    path = tmp_path / "run" / "latency.json"
    assert table == latency_table.read(path)
    assert table["device"] == machine.cpu_model()
    assert table["measured_with"].startswith("ai-edge-litert ")
    assert len(table["rows"]) == 3
    rows = _rows(table)
    for subnet in _SUBNETS:
        row = rows[subnet["block4_width"], "float32", 1]
        family = {"name": "cnn10", **_FAMILY.to_json()}
        assert row["network"] == json.loads(
            json.dumps(
                {
                    "family": family,
                    "subnet": dict(subnet),
                    "num_frames": 21,
                    "mode": "float32",
                    "macs": _FAMILY.complexity(subnet, 21).macs,
                }
            )
        )
        # Without a front end there is nothing beside the network.
        assert row["macs"] == row["network"]["macs"]
        assert row["num_runs"] == 3
        assert 0 < row["latency_ms"]["min"] <= row["latency_ms"]["median"]
    # A half and 0.6 are one file, and one measurement.
    assert conversions == [(1.0, "float32"), (0.5, "float32")]
    same, also_same = (rows[w, "float32", 1] for w in (0.5, 0.6))
    assert same["sha256"] == also_same["sha256"]
    assert same["latency_ms"] == also_same["latency_ms"]

    before = path.stat()
    assert _measure(tmp_path / "run") == table
    assert len(conversions) == 2
    assert path.stat().st_ino == before.st_ino
    assert os.listdir(tmp_path / "run") == ["latency.json"]


def test_only_what_is_missing_is_measured(tmp_path, conversions):
    (first,) = _measure(tmp_path, _SUBNETS[:1])["rows"]
    table = _measure(tmp_path, _SUBNETS)
    assert len(table["rows"]) == 3
    assert table["rows"][0] == first
    assert conversions == [(1.0, "float32"), (0.5, "float32")]


def test_modes_threads_and_lengths_stand_side_by_side(tmp_path, conversions):
    first = _rows(_measure(tmp_path, _SUBNETS[:1]))
    _measure(tmp_path, _SUBNETS[:1], SubnetTiming("int8", 1, 3))
    table = _measure(tmp_path, _SUBNETS[:1], SubnetTiming("float32", 2, 3))
    rows = _rows(table)
    assert set(rows) == {
        (1.0, "float32", 1),
        (1.0, "int8", 1),
        (1, "float32", 2),
    }
    assert rows.items() >= first.items()
    longer = _measure(tmp_path, _SUBNETS[:1], clip_seconds=0.3)
    assert longer["rows"][:3] == table["rows"]
    assert longer["rows"][3]["network"]["num_frames"] == 31
    assert len(conversions) == 4


def test_converted_files_outlast_a_failure(tmp_path, conversions, monkeypatch):
    def fail(*unused):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(measurement, "measure_by_turns", fail)
        with pytest.raises(KeyboardInterrupt):
            _measure(tmp_path)
    assert len(list((tmp_path / "latency_files").iterdir())) == 2
    assert not (tmp_path / "latency.json").exists()
    assert len(_measure(tmp_path)["rows"]) == 3
    assert len(conversions) == 2
    assert os.listdir(tmp_path) == ["latency.json"]


def test_another_measurement_is_refused_and_kept(tmp_path, monkeypatch):
    _measure(tmp_path, _SUBNETS[:1])
    before = (tmp_path / "latency.json").read_bytes()
    with pytest.raises(ValueError, match="num_runs was 3 and is now 4"):
        _measure(tmp_path, _SUBNETS, SubnetTiming("float32", 1, 4))
    monkeypatch.setattr(machine, "cpu_model", lambda: "Z80")
    with pytest.raises(ValueError, match="is now 'Z80'. Remove it to"):
        _measure(tmp_path, _SUBNETS)
    assert (tmp_path / "latency.json").read_bytes() == before


def test_a_table_of_something_else_is_refused(tmp_path):
    latency_table.write(tmp_path / "latency.json", machine.cpu_model(), [])
    with pytest.raises(ValueError, match="num_runs was None and is now 3"):
        _measure(tmp_path)
