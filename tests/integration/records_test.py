"""A small pipeline in an awkward place, and its runs from their records."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import soundfile

from tests import commands
from tests.experiments import small_reproduction

pytestmark = pytest.mark.slow
_ROOT = pathlib.Path(__file__).parents[2]
_STEPS = (
    "data",
    "teacher",
    "supernet",
    "search",
    "materialize",
    "baseline kd low",
    "export of ofa",
    "export of kd",
    "evaluation on the test split",
)


def write_audio(directory):
    """Tones of two classes, which a split column tells apart."""
    rng = np.random.default_rng(0)
    directory.mkdir()
    rows = ["filename,labels,split"]
    splits = ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    for label, frequency_hz in (("hum", 200), ("beep", 3000)):
        for number, split in enumerate(splits):
            name = f"{label}{number}.wav"
            time = np.arange(16_000) / 32_000
            tone = 0.3 * np.sin(2 * np.pi * frequency_hz * time)
            noise = 0.05 * rng.standard_normal(len(time))
            soundfile.write(directory / name, tone + noise, 32_000)
            rows.append(f"{name},{label},{split}")
    (directory / "labels, all.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site 3, east")
    write_audio(directory / "audio")
    flags_dir = small_reproduction.write_flagfiles(directory / "flags")
    common = (flags_dir / "kd.cfg").read_text()
    (flags_dir / "network.cfg").write_text(common.partition("--stage")[0])
    (flags_dir / "kd.cfg").write_text(
        "--flagfile=network.cfg\r\n\r\n# Of one network.\r\n"
        + "--stage"
        + common.partition("--stage")[2]
    )
    (flags_dir / "preprocess.cfg").write_text(
        "--source=csv\n--clip_seconds=0.5\n--num_workers=1\n"
    )
    with (flags_dir / "search.cfg").open("a") as file:
        file.write("--budget=low:parameters<=1.7k\n")
    (flags_dir / "export.cfg").write_text(
        "--modes=float32\n--log_mel_modes=float32\n"
    )
    return directory


def pipeline(place, *more):
    return commands.run(
        "ofa_aec_tf.pipeline",
        f"--flags_dir={place / 'flags'}",
        "--audio_dir=audio",
        "--labels_csv=audio/labels, all.csv",
        "--workdir=runs/a, b",
        "--baseline=kd",
        *more,
        cwd=place,
        PYTHONPATH=str(_ROOT),
    )


@pytest.fixture(scope="module")
def finished(place):
    result = pipeline(place, "--jobs=2")
    assert result.returncode == 0, result.stdout + result.stderr
    return place / "runs" / "a, b"


def files_of(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_a_finished_pipeline_is_kept_without_its_audio(place, finished):
    before = files_of(finished)
    os.rename(place / "audio", place / "unmounted")
    (place / "audio").mkdir()
    try:
        result = pipeline(place)
    finally:
        (place / "audio").rmdir()
        os.rename(place / "unmounted", place / "audio")
    assert result.returncode == 0, result.stdout + result.stderr
    kept = [
        line.partition(": kept, in ")[0].removeprefix("== ")
        for line in result.stdout.splitlines()
        if ": kept, in " in line
    ]
    assert tuple(kept) == _STEPS
    assert "$ python" not in result.stdout
    assert files_of(finished) == before


def test_only_what_was_lost_is_made_again(place, finished):
    subnet = finished / "ofa" / "low" / "subnet.keras"
    export = finished / "export" / "ofa"
    before = subnet.read_bytes()
    shutil.rmtree(export)
    result = pipeline(place)
    assert result.returncode == 0, result.stdout + result.stderr
    made = [
        line.removeprefix("== ")
        for line in result.stdout.splitlines()
        if line.startswith("== ") and ": kept, in " not in line
    ]
    # A converter need not write the same bytes, which are then evaluated.
    assert made in (["export of ofa"], ["export of ofa", _STEPS[-1]])
    assert subnet.read_bytes() == before
    assert (export / "subnet" / "export.json").is_file()


def start_again(module, record, flag, new, tmp_path):
    """Runs a command from its record, in another directory."""
    result = commands.run(
        module, f"--flagfile={record}", f"--{flag}={new}", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    old = record.read_text().splitlines()
    assert f"--{flag}={record.parent}" in old
    given = [line for line in old if line.startswith("--")]
    # What was left out is not given.
    assert len(given) < len(old)
    again = (new / "flags.cfg").read_text().splitlines()
    assert again == [line.replace(str(record.parent), str(new)) for line in old]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("train", "teacher"),
        ("train", "supernet"),
        ("train", "kd/low"),
        ("search", "search"),
        ("materialize", "ofa"),
    ],
)
def test_a_run_starts_from_its_record(finished, tmp_path, module, name):
    run_dir, new = finished / name, tmp_path / "new, again"
    start_again(
        f"ofa_aec_tf.{module}", run_dir / "flags.cfg", "workdir", new, tmp_path
    )
    identities = [
        json.loads((directory / "run.json").read_text())["identity"]
        for directory in (run_dir, new)
    ]
    assert identities[0] == identities[1]


def test_other_stages_start_from_their_records(place, finished, tmp_path):
    for stage, more in (
        ("scratch", ()),
        (
            "finetune_short",
            (
                f"--initial={finished / 'ofa' / 'low' / 'subnet.keras'}",
                f'--teacher="{finished / "teacher" / "teacher.keras"}"',
            ),
        ),
    ):
        run_dir = tmp_path / stage
        result = commands.run(
            "ofa_aec_tf.train",
            f"--flagfile={place / 'flags' / stage}.cfg",
            f"--data_dir={finished / 'data'}",
            f"--workdir={run_dir}",
            *more,
        )
        assert result.returncode == 0, result.stderr
        start_again(
            "ofa_aec_tf.train",
            run_dir / "flags.cfg",
            "workdir",
            tmp_path / f"{stage} again",
            tmp_path,
        )


def test_an_export_and_an_evaluation_start_from_their_records(
    finished, tmp_path
):
    start_again(
        "ofa_aec_tf.export",
        finished / "export" / "kd" / "flags.cfg",
        "output_dir",
        tmp_path / "export",
        tmp_path,
    )
    # As a path that is relative to where it is run.
    os.symlink(finished, tmp_path / "runs")
    result = commands.run(
        "ofa_aec_tf.evaluate",
        "--model=runs/ofa/low/subnet.keras",
        "--data_dir=runs/data",
        f"--workdir={tmp_path / 'evaluation'}",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    # Also in the same directory.
    for new in ("evaluation", "other"):
        start_again(
            "ofa_aec_tf.evaluate",
            tmp_path / "evaluation" / "flags.cfg",
            "workdir",
            tmp_path / new,
            tmp_path,
        )


def test_preprocessing_starts_from_its_record(finished, tmp_path):
    start_again(
        "data_pipeline.preprocess",
        finished / "data" / "flags.cfg",
        "output_dir",
        tmp_path / "data",
        tmp_path,
    )
    fingerprints = [
        json.loads((directory / "dataset.json").read_text())["fingerprint"]
        for directory in (finished / "data", tmp_path / "data")
    ]
    assert fingerprints[0] == fingerprints[1]
