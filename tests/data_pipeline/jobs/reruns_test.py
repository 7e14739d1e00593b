"""A finished data set is never made worse by another run of the job."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil

import pytest
import soundfile

from data_pipeline.clips import clip as clip_types
from data_pipeline.clips import mixtures
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.jobs import job
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import workdir
from tests.data_pipeline.jobs import noise_rows

_CONFIG = PreprocessConfig(
    FrontendConfig(8000, 256, 80, 16, 50.0, 4000.0), 0.25, None, "multi_label"
)


@pytest.fixture
def rows(tmp_path):
    directory = tmp_path / "audio"
    directory.mkdir()
    return noise_rows.write(directory)


@pytest.fixture
def decoded(monkeypatch):
    """Ids of the clips that are rendered, in this process."""
    ids = []
    render = ClipRow.render

    def counting(self, *arguments):
        ids.append(self.clip_id)
        return render(self, *arguments)

    monkeypatch.setattr(ClipRow, "render", counting)
    return ids


def _run(rows, output_dir, config=_CONFIG, source=None, runner=None, **terms):
    return job.run(
        rows,
        config,
        output_dir,
        source or {"source": "csv"},
        job.Terms(**{"num_shards": 2, **terms}),
        runner,
    )


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
    }


def _unlink(rows):
    for row in rows:
        os.unlink(row.path)


def _moved(rows, directory):
    return [
        dataclasses.replace(row, path=str(directory / row.clip_id))
        for row in rows
    ]


@pytest.mark.parametrize("num_gone", [40, 7, 1])
def test_a_run_without_its_audio_changes_nothing(rows, tmp_path, num_gone):
    out = tmp_path / "out"
    _run(rows, out)
    before = _contents(out)
    _unlink(rows[:num_gone])
    # What was there counts more than which split or share of it is gone.
    message = f"{num_gone} clips of the finished .*dead_letters.failed.*lists"
    with pytest.raises(ValueError, match=message):
        _run(rows, out)
    failed = out / "dead_letters.failed.jsonl"
    letters = [json.loads(line) for line in failed.read_text().splitlines()]
    assert [letter["code"] for letter in letters] == ["missing"] * num_gone
    # Shards of the failed run may wait for the next; the set is as it was.
    after = _contents(out)
    assert {name: after[name] for name in before} == before
    assert DatasetInfo.read(out).splits["train"].num_clips == 24


def test_the_next_success_ends_in_the_files_of_an_undisturbed_run(
    rows, tmp_path
):
    out = tmp_path / "out"
    _run(rows, out)
    before = _contents(out)
    shutil.move(tmp_path / "audio", tmp_path / "unmounted")
    with pytest.raises(ValueError):
        _run(rows, out)
    shutil.move(tmp_path / "unmounted", tmp_path / "audio")
    assert _run(rows, out).num_reused == 40
    assert _contents(out) == before


def test_a_first_run_that_fails_has_the_lists_under_their_names(rows, tmp_path):
    _unlink(rows[:7])
    rows.append(SkippedRow("notes", "notes.txt", "not_audio", "no audio"))
    # What was never a clip is not among those that are too many.
    message = (
        r"17.5% of all, were skipped: \{'missing': 7\}. The first: .*wav: "
        "there.*dead_letters.jsonl lists"
    )
    with pytest.raises(ValueError, match=message):
        _run(rows, tmp_path / "out")
    names = set(_contents(tmp_path / "out"))
    assert names > {"dead_letters.jsonl", "notes.jsonl", "report.json"}
    assert not names & {"dataset.json", "dead_letters.failed.jsonl"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"source": "folder"}}, "source was 'csv' and is now 'fol"),
        ({"num_shards": 1}, "num_shards was 2 and is now 1"),
        ({"num_shards": None}, "num_shards was 2 and is now None"),
        (
            {"source": {"source": "csv", "decoder": "av"}},
            "decoder was None and is now 'av'",
        ),
        (
            {"source": {"source": "csv", "classes": ["dog", "cat"]}},
            r"classes was None and is now \['dog', 'cat'\]",
        ),
        (
            {"config": dataclasses.replace(_CONFIG, clip_seconds=0.2)},
            "clip_seconds was 0.25 and is now 0.2",
        ),
        (
            {"config": dataclasses.replace(_CONFIG, label_type="single_label")},
            "label_type was 'multi_label' and is now 'single_label'",
        ),
        (
            {
                "config": dataclasses.replace(
                    _CONFIG,
                    frontend=FrontendConfig(8000, 256, 80, 20, 50.0, 4000.0),
                )
            },
            "num_mel_bins was 16 and is now 20",
        ),
    ],
    ids=str,
)
def test_other_settings_need_overwrite(rows, tmp_path, change, message):
    out = tmp_path / "out"
    _run(rows, out)
    before = _contents(out)
    with pytest.raises(ValueError, match=f"{message}.*--overwrite"):
        _run(rows, out, **change)
    assert _contents(out) == before
    _run(rows, out, **change, overwrite=True)
    _run(rows, tmp_path / "fresh", **change)
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_paths_are_no_settings(rows, tmp_path, decoded):
    out = tmp_path / "out"
    source = {"source": "csv", "audio_dir": "a", "labels_csv": "a.csv"}
    _run(rows, out, source=source)
    decoded.clear()
    shutil.copytree(tmp_path / "audio", tmp_path / "copy")
    shutil.rmtree(tmp_path / "audio")
    source = {"source": "csv", "audio_dir": "b", "labels_csv": "b.csv"}
    again = _run(_moved(rows, tmp_path / "copy"), out, source=source)
    assert again.num_reused == 40
    assert not decoded
    assert again.dataset.source == source


def test_rows_that_are_gone_need_overwrite(rows, tmp_path):
    out = tmp_path / "out"
    _run(rows, out)
    before = _contents(out)
    skipped = SkippedRow("0.wav", "0.wav", "path_escape", "leads out", "train")
    fewer = [skipped, *rows[6:]]
    with pytest.raises(
        ValueError,
        match=r"6 clips .* lost: 5 not in the source \(1.wav, 2.wav, 3.wav, "
        r"...\); 1 path_escape \(0.wav\)",
    ):
        _run(fewer, out, max_bad_fraction=1.0)
    assert _contents(out) == before
    _run(fewer, out, overwrite=True)
    _run(fewer, tmp_path / "fresh", max_bad_fraction=1.0)
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_a_lost_file_needs_overwrite_whatever_may_be_bad(rows, tmp_path):
    out = tmp_path / "out"
    _run(rows, out)
    _unlink(rows[3:4])
    with pytest.raises(ValueError, match=r"1 clips .*1 missing \(3.wav\)"):
        _run(rows, out, max_bad_fraction=1.0)
    assert _run(rows, out, overwrite=True).report["num_clips"] == 39
    assert not (out / "dead_letters.failed.jsonl").exists()


def test_a_file_that_could_never_be_read_is_no_loss(rows, tmp_path):
    _unlink(rows[:1])
    _run(rows, tmp_path / "out")
    assert _run(rows, tmp_path / "out").num_reused == 39


def test_more_clips_and_other_labels_need_none(rows, tmp_path, decoded):
    out = tmp_path / "out"
    _run(rows[:-5], out)
    decoded.clear()
    rows[0] = dataclasses.replace(rows[0], labels=("cat", "dog"))
    _run(rows, out)
    assert sorted(decoded) == [f"{i}.wav" for i in range(35, 40)]
    _run(rows, tmp_path / "fresh")
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_a_new_class_decodes_nothing_again(rows, tmp_path, decoded):
    out = tmp_path / "out"
    _run(rows[:-5], out)
    decoded.clear()
    # Sorted, it comes before the others: all indices change.
    rows[35:] = [dataclasses.replace(r, labels=("ape",)) for r in rows[35:]]
    result = _run(rows, out)
    assert result.dataset.class_map.names == ("ape", "cat", "dog")
    assert sorted(decoded) == [f"{i}.wav" for i in range(35, 40)]
    assert result.num_reused == 35
    _run(rows, tmp_path / "fresh")
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_another_division_decodes_nothing_again(rows, tmp_path, decoded):
    out = tmp_path / "out"
    _run(rows, out)
    decoded.clear()
    _run(rows, out, num_shards=3, overwrite=True)
    assert not decoded
    _run(rows, tmp_path / "fresh", num_shards=3)
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_audio_that_was_changed_as_if_it_had_not_is_read_again(
    rows, tmp_path, decoded
):
    out = tmp_path / "out"
    _run(rows, out)
    decoded.clear()
    before = os.stat(rows[7].path)
    samples, rate_hz = soundfile.read(rows[7].path)
    soundfile.write(rows[7].path, samples / 2, rate_hz, "FLOAT")
    os.utime(rows[7].path, ns=(before.st_atime_ns, before.st_mtime_ns))
    _run(rows, out)
    assert decoded == ["7.wav"]
    _run(rows, tmp_path / "fresh")
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_mixtures_move_with_their_recordings(rows, tmp_path):
    out = tmp_path / "out"
    numbers = {"train": 16, "validation": 8}

    def run(rows):
        plan = mixtures.plan_from_rows(rows, numbers, seed=0)
        return _run(plan, out)

    run(rows)
    shutil.move(tmp_path / "audio", tmp_path / "moved")
    assert run(_moved(rows, tmp_path / "moved")).num_reused == 24


def test_a_data_set_that_cannot_be_read_needs_overwrite(rows, tmp_path):
    out = tmp_path / "out"
    _run(rows, out)
    whole = _contents(out)
    (out / "dataset.json").write_text('{"schema_version": 77}')
    before = _contents(out)
    with pytest.raises(ValueError, match="schema version 77.*--overwrite"):
        _run(rows, out)
    assert _contents(out) == before
    assert _run(rows, out, overwrite=True).num_reused == 40
    assert _contents(out) == whole


def test_a_data_set_of_the_version_before_is_compared_by_its_records(
    rows, tmp_path
):
    out = tmp_path / "out"
    _run(rows, out)
    for path in out.glob("*.tfrecord.json"):
        side_car = workdir.read_json(path)
        del side_car["clips"], side_car["shard"]
        workdir.write_json(path, side_car)
    with pytest.raises(ValueError, match=r"1 clips .*not in the source \(0.w"):
        _run(rows[1:], out)
    _run(rows, out)
    _run(rows, tmp_path / "fresh")
    assert _contents(out) == _contents(tmp_path / "fresh")


def test_a_damaged_shard_is_mended(rows, tmp_path):
    out = tmp_path / "out"
    info = _run(rows, out).dataset
    before = _contents(out)
    shards = info.splits["train"].shards
    (out / shards[0].file).unlink()
    (out / f"{shards[1].file}.json").write_text("{")
    _run(rows, out)
    assert _contents(out) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda side_car: [],
        lambda side_car: {**side_car, "notes": []},
        lambda side_car: {**side_car, "clips": []},
        lambda side_car: {**side_car, "dead_letters": None},
        lambda side_car: {**side_car, "dead_letters": [{}]},
        lambda side_car: {
            key: value for key, value in side_car.items() if key != "sha256"
        },
    ],
)
def test_a_side_car_of_other_content_is_mended(rows, tmp_path, damage):
    out = tmp_path / "out"
    info = _run(rows, out).dataset
    before = _contents(out)
    path = out / f"{info.splits['train'].shards[0].file}.json"
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    _run(rows, out, overwrite=True)
    assert _contents(out) == before


@pytest.mark.parametrize("has_finished", [True, False])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_full_disk_leaves_the_data_set(
    rows, tmp_path, monkeypatch, has_finished, num_workers
):
    out = tmp_path / "out"
    if has_finished:
        _run(rows[:-5], out)
    before = _contents(out) if has_finished else {}
    if num_workers == 1:

        def fail(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fail)
    else:
        # Nothing may become longer than that, also in new processes.
        monkeypatch.setenv("TEST_FILE_BYTES", "1000")
        rows = [_Limiting(**dataclasses.asdict(row)) for row in rows]
    with pytest.raises(OSError, match=r"(No space|too large).*-of-0000.*tfrec"):
        _run(rows, out, runner=ProcessPool(num_workers))
    assert _contents(out) == before


@dataclasses.dataclass(frozen=True)
class _Limiting(ClipRow):
    """A clip in whose process files may only be short, as on a full disk."""

    def render(self, *arguments):
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = int(os.environ["TEST_FILE_BYTES"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return super().render(*arguments)


def test_a_class_that_lost_all_its_clips_is_an_error(rows, tmp_path):
    rows[0] = dataclasses.replace(rows[0], labels=("ape",))
    _unlink(rows[:1])
    with pytest.raises(ValueError, match=r"1 classes were skipped: \['ape'\]"):
        _run(rows, tmp_path / "out")
    result = _run(
        rows, tmp_path / "out", may_lose_classes=True, max_bad_fraction=1.0
    )
    assert result.report["classes"]["ape"]["train"]["clips"] == 0


def test_a_class_whose_rows_cannot_be_clips_is_an_error(rows, tmp_path):
    skipped = SkippedRow("x", "x", "bad_path", "NUL", "train", ("ape",))
    with pytest.raises(ValueError, match=r"1 classes were skipped: \['ape'\]"):
        _run([skipped, *rows], tmp_path / "out")
    # Its label was none to begin with.
    skipped = dataclasses.replace(skipped, code="unknown_label")
    _run([skipped, *rows], tmp_path / "out")


def test_what_was_never_a_clip_is_counted_and_no_fault(rows, tmp_path):
    code = sorted(clip_types.NOT_CLIPS)[0]
    extra = [SkippedRow(f"x{i}", f"x{i}", code, "no clip") for i in range(40)]
    report = _run([*extra, *rows], tmp_path / "out").report
    assert report["skipped"] == {code: 40}
    assert report["bad_fraction"] == 0
