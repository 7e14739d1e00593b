"""A new source is its module and a line in the registry."""

import json

import numpy as np
import pytest
import soundfile

from data_pipeline.sources import registry
from tests import commands

_MODULE = "tests.data_pipeline.sources.toy_source"


@pytest.fixture(scope="module")
def audio_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("toy")
    for index in range(12):
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, 16000)
        label = ("dog", "rain")[index % 2]
        soundfile.write(directory / f"{label}_{index}.wav", noise, 16000)
    return directory


def _preprocess(output_dir, **flag_values):
    return commands.run(
        _MODULE,
        f"--output_dir={output_dir}",
        "--clip_seconds=0.5",
        "--num_workers=1",
        *(f"--{name}={value}" for name, value in flag_values.items()),
    )


def test_a_source_brings_its_flags_help_and_record(audio_dir, tmp_path):
    result = _preprocess(
        tmp_path / "out",
        source="toy",
        audio_dir=audio_dir,
        segment_seconds=0.5,
        validation_fraction=0.2,
        lists_dir=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert dataset["source"] == {
        "source": "toy",
        "audio_dir": str(audio_dir),
        "validation_fraction": 0.2,
        "segment_seconds": 0.5,
        "lists_dir": str(tmp_path),
    }
    assert dataset["class_names"] == ["dog", "rain"]
    # Another path is no other setting; another mark is one.
    again = {"source": "toy", "audio_dir": audio_dir, "segment_seconds": 0.5}
    again["validation_fraction"] = 0.2
    result = _preprocess(tmp_path / "out", **again)
    assert result.returncode == 0, result.stderr
    result = _preprocess(tmp_path / "out", **again, label_mark="-")
    assert "label_mark was None and is now '-'" in result.stderr


@pytest.mark.parametrize(
    ("flag_values", "message"),
    [
        (
            {"source": "csv", "label_mark": "-"},
            "--label_mark is for --source=toy. Received: --source=csv",
        ),
        (
            {"source": "toy", "labels_csv": "x"},
            "--labels_csv is for --source=csv. Received: --source=toy",
        ),
        (
            {"source": "synthetic", "test_fraction": 0.1},
            "--test_fraction is for --source=csv|folder|esc|urbansound8k|"
            "speech_commands|annotations|toy. Received: --source=synthetic",
        ),
        (
            {"source": "mixture", "event_source": "toy", "train_folds": 1},
            "--train_folds is for --event_source=csv|folder|esc|urbansound8k. "
            "Received: --event_source=toy",
        ),
        ({"source": "toy"}, "--source=toy needs --audio_dir."),
        (
            {"source": "mixture", "event_source": "toy"},
            "--event_source=toy needs --audio_dir.",
        ),
    ],
)
def test_flags_of_other_sources_are_refused(tmp_path, flag_values, message):
    result = _preprocess(tmp_path / "out", **flag_values)
    assert result.returncode == 2
    assert message in result.stderr


def test_help_groups_flags_by_what_they_are_of():
    text = commands.run(_MODULE, "--help").stdout
    group = text.partition("AudioSet: parts of two million videos")[2]
    group = group.partition("\n\n")[0]
    assert "--blacklist" in group and "--labels_csv" not in group
    assert "toy: files named LABEL_NUMBER.wav" in " ".join(text.split())


def test_paths_are_known_from_their_declaration():
    assert registry.path_settings() == {
        "annotations_dir",
        "audio_dir",
        "blacklist",
        "class_labels_csv",
        "evaluation_segments",
        "labels_csv",
        "train_segments",
        "validation_segments",
    }
