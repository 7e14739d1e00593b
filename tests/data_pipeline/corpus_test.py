"""A corpus as users have it: every bad file is listed, no good one is lost."""

import json
import os

import numpy as np
import pytest
import soundfile

from data_pipeline.clips import splits
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.jobs import job
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.sources.csv_file import CsvSettings
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from tests.audio import bad_files

_NUM_GOOD = 150
_NO_SPLITS = {split: [] for split in ("train", "validation", "test")}


def _make_corpus(directory):
    """Files and labels.csv; returns the outcome of each row by clip id."""
    outcomes = {}
    for number in range(_NUM_GOOD):
        noise = np.random.default_rng(number).uniform(-0.1, 0.1, 64000)
        soundfile.write(directory / f"good{number}.wav", noise, 32000)
        outcomes[f"good{number}.wav"] = ()
    zoo = bad_files.FOR_ALL | bad_files.DIFFERING | bad_files.FOR_AV
    # Names that tell nothing, and names that lie.
    for extension in ("bin", "mp3"):
        for number, (make, outcome, *_) in enumerate(zoo.values()):
            name = f"odd{number}.{extension}"
            make(directory / name)
            outcomes[name] = outcome
    (directory / "empty.wav").touch()
    (directory / "link.wav").symlink_to(directory / "nowhere.wav")
    (directory / "out.wav").symlink_to("/etc/hostname")
    (directory / "directory.wav").mkdir()
    os.mkfifo(directory / "pipe.wav")
    outcomes |= {
        "empty.wav": "empty_file",
        "link.wav": "missing",
        "absent.wav": "missing",
        "directory.wav": "not_a_file",
        "pipe.wav": "not_a_file",
        "out.wav": "path_escape",
        "../up.wav": "path_escape",
        "/etc/passwd": "path_escape",
        "good1.wav/../../up.wav": "path_escape",
    }
    (directory / "labels.csv").write_text(
        "filename,labels\n" + "".join(f'"{n}",dog\n' for n in outcomes)
    )
    return outcomes


@pytest.mark.slow
def test_every_bad_file_is_listed_and_no_good_one_is_lost(tmp_path):
    pytest.importorskip("av")
    audio_dir, output_dir = tmp_path / "audio", tmp_path / "out"
    audio_dir.mkdir()
    outcomes = _make_corpus(audio_dir)
    bad = {n: o for n, o in outcomes.items() if isinstance(o, str)}
    assert len(outcomes) >= 200
    assert len(bad) >= 45
    source = CsvSettings(
        audio_dir=audio_dir, labels_csv=audio_dir / "labels.csv"
    ).open()
    rows = list(source.rows)
    clips = [row for row in rows if not isinstance(row, SkippedRow)]
    skipped = [row for row in rows if isinstance(row, SkippedRow)]
    result = job.run(
        skipped + splits.assign(clips, _NO_SPLITS, 0.1, 0.1),
        PreprocessConfig(
            FrontendConfig(), 2.0, ClassMap(("dog",)), "multi_label"
        ),
        output_dir,
        {},
        job.Terms(max_bad_fraction=1.0),
        ProcessPool(2),
    )
    letters = [
        json.loads(line)
        for line in (output_dir / "dead_letters.jsonl").read_text().split("\n")
        if line
    ]
    assert {letter["clip_id"]: letter["code"] for letter in letters} == bad
    assert all(letter["reason"] for letter in letters)
    assert result.report["num_clips"] == len(outcomes) - len(bad)
    notes = {}
    for line in (output_dir / "notes.jsonl").read_text().splitlines():
        note = json.loads(line)
        notes.setdefault(note["clip_id"], set()).add(note["code"])
    assert notes == {
        name: set(outcome)
        for name, outcome in outcomes.items()
        if outcome and not isinstance(outcome, str)
    }
    assert result.report["bad_fraction"] == len(bad) / len(outcomes)
