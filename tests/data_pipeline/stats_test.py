"""The stats command against NumPy and counts by hand."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

from data_pipeline.reports import statistics
from tests import commands
from tests.synthetic_data import CLASS_NAMES
from tests.synthetic_data import damage
from tests.synthetic_data import write_dataset


def _stats(data_dir, output_dir):
    return commands.run(
        "data_pipeline.stats",
        f"--data_dir={data_dir}",
        f"--output_dir={output_dir}",
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    info, clips = write_dataset(directory, num_clips=(10, 5, 4))
    output = tmp_path_factory.mktemp("out") / "statistics"
    result = _stats(directory, output)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 5
    of_split = {
        split: {i: c for i, c in clips.items() if i.startswith(split)}
        for split in ("train", "validation", "test")
    }
    return info, of_split, output


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_mean_and_deviation_are_those_of_all_frames(run):
    info, of_split, output = run
    values = json.loads((output / "statistics.json").read_text())
    assert values["data_fingerprint"] == info.fingerprint
    rows = _rows(output / "mel_bands.csv")
    assert len(rows) == 3 * 64
    for split, clips in of_split.items():
        frames = np.concatenate(
            [log_mel.astype(np.float16) for log_mel, _ in clips.values()]
        ).astype(np.float64)
        found = values["splits"][split]
        assert found["num_clips"] == len(clips)
        np.testing.assert_allclose(
            found["mel_mean_db"], frames.mean(0), rtol=1e-9
        )
        np.testing.assert_allclose(
            found["mel_std_db"], frames.std(0), rtol=1e-6
        )
        of_rows = [row for row in rows if row["split"] == split]
        assert [int(row["band"]) for row in of_rows] == list(range(64))
        assert [float(row["mean_db"]) for row in of_rows] == (
            found["mel_mean_db"]
        )
        assert [float(row["std_db"]) for row in of_rows] == found["mel_std_db"]


def test_counts_and_weights_are_those_of_the_labels(run):
    _, of_split, output = run
    values = json.loads((output / "statistics.json").read_text())
    weights = json.loads((output / "sampling_weights.json").read_text())
    assert weights["count_epsilon"] == 0.01
    table = _rows(output / "class_counts.csv")
    assert [row["class"] for row in table] == list(CLASS_NAMES)
    weight_rows = {
        (row["split"], row["clip_id"]): float(row["weight"])
        for row in _rows(output / "sampling_weights.csv")
    }
    assert len(weight_rows) == 19
    for split, clips in of_split.items():
        counts = Counter(c for _, labels in clips.values() for c in labels)
        expected = [counts[label] for label in range(3)]
        assert values["splits"][split]["class_counts"] == expected
        assert [int(row[split]) for row in table] == expected
        assert values["splits"][split]["class_weights"] == pytest.approx(
            [1 / (n + 0.01) if n else 0 for n in expected]
        )
        assert weights["weights"][split].keys() == clips.keys()
        for clip_id, (_, labels) in clips.items():
            weight = sum(1 / (counts[c] + 0.01) for c in labels)
            assert weights["weights"][split][clip_id] == pytest.approx(weight)
            assert weight_rows[split, clip_id] == pytest.approx(weight)


def test_a_damaged_record_ends_it_in_one_line(tmp_path):
    info, _ = write_dataset(tmp_path)
    damage(tmp_path / info.splits["train"].shards[0].file, 3000)
    result = _stats(tmp_path, tmp_path / "out")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "at byte 0 is damaged" in line
    assert not (tmp_path / "out").exists()


def test_a_split_without_clips_is_skipped(tmp_path):
    info, _ = write_dataset(tmp_path, num_clips=(4, 4, 0))
    assert list(statistics.compute(tmp_path, info)) == [
        "train",
        "validation",
    ]
