"""The command that goes over all folds, on a data set of tones."""

import csv
import json

import numpy as np
import pytest

from tests import commands
from tests.experiments import esc_folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("inputs")
    return (
        esc_folder.write_flagfiles(directory / "flags"),
        esc_folder.write_sounds(directory / "sounds"),
    )


_COMMAND = "ofa_aec_tf.cross_validate"


def flags(inputs, workdir, *more):
    flags_dir, sounds = inputs
    return [
        f"--preprocess={flags_dir / 'preprocess.cfg'}",
        f"--audio_dir={sounds}",
        f"--workdir={workdir}",
        "--num_folds=2",
        "--seeds=3",
        f"--run=CNN:{flags_dir / 'alone.cfg'}",
        f"--run=CNN taught:{flags_dir / 'taught.cfg'}:teacher=CNN",
        *more,
    ]


def run(inputs, workdir, *arguments):
    return commands.run(_COMMAND, *flags(inputs, workdir, *arguments))


def results(workdir):
    path = workdir / "report" / "results.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_each_fold_tests_what_the_others_have_trained(inputs, tmp_path):
    result = run(inputs, tmp_path, "--jobs=2")
    assert result.returncode == 0, result.stdout + result.stderr
    found = results(tmp_path)
    assert [(r["run"], r["fold"], r["seed"]) for r in found] == [
        (name, fold, "3") for fold in "12" for name in ("CNN", "CNN taught")
    ]
    # The same network, of six test clips.
    assert len({r["network"] for r in found}) == 1
    for row in found:
        assert 6 * float(row["accuracy"]) == pytest.approx(
            round(6 * float(row["accuracy"]))
        )
    for data_dir in tmp_path.glob("data-*"):
        dataset = json.loads((data_dir / "dataset.json").read_text())
        assert sorted(dataset["splits"]) == ["test", "train"]
        folds = [dataset["source"][f"{n}_folds"] for n in ("train", "test")]
        assert sorted(folds) == [["1"], ["2"]]
    # A student has the data of its teacher.
    for record in tmp_path.glob("steps/cnn-taught-fold-*/run.json"):
        identity = json.loads(record.read_text())["identity"]
        fold = record.parent.name.split("-")[3]
        (teacher,) = tmp_path.glob(f"steps/cnn-fold-{fold}-*/teacher.json")
        details = json.loads(teacher.read_text())["details"]
        assert identity["data_fingerprint"] == details["data_fingerprint"]
    text = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "4 of 4 results, of the folds 1, 2 and the seeds 3" in text
    assert "| CNN taught less CNN | " in text
    assert "undecided: one seed, fewer than 3" in text
    text = text.replace("\\", "")
    assert (
        "| --source=esc --clip_seconds=0.5 --num_shards=1 --num_workers=1 |"
        in (text)
    )
    assert "--stage=kd" in text
    # More is asked for: only that runs.
    flags_dir, _ = inputs
    result = run(
        inputs,
        tmp_path,
        "--fold=2",
        f"--run=OFA:{flags_dir / 'supernet.cfg'}:teacher=CNN+CNN taught"
        ":subnets=largest+width=0.8,depth=1+smallest",
        "--ensemble=both:CNN+OFA largest",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    begun = [
        line
        for line in result.stdout.splitlines()
        if line.startswith("$ python -m ")
    ]
    assert [line.split()[3].partition(".")[2] for line in begun] == [
        "train",
        "materialize",
        "materialize",
        "materialize",
        "evaluate",
        "evaluate",
    ]
    assert [r["run"] for r in results(tmp_path)] == [
        "CNN",
        "CNN taught",
        "OFA largest",
        "OFA width=0.8,depth=1",
        "OFA smallest",
        "both",
    ]
    sizes = [int(r["parameters"]) for r in results(tmp_path)]
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[2] > sizes[3] > sizes[4]
    assert sizes[5] == 2 * sizes[0]


@pytest.mark.long
def test_kills_change_nothing(inputs, tmp_path):
    more = ("--fold=1", "--ensemble=both:CNN+CNN taught")
    whole = run(inputs, tmp_path / "whole", *more)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    rng = np.random.default_rng(0)
    killed = [
        commands.kill_after(
            rng.uniform(3, 12),
            _COMMAND,
            *flags(inputs, tmp_path / "killed", *more),
        )
        for _ in range(4)
    ]
    assert sum(killed) >= 2
    last = run(inputs, tmp_path / "killed", *more)
    assert last.returncode == 0, last.stdout + last.stderr
    for name in ("report.md", "report.html", "results.csv"):
        assert (tmp_path / "killed" / "report" / name).read_bytes() == (
            tmp_path / "whole" / "report" / name
        ).read_bytes()
    again = run(inputs, tmp_path / "killed", *more)
    assert again.returncode == 0
    assert "$ python" not in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fold=3"], "--fold is `all` or some of 1,2 (see --num_folds)"),
        (["--fold=all,1"], "some of 1,2 (see --num_folds). Received: all,1"),
        (["--fold=1,1"], "--fold is a list of distinct whole numbers"),
        (["--seeds=0,0"], "--seeds is a list of distinct whole numbers"),
        (["--run=CNN"], "written NAME:FLAGFILE, with"),
        (["--ensemble=both:CNN+AST"], "of ['CNN', 'CNN taught'], each once"),
        (["--preprocess=none.cfg"], "There is no flagfile none.cfg"),
    ],
    ids=[
        "fold",
        "all_and_one",
        "fold_twice",
        "seeds",
        "run",
        "ensemble",
        "preprocess",
    ],
)
def test_a_mistake_ends_in_one_line_before_anything_runs(
    inputs, tmp_path, arguments, message
):
    result = run(inputs, tmp_path / "run", *arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "run").exists()


def test_folds_that_would_have_no_part_are_named(inputs, tmp_path):
    sounds = esc_folder.write_sounds(tmp_path / "sounds", num_folds=4)
    result = run((inputs[0], sounds), tmp_path / "run")
    assert result.returncode == 2
    assert "error: The data have the folds [3, 4] too" in result.stderr
    assert "--num_folds=2" in result.stderr


def test_folds_that_the_data_lack_are_named(inputs, tmp_path):
    result = run(inputs, tmp_path, "--num_folds=3", "--fold=3")
    assert result.returncode == 2
    assert "error: The clips have the folds [1, 2]. Received: [3]" in (
        result.stderr
    )
