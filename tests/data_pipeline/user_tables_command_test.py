"""Tables and folders as people have them, through the command."""

import json
import os
import unicodedata

import numpy as np
import soundfile

from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests import commands

_RATE_HZ = 16_000


def _write_sounds(directory, *names):
    for index, name in enumerate(names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, _RATE_HZ // 2)
        with open(directory / name, "wb") as file:
            soundfile.write(file, noise, _RATE_HZ, format="WAV")


def _preprocess(tmp_path, **flag_values):
    flag_values = {
        "audio_dir": tmp_path / "audio",
        "output_dir": tmp_path / "out",
        "clip_seconds": 0.5,
        "num_workers": 1,
        "num_shards": 1,
        **flag_values,
    }
    return commands.run(
        "data_pipeline.preprocess",
        *(f"--{name}={value}" for name, value in flag_values.items()),
    )


def _num_clips(info):
    return sum(split.num_clips for split in info.splits.values())


def _counts(info):
    """Clips of each class, in all splits."""
    counts = np.sum([s.class_counts for s in info.splits.values()], axis=0)
    return dict(zip(info.class_map.names, counts.tolist()))


def _skipped(tmp_path):
    lines = (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()
    return {d["filename"]: d["code"] for d in map(json.loads, lines)}


def _refused(finished):
    """The one line of a command that refuses what it was given."""
    assert finished.returncode == 2, finished.stdout + finished.stderr
    (line,) = finished.stderr.strip().splitlines()
    return line


def test_scenes_of_dcase_with_their_tables_beside(tmp_path):
    root = tmp_path / "TAU"
    names = [f"audio/bus-lyon-{i}-{i}0-a.wav" for i in range(4)]
    names += [f"audio/park-oslo-{i}-{i}0-a.wav" for i in range(4)]
    _write_sounds(root, *names)
    (root / "meta.csv").write_text(
        "filename\tscene_label\tidentifier\tsource_label\r\n"
        + "".join(
            f"{name}\t{name[6:].split('-')[0]}\t{name[10:16]}{i % 4}\ta\r\n"
            for i, name in enumerate(names)
        )
    )
    setup = root / "evaluation_setup"
    setup.mkdir()
    (setup / "fold1_train.csv").write_text(
        "filename\tscene_label\n"
        + "".join(
            f"{n}\t{n[6:].split('-')[0]}\n" for n in names[:3] + names[5:]
        )
    )
    for number, (table, expected) in enumerate(
        [
            (root / "meta.csv", {"bus": 4, "park": 4}),
            (setup / "fold1_train.csv", {"bus": 3, "park": 3}),
        ]
    ):
        finished = _preprocess(
            tmp_path,
            source="csv",
            audio_dir=root,
            labels_csv=table,
            output_dir=tmp_path / str(number),
        )
        assert finished.returncode == 0, finished.stderr
        assert _counts(DatasetInfo.read(tmp_path / str(number))) == expected
        assert ("source_label" in finished.stdout) == (number == 0)


def test_columns_of_0_and_1_and_names_without_suffix(tmp_path):
    _write_sounds(tmp_path / "audio", *(f"wav/{i}.wav" for i in range(6)))
    (tmp_path / "t.csv").write_text(
        "itemid;datasetid;hasbird;wind\r\n"
        + "".join(f"{i};ff;{i % 2};0.0\r\n" for i in range(6))
        + "5;ff;1;0.0\r\n;;;\r\n"
    )
    finished = _preprocess(
        tmp_path, source="csv", labels_csv=tmp_path / "t.csv"
    )
    assert finished.returncode == 0, finished.stderr
    info = DatasetInfo.read(tmp_path / "out")
    # In the order of the columns, and with a class that no clip has.
    assert info.class_map.names == ("hasbird", "wind")
    assert _counts(info) == {"hasbird": 3, "wind": 0}
    assert _num_clips(info) == 6
    assert "datasetid" in finished.stdout
    for note in ("1 blank_row", "7 found_elsewhere", "3 no_labels"):
        assert note in finished.stdout
    assert "1 repeated_row" in finished.stdout


def test_class_folders_with_all_that_lies_about(tmp_path):
    directory = tmp_path / "audio"
    _write_sounds(directory, *(f"dog/{i}.w64" for i in range(4)), "loose.wav")
    _write_sounds(directory, "rain/a", "rain/b.wave", "rain/c.WAVE")
    _write_sounds(tmp_path / "site 1", *(f"{i}.wav" for i in range(6)))
    (directory / "rain" / "site1").symlink_to(tmp_path / "site 1")
    (directory / "rain" / "up").symlink_to(directory)
    (directory / "dog" / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    (directory / "empty").mkdir()
    listed = {
        "loose.wav": "loose_file",
        "rain/up": "repeated_link",
        "dog/cover.png": "not_audio",
        "empty": "empty_class",
    }
    finished = _preprocess(
        tmp_path, source="folder", allow_symlinks=True, test_fraction=0
    )
    assert finished.returncode == 0, finished.stderr
    assert _counts(DatasetInfo.read(tmp_path / "out")) == {"dog": 4, "rain": 9}
    assert _skipped(tmp_path) == listed
    # The link is a fault; what was never meant as a clip is none.
    finished = _preprocess(
        tmp_path,
        source="folder",
        test_fraction=0,
        output_dir=tmp_path / "out2",
        max_bad_fraction=0.13,
    )
    assert finished.returncode == 0, finished.stderr
    (tmp_path / "out").rename(tmp_path / "out1")
    (tmp_path / "out2").rename(tmp_path / "out")
    assert _counts(DatasetInfo.read(tmp_path / "out")) == {"dog": 4, "rain": 3}
    assert _skipped(tmp_path) == listed | {"rain/site1": "path_escape"}


def test_a_class_without_any_file_fails_before_anything_is_written(tmp_path):
    _write_sounds(tmp_path / "audio", *(f"d{i}.wav" for i in range(6)))
    table = tmp_path / "t.csv"
    table.write_text(
        "filename,labels\n"
        + "".join(f"d{i}.wav,dog\n" for i in range(6))
        + "r0.wav,rain\nr1.wav,rain;dog\n"
    )
    refused = _refused(_preprocess(tmp_path, source="csv", labels_csv=table))
    assert "No file of 1 classes is there: ['rain']" in refused
    assert "audio/r0.wav" in refused
    for path in (tmp_path / "audio").iterdir():
        path.unlink()
    refused = _refused(_preprocess(tmp_path, source="csv", labels_csv=table))
    assert "None of the files is there" in refused and "mounted" in refused
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_names_and_labels_in_both_unicode_forms(tmp_path):
    names = [f"Gr\u00fcnspecht_{i}.wav" for i in range(4)]
    _write_sounds(
        tmp_path / "audio",
        *(unicodedata.normalize("NFD", name) for name in names),
        *(f"d{i}.wav" for i in range(4)),
    )
    labels = ("Dog", "dog", "d\u00f6g\u200b", "do\u0308g")
    (tmp_path / "t.csv").write_text(
        "filename,labels\n"
        + "".join(f"{name},Gr\u00fcnspecht\n" for name in names)
        + "".join(f"d{i}.wav,{label}\n" for i, label in enumerate(labels))
    )
    finished = _preprocess(
        tmp_path, source="csv", labels_csv=tmp_path / "t.csv"
    )
    assert finished.returncode == 0, finished.stderr
    assert _counts(DatasetInfo.read(tmp_path / "out")) == {
        "Dog": 1,
        "Gr\u00fcnspecht": 4,
        "dog": 1,
        "d\u00f6g": 2,
    }
    alike = "'Dog' and 'dog' look like one class under two names"
    assert finished.stdout.count(alike) == 1
    assert _skipped(tmp_path) == {}


def test_names_that_are_no_lines_of_text_are_refused(tmp_path):
    _write_sounds(tmp_path / "audio", "dog/0.wav", "dog/1.wav", "a\nb/2.wav")
    table = tmp_path / "t.csv"
    table.write_text('file,label\ndog/0.wav,dog\ndog/1.wav,"dog\nwind"\n')
    line = "a class name is a line of text, without line breaks"
    refused = _refused(_preprocess(tmp_path, source="csv", labels_csv=table))
    assert f"t.csv, line 4: {line}" in refused and r"'dog\nwind'" in refused
    refused = _refused(_preprocess(tmp_path, source="folder"))
    assert line in refused and r"a\nb" in refused
    table.write_text("file,label\ndog/0.wav,dog\n")
    refused = _refused(
        _preprocess(
            tmp_path, source="csv", labels_csv=table, classes="dog,a\x07b"
        )
    )
    assert f"--classes: {line}" in refused


def test_folders_of_splits_become_the_splits(tmp_path):
    _write_sounds(
        tmp_path / "audio",
        *(
            f"{split}/{label}/{i}.wav"
            for split, num in (("Train", 3), ("val", 1), ("test", 2))
            for label in ("dog", "rain")
            for i in range(num)
        ),
    )
    finished = _preprocess(tmp_path, source="folder")
    assert finished.returncode == 0, finished.stderr
    info = DatasetInfo.read(tmp_path / "out")
    assert info.class_map.names == ("dog", "rain")
    assert {name: s.num_clips for name, s in info.splits.items()} == {
        "train": 6,
        "validation": 2,
        "test": 4,
    }
    assert "the folders Train, test, val of" in finished.stdout
    assert "are taken as splits" in finished.stdout


def test_what_the_user_says_of_a_table_is_heeded(tmp_path):
    _write_sounds(tmp_path / "audio", *(f"{i}.wav" for i in range(4)))
    (tmp_path / "t.csv").write_text(
        "id:what:where\n"
        + "".join(
            f"{i}.wav:{label}:x\n"
            for i, label in enumerate(("dog", "dog,wind", "wind", ""))
        )
    )
    flag_values = {
        "source": "csv",
        "labels_csv": tmp_path / "t.csv",
        "delimiter": ":",
        "labels_column": "what",
        "test_fraction": 0,
    }
    finished = _preprocess(tmp_path, **flag_values)
    assert finished.returncode == 0, finished.stderr
    assert "'dog,wind': --label_separator=',' takes" in finished.stdout
    finished = _preprocess(
        tmp_path,
        **flag_values,
        label_separator=",",
        output_dir=tmp_path / "out2",
    )
    assert finished.returncode == 0, finished.stderr
    info = DatasetInfo.read(tmp_path / "out2")
    assert _counts(info) == {"dog": 2, "wind": 2}
    assert "--label_separator" not in finished.stdout
    assert "where" in finished.stdout and "1 no_labels" in finished.stdout
    refused = _refused(
        _preprocess(tmp_path, **flag_values, label_type="single_label")
    )
    assert "line 5: with label type single_label" in refused


def test_folds_and_splits_that_are_not_used_are_told(tmp_path):
    names = [f"{index}.wav" for index in range(8)]
    _write_sounds(tmp_path / "audio", *names)
    (tmp_path / "t.csv").write_text(
        "file,label,fold,split\n"
        + "".join(
            f"{name},{'dog' if index % 2 else 'rain'},{1 + index // 2},train\n"
            for index, name in enumerate(names)
        )
    )
    options = {"source": "csv", "labels_csv": tmp_path / "t.csv"}
    finished = _preprocess(
        tmp_path, **options, train_folds=1, validation_folds=3
    )
    assert finished.returncode == 0, finished.stderr
    assert "2 crossing" not in finished.stdout
    assert "4 other_fold" in finished.stdout
    assert "4 clips are not used: no flag names their folds, 2, 4" in (
        finished.stdout
    )
    assert "the splits are not used" in finished.stdout
    assert not finished.stderr
    finished = _preprocess(tmp_path, **options, output_dir=tmp_path / "2")
    assert "the folds are not used: there are splits, too" in finished.stdout


def test_folds_that_no_flag_names_are_told(tmp_path):
    names = [f"{index}.wav" for index in range(6)]
    _write_sounds(tmp_path / "audio", *names)
    (tmp_path / "t.csv").write_text(
        "file,label,fold,group\n"
        + "".join(f"{name},dog,{name[0]},{name[0]}\n" for name in names)
    )
    finished = _preprocess(
        tmp_path, source="csv", labels_csv=tmp_path / "t.csv"
    )
    assert "the folds are not used: no flag names any" in finished.stdout


def test_a_length_that_is_none_is_blamed_by_its_name(tmp_path):
    _write_sounds(tmp_path / "audio/dog", "1.wav")
    for length in ("0", "nan"):
        finished = _preprocess(tmp_path, source="folder", clip_seconds=length)
        assert "`clip_seconds` must be between" in _refused(finished)


def test_an_output_that_cannot_be_is_told_before_the_source_is_read(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        line = _refused(_preprocess(tmp_path, source="folder", output_dir=path))
        assert "--output_dir must be a directory" in line
        assert f"{tmp_path / 'file'} is not a directory" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_table_without_any_label_is_refused(tmp_path):
    _write_sounds(tmp_path / "audio", "1.wav", "2.wav", "3.wav")
    (tmp_path / "t.csv").write_text(
        "file,label\n1.wav,\n2.wav,nan\n3.wav,\u00a0\n"
    )
    finished = _preprocess(
        tmp_path, source="csv", labels_csv=tmp_path / "t.csv"
    )
    assert "No clip has a label" in _refused(finished)


def test_a_file_whose_name_is_not_utf8_is_skipped_alone(tmp_path):
    _write_sounds(tmp_path / "audio/dog", *(f"{i}.wav" for i in range(6)))
    content = (tmp_path / "audio/dog/0.wav").read_bytes()
    path = os.fsencode(tmp_path / "audio/dog") + b"/gr\xfcn.wav"
    with open(path, "wb") as file:
        file.write(content)
    finished = _preprocess(tmp_path, source="folder", max_bad_fraction=0.2)
    assert finished.returncode == 0, finished.stderr
    assert _num_clips(DatasetInfo.read(tmp_path / "out")) == 6
    assert list(_skipped(tmp_path).values()) == ["bad_path"]
