"""Tests of the command, each in a process of its own, as users run it."""

import json
import subprocess

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from data_pipeline.clips import mixtures
from data_pipeline.jobs import job
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio import frontend
from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests import commands
from tests import esc10
from tests import tensorflow_parsing
from tests.data_pipeline.preprocessing import preprocess
from tests.data_pipeline.preprocessing import sounds


def test_a_folder_of_sounds_becomes_a_data_set(tmp_path):
    flag_values = sounds(tmp_path)
    (flag_values["audio_dir"] / "5.flac").write_bytes(b"<html>404</html>")
    finished = preprocess(tmp_path / "out", **flag_values, max_bad_fraction=0.1)
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.class_map.names == ("cat", "dog")
    assert dataset.label_type == "multi_label"
    assert dataset.num_frames == 101
    assert dataset.splits["train"].num_clips == 5
    assert dataset.splits["train"].class_counts == (2, 5)
    assert dataset.source["labels_csv"] == str(tmp_path / "labels.csv")
    summary = finished.stdout.split("\n")
    assert summary[2].split()[:3] == ["train", "5", "1"]
    assert "skipped      1 (1 undecodable)" in summary
    # Clips of a second: the last column has tenths of minutes.
    cells = [line.split() for line in summary]
    assert ["cat", "2", "0.0", "0", "0.0", "3", "0.1"] in cells
    assert ["dog", "5", "0.1", "3", "0.1", "3", "0.1"] in cells
    assert "durations    min 1, median 1, 90 % 1, max 1 s" in summary
    assert "the test split has 3 clips, too few for a figure" in finished.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["classes"]["cat"]["train"]["clips"] == 2


def test_rows_that_cannot_be_clips_are_dead_letters(tmp_path):
    flag_values = sounds(tmp_path)
    with open(flag_values["labels_csv"], "a") as file:
        file.write("\n../secret.flac,dog,train")
    finished = preprocess(tmp_path / "out", **flag_values, max_bad_fraction=0.1)
    assert finished.returncode == 0, finished.stderr
    assert "skipped      1 (1 path_escape)" in finished.stdout
    text = (tmp_path / "out" / "dead_letters.jsonl").read_text()
    assert json.loads(text)["clip_id"] == "../secret.flac"
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.splits["train"].num_clips == 6


def test_flags_set_classes_label_type_and_front_end(tmp_path):
    flag_values = sounds(tmp_path)
    (tmp_path / "labels.csv").write_text(
        "filename,labels\n"
        + "".join(f"{i}.flac,{('cat', 'dog')[i % 2]}\n" for i in range(12))
    )
    finished = preprocess(
        tmp_path / "out",
        **flag_values,
        classes="rain,dog,cat",
        label_type="single_label",
        sample_rate_hz=16000,
        window_samples=512,
        hop_samples=160,
        num_mel_bins=40,
        min_frequency_hz=20,
        max_frequency_hz=8000,
        num_shards=1,
        validation_fraction=0.3,
        test_fraction=0,
    )
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.class_map.names == ("rain", "dog", "cat")
    assert dataset.label_type == "single_label"
    assert dataset.frontend == frontend.FrontendConfig(
        16000, 512, 160, 40, 20.0, 8000.0
    )
    assert len(dataset.splits["train"].shards) == 1
    assert sorted(dataset.splits) == ["train", "validation"]
    assert (
        "untrained    classes without a training clip: 1 (rain)"
        in finished.stdout
    )


def test_the_seed_flag_decides_synthetic_data(tmp_path):
    numbers = {"train": 6, "validation": 2, "test": 0}
    finished = preprocess(
        tmp_path / "out",
        source="synthetic",
        clip_seconds=1,
        seed=7,
        **{f"num_{split}": number for split, number in numbers.items()},
    )
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.splits["train"].num_clips == 6
    assert sorted(dataset.splits) == ["train", "validation"]
    config = PreprocessConfig(
        dataset.frontend, 1.0, dataset.class_map, dataset.label_type
    )
    fingerprints = {
        seed: job.run(
            mixtures.plan_synthetic(numbers, seed),
            config,
            tmp_path / str(seed),
            source={},
        ).dataset.fingerprint
        for seed in (7, 8)
    }
    assert fingerprints[7] == dataset.fingerprint != fingerprints[8]


