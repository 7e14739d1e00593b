"""Data sets in their published layouts, each by one command."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import soundfile

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.record_reader import RandomAccessReader
from tests import commands

_RATE_HZ = 16_000


@dataclasses.dataclass
class _Layout:
    """A data set on disk.

    Args:
        path: path of its directory.
    """

    path: pathlib.Path

    def sound(self, name, seconds=0.5):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(name))
        noise = rng.uniform(-0.5, 0.5, round(seconds * _RATE_HZ))
        soundfile.write(path, noise, _RATE_HZ)

    def text(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@dataclasses.dataclass
class _Finished:
    """What the command made.

    Args:
        info: DatasetInfo.
        labels: dict from split to dict from clip id to class names.
        skipped: dict from file name to code, of the list of them.
        output: str. What it printed.
    """

    info: DatasetInfo
    labels: dict
    skipped: dict
    output: str


@pytest.fixture
def layout(tmp_path):
    return _Layout(tmp_path / "set")


@pytest.fixture
def preprocess(layout, tmp_path):
    def run(**flag_values):
        flag_values = {
            "audio_dir": layout.path,
            "output_dir": tmp_path / "out",
            "clip_seconds": 0.5,
            "num_workers": 1,
            "num_shards": 1,
            **flag_values,
        }
        finished = commands.run(
            "data_pipeline.preprocess",
            *(f"--{name}={value}" for name, value in flag_values.items()),
        )
        assert finished.returncode == 0, finished.stderr
        output_dir = tmp_path / "out"
        info = DatasetInfo.read(output_dir)
        lines = (output_dir / "dead_letters.jsonl").read_text().splitlines()
        letters = map(json.loads, lines)
        return _Finished(
            info,
            {split: _labels(output_dir, info, split) for split in info.splits},
            {letter["filename"]: letter["code"] for letter in letters},
            finished.stdout + finished.stderr,
        )

    return run


def _labels(directory, info, split):
    reader = RandomAccessReader(directory, info, split)
    clips = map(reader.read_record, range(len(reader)))
    return {
        clip.clip_id: [info.class_map.names[i] for i in clip.labels]
        for clip in clips
    }


def _urbansound8k(layout, folds):
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in folds:
        for class_id, name in ((3, "dog_bark"), (1, "car_horn")):
            file = f"{fold}00-{class_id}-0-0.wav"
            layout.sound(f"audio/fold{fold}/{file}")
            # The recording of the last two folds is the same.
            recording = f"{min(fold, 9)}00"
            lines.append(
                f"{file},{recording},58.5,59.0,1,{fold},{class_id},{name}"
            )
    lines.append("999-3-0-0.wav,999,0.0,0.5,2,1,3,dog_bark")
    layout.text("metadata/UrbanSound8K.csv", "\n".join(lines) + "\n")
    layout.text("UrbanSound8K_README.txt", "Salamon et al.\n")


def test_urbansound8k(layout, preprocess):
    _urbansound8k(layout, range(1, 11))
    finished = preprocess(source="urbansound8k")
    assert finished.info.class_map.names == ("car_horn", "dog_bark")
    assert finished.info.label_type == "single_label"
    # Without a word about them, folds are kept, and the last one tests.
    assert finished.labels["validation"] == {
        "900-3-0-0.wav": ["dog_bark"],
        "900-1-0-0.wav": ["car_horn"],
    }
    assert sorted(finished.labels["test"]) == [
        "1000-1-0-0.wav",
        "1000-3-0-0.wav",
    ]
    assert len(finished.labels["train"]) == 16
    (missing,) = finished.skipped.items()
    assert missing[0].endswith("audio/fold1/999-3-0-0.wav")
    assert missing[1] == "missing"
    # Kept as published, and told.
    assert "1 crossing_group" in finished.output
    assert "are kept as they were published: 1, such as 900" in finished.output


def test_urbansound8k_by_its_folds(layout, preprocess):
    _urbansound8k(layout, range(1, 5))
    finished = preprocess(
        source="urbansound8k",
        train_folds="1,3",
        test_folds=2,
        max_bad_fraction=0.2,
    )
    assert {
        split: sorted({name[0] for name in clips})
        for split, clips in finished.labels.items()
    } == {"train": ["1", "3"], "test": ["2"]}
    assert finished.info.source["other_folds"] == [4]


def test_speech_commands(layout, preprocess):
    for word in ("bed", "cat"):
        for speaker in ("0a7c2a8d", "1b4c9b89", "2da58b32"):
            for number in range(2):
                layout.sound(f"{word}/{speaker}_nohash_{number}.wav")
    layout.sound("_background_noise_/white_noise.wav", seconds=6.3)
    layout.text("_background_noise_/README.md", "Noise.\n")
    layout.text("LICENSE", "CC BY 4.0\n")
    layout.text("README.md", "Speech Commands\n")
    for split, speaker in (("validation", "1b4c9b89"), ("testing", "2da58b32")):
        layout.text(
            f"{split}_list.txt",
            "".join(
                f"{word}/{speaker}_nohash_{number}.wav\n"
                for word in ("bed", "cat")
                for number in range(2)
            ),
        )
    finished = preprocess(source="speech_commands")
    assert finished.info.class_map.names == ("background", "bed", "cat")
    assert finished.info.label_type == "single_label"
    for split, speaker in (("validation", "1b4c9b89"), ("test", "2da58b32")):
        assert {name.split("_")[0] for name in finished.labels[split]} == {
            f"bed/{speaker}",
            f"cat/{speaker}",
        }
    noise = [
        name
        for name, labels in finished.labels["train"].items()
        if labels == ["background"]
    ]
    # 6.3 s are 12 clips, and 0.3 s of another.
    assert len(noise) == 13
    assert len(finished.labels["train"]) == 4 + 13


def test_raven(layout, preprocess):
    header = (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\t"
        "Low Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"
    )
    for number in range(6):
        layout.sound(f"R{number}.wav", seconds=2)
        layout.text(
            f"R{number}.Table.1.selections.txt",
            f"{header}1\tSpectrogram 1\t1\t0.1\t0.9\t500\t4000\tWren\n"
            f"2\tSpectrogram 1\t1\t0.6\t0.8\t500\t4000\tRobin\n",
        )
    finished = preprocess(source="annotations")
    labels = {
        name: names
        for clips in finished.labels.values()
        for name, names in clips.items()
    }
    for number in range(6):
        assert labels[f"R{number}.wav@0"] == ["Wren"]
        assert labels[f"R{number}.wav@0.5"] == ["Robin", "Wren"]
        assert labels[f"R{number}.wav@1"] == []
        assert labels[f"R{number}.wav@1.5"] == []
    # All parts of a recording are in one split.
    splits_of = [
        {name.split("@")[0] for name in clips}
        for clips in finished.labels.values()
    ]
    assert sum(map(len, splits_of)) == 6
    assert "12 no_labels" in finished.output


def test_audacity(layout, preprocess, tmp_path):
    for number in range(3):
        layout.sound(f"audio/site {number}.flac", seconds=1)
        layout.text(
            f"labels/site {number}.txt",
            "0.500000\t0.900000\tdog bark\n\\\t100.0\t900.0\n",
        )
    finished = preprocess(
        source="annotations",
        audio_dir=layout.path / "audio",
        annotations_dir=layout.path / "labels",
        segment_seconds=0.25,
        validation_fraction=0.3,
        test_fraction=0,
    )
    assert (
        finished.labels["validation"]
        .keys()
        .isdisjoint(finished.labels["train"])
    )
    labels = finished.labels["validation"] | finished.labels["train"]
    for number in range(3):
        name = f"site {number}.flac"
        assert labels[f"{name}@0"] == labels[f"{name}@0.25"] == []
        assert labels[f"{name}@0.5"] == labels[f"{name}@0.75"] == ["dog bark"]


def test_urban_sed(layout, preprocess):
    for split in ("train", "validate", "test"):
        name = f"soundscape_{split}_bimodal0"
        layout.sound(f"audio/{split}/{name}.wav", seconds=1)
        layout.text(
            f"annotations/{split}/{name}.txt",
            "0.05\t0.45\tsiren\n0.1\t0.3\tdog_bark\n",
        )
        layout.text(f"annotations/{split}/{name}.jams", "{}\n")
    finished = preprocess(source="annotations")
    for split, folder in (
        ("train", "train"),
        ("validation", "validate"),
        ("test", "test"),
    ):
        name = f"audio/{folder}/soundscape_{folder}_bimodal0.wav"
        assert finished.labels[split] == {
            f"{name}@0": ["dog_bark", "siren"],
            f"{name}@0.5": [],
        }
    assert set(finished.skipped.values()) == {"not_audio"}


def test_dcase_few_shot(layout, preprocess):
    header = "Audiofilename,Starttime,Endtime,AMRE,BBWA\n"
    for folder in ("Training_Set/BV", "Validation_Set/PB"):
        layout.sound(f"Development_Set/{folder}/a.wav", seconds=2)
        layout.text(
            f"Development_Set/{folder}/a.csv",
            header
            + "a.wav,0.1,0.4,POS,NEG\n"
            + "a.wav,0.6,0.7,NEG,UNK\n"
            + "a.wav,1.1,1.2,UNK,POS\n",
        )
    finished = preprocess(source="annotations")
    for split, folder in (
        ("train", "Training_Set/BV"),
        ("validation", "Validation_Set/PB"),
    ):
        name = f"Development_Set/{folder}/a.wav"
        assert finished.labels[split] == {
            f"{name}@0": ["AMRE"],
            f"{name}@1": ["BBWA"],
            f"{name}@1.5": [],
        }
    assert set(finished.skipped.values()) == {"uncertain"}


def test_audioset_as_it_circulates(layout, preprocess):
    layout.text(
        "class_labels_indices.csv",
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n'
        '1,/m/05zppz,"Male speech, man speaking"\n',
    )
    header = "YTID,start_seconds,end_seconds,positive_labels\n"
    train = [f"-bcdefghij{number}" for number in range(4)]
    layout.text(
        "balanced.csv",
        header.replace(",", ", ")
        + "".join(
            f'{name}, 30.000, 40.000, "/m/09x0r,/m/05zppz"\r\n'
            for name in train
        ),
    )
    layout.text(
        "eval.csv",
        "# Segments csv\n" + header + "Abcdefghijk,0.000,10.000,/m/09x0r\n",
    )
    for name in train:
        layout.sound(f"audio/Y{name}_30.000_40.000.wav")
    layout.sound("audio/Abcdefghijk_0.000_10.000.wav")
    finished = preprocess(
        source="audioset",
        audio_dir=layout.path / "audio",
        class_labels_csv=layout.path / "class_labels_indices.csv",
        train_segments=layout.path / "balanced.csv",
        evaluation_segments=layout.path / "eval.csv",
        validation_fraction=0,
    )
    assert finished.labels == {
        "train": {
            f"{name}_30000": ["Speech", "Male speech, man speaking"]
            for name in train
        },
        "test": {"Abcdefghijk_0": ["Speech"]},
    }
    assert not finished.skipped
    # A header is neither a clip nor a video of the evaluation set.
    assert "in_evaluation" not in finished.output


def test_long_recordings_are_cut_by_a_flag(layout, preprocess):
    for label in ("dog", "rain"):
        for number in range(3):
            layout.sound(f"{label}/{number}.wav", seconds=1.6)
    finished = preprocess(
        source="folder",
        segment_seconds=0.5,
        validation_fraction=0.4,
        test_fraction=0,
    )
    clips = [
        (split, name, names)
        for split, of_split in finished.labels.items()
        for name, names in of_split.items()
    ]
    assert len(clips) == 6 * 3
    assert {
        tuple(names) for _, name, names in clips if name.startswith("dog/")
    } == {("dog",)}
    assert len({(split, name.split("@")[0]) for split, name, _ in clips}) == 6
    assert finished.skipped == {
        f"{label}/{number}.wav": "cropped_rest"
        for label in ("dog", "rain")
        for number in range(3)
    }
    assert "0.6 s at the ends of recordings" in finished.output


def test_segments_that_would_be_cropped_are_refused(layout):
    layout.sound("dog/0.wav")
    finished = commands.run(
        "data_pipeline.preprocess",
        "--source=folder",
        f"--audio_dir={layout.path}",
        f"--output_dir={layout.path}/out",
        "--clip_seconds=0.5",
        "--segment_seconds=0.6",
    )
    assert finished.returncode == 2
    assert "at most --clip_seconds=0.5: the rest" in finished.stderr