@pytest.mark.parametrize(
    ("flag_values", "message"),
    [
        ({"source": "csv"}, "error: --source=csv needs --audio_dir."),
        ({"source": "tape"}, "value should be one of <csv|folder|esc|"),
        (
            {"source": "audioset", "audio_dir": "."},
            "error: --source=audioset needs --class_labels_csv.",
        ),
        (
            {"source": "mixture", "audio_dir": "."},
            "error: --source=mixture needs --event_source.",
        ),
        (
            {
                "source": "mixture",
                "event_source": "folder",
                "audio_dir": ".",
                "labels_csv": "a.csv",
            },
            "error: --labels_csv is for --event_source=csv. Received: --event",
        ),
        (
            {"source": "synthetic", "train_folds": "1"},
            "error: --train_folds is for --source=csv|folder|esc",
        ),
        (
            {"source": "folder", "audio_dir": ".", "seed": 1},
            "error: --seed is for --source=synthetic|mixture.",
        ),
        (
            {"source": "synthetic", "clip_timeout_seconds": 3},
            "error: --clip_timeout_seconds is for --isolate. ",
        ),
        (
            {"source": "synthetic", "runner": "FlinkRunner"},
            "error: --num_workers is for --runner=local and FnApiRunner.",
        ),
        (
            {"source": "synthetic", "window_samples": 1023},
            "error: `window_samples` must be even",
        ),
        (
            {"source": "synthetic", "runner": "Tortoise", "num_workers": None},
            "error: Unexpected pipeline runner: Tortoise. Valid values are",
        ),
        (
            {"source": "folder", "audio_dir": ".", "train_folds": "a"},
            "error: --train_folds must be numbers",
        ),
        (
            {"source": "synthetic", "sample_rate_hz": 16000},
            "error: Mel band edges must satisfy",
        ),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, flag_values, message):
    finished = preprocess(tmp_path / "out", **flag_values)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_flags_of_beam_need_a_runner_of_beam(tmp_path):
    finished = preprocess(
        tmp_path / "out", "--project=mine", **sounds(tmp_path)
    )
    assert finished.returncode == 2
    assert "Apache Beam, for another --runner than local" in finished.stderr
    assert "['--project=mine']" in finished.stderr


def test_all_runners_and_isolation_write_the_same(tmp_path):
    flag_values = sounds(tmp_path)
    (flag_values["audio_dir"] / "5.flac").write_bytes(b"<html>404</html>")
    contents = {}
    for name, beam_arguments, options in (
        ("local", (), {}),
        ("isolated", (), {"isolate": True, "num_workers": 2}),
        (
            "beam",
            ("--direct_running_mode=in_memory",),
            {"runner": "FnApiRunner"},
        ),
    ):
        finished = preprocess(
            tmp_path / name,
            *beam_arguments,
            **flag_values,
            **options,
            max_bad_fraction=0.1,
        )
        assert finished.returncode == 0, finished.stderr
        assert "skipped      1 (1 undecodable)" in finished.stdout
        contents[name] = {
            path.name: path.read_bytes() for path in (tmp_path / name).iterdir()
        }
        # Where it was written, and by what.
        del contents[name]["flags.cfg"]
    assert contents["isolated"] == contents["local"]
    assert contents["beam"] == contents["local"]


def test_too_many_bad_files_fail_the_job(tmp_path):
    flag_values = sounds(tmp_path)
    for index in (1, 5, 9):
        (flag_values["audio_dir"] / f"{index}.flac").write_bytes(b"RIFF")
    finished = preprocess(tmp_path / "out", **flag_values, max_bad_fraction=0.2)
    assert finished.returncode == 2
    assert "error: 3 clips, 25.0% of all, were skipped" in finished.stderr
    lines = (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["undecodable"] * 3
    finished = preprocess(
        tmp_path / "out", **flag_values, max_bad_fraction=0.25
    )
    assert finished.returncode == 0, finished.stderr
    assert "9 kept from an earlier run" in finished.stdout


@pytest.mark.parametrize("runner", ["local", "FnApiRunner"])
def test_a_full_disk_is_one_line(tmp_path, runner):
    flag_values = {
        **sounds(tmp_path),
        "clip_seconds": 10,
        "runner": runner,
        "output_dir": tmp_path / "out",
    }
    arguments = [f"--{name}={value}" for name, value in flag_values.items()]
    command = commands.command("data_pipeline.preprocess", *arguments)
    # No file may have more than 100 kB: the plan has less, shards more.
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash", *command]
    finished = subprocess.run(
        limited, cwd=commands.ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 2, finished.stdout
    # Beam's own workers greet, and say goodbye.
    (line,) = [
        line
        for line in finished.stderr.splitlines()
        if not line.startswith(("INFO:", "WARNING:"))
    ]
    assert "File too large" in line
    assert "-of-00001.tfrecord" in line
    assert not list((tmp_path / "out").iterdir())


def test_audioset_becomes_a_data_set(tmp_path):
    (tmp_path / "audio").mkdir()
    for index, name in enumerate(
        ("-aaaaaaaaaa", "Ybbbbbbbbbbb", "ccccccccccc")
    ):
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, 16000)
        soundfile.write(tmp_path / "audio" / f"{name}.flac", noise, 16000)
    (tmp_path / "classes.csv").write_text(
        'index,mid,display_name\n0,/m/1,"Dog, barking"\n1,/m/2,Rain\n'
    )
    head = "# Segments csv\n# YTID, start_seconds, end_seconds, labels\n"
    (tmp_path / "train.csv").write_text(
        head
        + '-aaaaaaaaaa, 0.000, 1.000, "/m/1,/m/2"\n'
        + 'bbbbbbbbbbb, 30.000, 31.000, "/m/2"\n'
        + 'gone_______, 30.000, 31.000, "/m/2"\n'
        + 'ccccccccccc, 0.000, 1.000, "/m/2"\n'
    )
    (tmp_path / "eval.csv").write_text(
        head + 'ccccccccccc, 0.000, 1.000, "/m/1"\n'
    )
    finished = preprocess(
        tmp_path / "out",
        source="audioset",
        audio_dir=tmp_path / "audio",
        class_labels_csv=tmp_path / "classes.csv",
        train_segments=tmp_path / "train.csv",
        evaluation_segments=tmp_path / "eval.csv",
        validation_fraction=0,
        clip_seconds=1,
        max_bad_fraction=0.25,
    )
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.class_map.names == ("Dog, barking", "Rain")
    assert dataset.splits["train"].class_counts == (1, 2)
    assert dataset.splits["test"].class_counts == (1, 0)
    assert "skipped      1 (1 missing)" in finished.stdout
    assert "rows         1 (1 in_evaluation)" in finished.stdout


def test_a_folder_of_links_that_lead_out_says_so(tmp_path):
    (tmp_path / "audio" / "dog").mkdir(parents=True)
    for index in range(4):
        (tmp_path / "audio" / "dog" / f"{index}.wav").symlink_to("/nowhere")
    finished = preprocess(
        tmp_path / "out", source="folder", audio_dir=tmp_path / "audio"
    )
    assert finished.returncode == 2
    assert "None of 4 rows can be used: {'path_escape': 4}" in finished.stderr
    assert "--allow_symlinks" in finished.stderr


def test_fractions_beside_a_split_column_are_refused(tmp_path):
    finished = preprocess(
        tmp_path / "out", **sounds(tmp_path), test_fraction=0.2
    )
    assert finished.returncode == 2
    assert "--test_fraction is for clips without folds" in finished.stderr


def _esc_subset(tmp_path, clips_per_class=1):
    """A directory in the layout of ESC-10 with some clips of every fold."""
    table = esc10.DIRECTORY / "meta/esc10.csv"
    header, *lines = table.read_text().splitlines()
    columns = header.split(",")
    kept, counts = [header], {}
    for line in lines:
        row = dict(zip(columns, line.split(",")))
        key = (row["fold"], row["target"])
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= clips_per_class:
            kept.append(line)
    directory = tmp_path / "esc"
    (directory / "meta").mkdir(parents=True)
    (directory / "meta/esc10.csv").write_text("\n".join(kept) + "\n")
    (directory / "audio").symlink_to(esc10.DIRECTORY.resolve() / "audio")
    return directory


_FOLDS = {"train_folds": "1,2,3", "validation_folds": 4, "test_folds": 5}


@esc10.needs_recordings
def test_recordings_come_back_from_the_records(tmp_path):
    directory = _esc_subset(tmp_path)
    finished = preprocess(
        tmp_path / "out",
        source="esc",
        audio_dir=directory,
        allow_symlinks=True,
        clip_seconds=5,
        **_FOLDS,
    )
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.label_type == "single_label"
    assert dataset.class_map.names[:3] == ("dog_bark", "rain", "sea_waves")
    assert dataset.num_dead_letters == 0
    for name, folds in (("train", 3), ("validation", 1), ("test", 1)):
        assert dataset.splits[name].class_counts == (folds,) * 10
    files = [
        str(tmp_path / "out" / shard.file)
        for shard in dataset.splits["test"].shards
    ]
    (batch,) = [
        tensorflow_parsing.parse_records(serialized, 501, 64, 10)
        for serialized in tf.data.TFRecordDataset(files).batch(10)
    ]
    for clip_id, log_mel, labels in zip(
        batch["id"].numpy(), batch["log_mel"].numpy(), batch["labels"].numpy()
    ):
        name = clip_id.decode()
        fold, *_, target = name.removesuffix(".ogg").split("-")
        assert fold == "5"
        assert labels.nonzero()[0].tolist() == [int(target)]
        waveform = audio.load_audio(directory / "audio" / name, 32000)
        expected = frontend.log_mel_spectrogram(
            audio.fit_length(waveform, 160_000), dataset.frontend
        )
        # Half a step of float16 below 128 dB is 0.031.
        np.testing.assert_allclose(log_mel, expected, atol=0.04)


@esc10.needs_recordings
def test_recordings_are_mixed_within_their_folds(tmp_path):
    finished = preprocess(
        tmp_path / "out",
        source="mixture",
        event_source="esc",
        audio_dir=_esc_subset(tmp_path),
        allow_symlinks=True,
        clip_seconds=2,
        num_train=8,
        num_validation=4,
        num_test=4,
        **_FOLDS,
    )
    assert finished.returncode == 0, finished.stderr
    dataset = DatasetInfo.read(tmp_path / "out")
    assert dataset.label_type == "multi_label"
    assert dataset.splits["train"].num_clips == 8
    assert sum(dataset.splits["train"].class_counts) > 8
    assert json.loads(json.dumps(dataset.source))["seed"] == 0
