"""The comparison, with programs whose speeds are known."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

_COMPARE = pathlib.Path(__file__).parents[2] / "benchmarks" / "compare.py"

# Notes how it was called, and is as fast as its arguments say.
_PROGRAM = """
import json
import sys

name, log, speeds, *arguments = sys.argv[1:]
values = dict(argument[2:].split("=", 1) for argument in arguments)
with open(log, "a") as file:
    file.write(json.dumps([name, values]) + "\\n")
print("some other line")
print(json.dumps({
    "engine": name + " 1.0",
    "what": values["what"],
    "dtype": values["dtype"],
    "batch": int(values["batch"]),
    "frames": int(values["frames"]),
    "clips_per_second": json.loads(speeds)[int(values["seed"])],
}))
"""

_FAILING_PROGRAM = """
import sys

for line in range(20):
    print("line", line, file=sys.stderr)
print("out of memory", file=sys.stderr)
sys.exit(3)
"""


def _command(directory, name, speeds):
    program = directory / "program.py"
    program.write_text(_PROGRAM)
    return shlex.join(
        [sys.executable, str(program), name, str(directory / "log"), speeds]
    )


def _script(directory, text):
    path = directory / "peer.py"
    path.write_text(text)
    return shlex.join([sys.executable, str(path)])


def _compare(**flags):
    return subprocess.run(
        [sys.executable, str(_COMPARE), "--what=supernet_step"]
        + [f"--{name}={value}" for name, value in flags.items()],
        capture_output=True,
        text=True,
        timeout=120,
    )


def _calls(directory):
    lines = (directory / "log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_ratios_are_of_medians_and_of_pairs(tmp_path):
    result = _compare(
        ours=_command(tmp_path, "ours", "[10, 30, 20]"),
        peer=_command(tmp_path, "peer", "[5, 10, 16]"),
        pairs=3,
    )
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    values = json.loads(last)
    assert values["ratio"] == 2.0
    assert (values["ratio_min"], values["ratio_max"]) == (1.25, 3.0)
    assert values["ours_clips_per_second"] == 20
    assert values["peer_clips_per_second"] == 10
    assert values["pairs"] == 3
    assert values["ours_engine"] == "ours 1.0"
    assert values["machine"]["cores"] >= 1
    runs = [line for line in lines if line.startswith("pair ")]
    assert [line.split(":")[0] for line in runs] == [
        f"pair {pair}, {side}" for pair in range(3) for side in ("ours", "peer")
    ]


def test_runs_alternate_and_get_the_same_work_and_seed(tmp_path):
    result = _compare(
        ours=_command(tmp_path, "ours", "[1, 1]"),
        peer=_command(tmp_path, "peer", "[1, 1]"),
        pairs=2,
        dtype="bfloat16",
        batch=3,
        frames=65,
        steps=7,
    )
    assert result.returncode == 0, result.stderr
    work = {
        "what": "supernet_step",
        "dtype": "bfloat16",
        "batch": "3",
        "frames": "65",
        "steps": "7",
    }
    assert _calls(tmp_path) == [
        ["ours", {**work, "seed": "0"}],
        ["peer", {**work, "seed": "0"}],
        ["ours", {**work, "seed": "1"}],
        ["peer", {**work, "seed": "1"}],
    ]


def test_the_peer_may_compute_in_another_type(tmp_path):
    result = _compare(
        ours=_command(tmp_path, "ours", "[1]"),
        peer=_command(tmp_path, "peer", "[1]"),
        pairs=1,
        dtype="bfloat16",
        peer_dtype="float32",
    )
    assert result.returncode == 0, result.stderr
    dtypes = [values["dtype"] for _, values in _calls(tmp_path)]
    assert dtypes == ["bfloat16", "float32"]
    values = json.loads(result.stdout.splitlines()[-1])
    assert (values["dtype"], values["peer_dtype"]) == ("bfloat16", "float32")


def _assert_refused(result, *reasons):
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    for reason in ("error: ", *reasons):
        assert reason in line


def test_a_failing_peer_ends_it_in_one_line(tmp_path):
    result = _compare(
        ours=_command(tmp_path, "ours", "[1]"),
        peer=_script(tmp_path, _FAILING_PROGRAM),
    )
    _assert_refused(
        result, "peer.py", "status 3", "line 18 | line 19 | out of memory"
    )
    assert "line 10 " not in result.stderr


def test_a_peer_that_cannot_be_started(tmp_path):
    ours = _command(tmp_path, "ours", "[1]")
    _assert_refused(
        _compare(ours=ours, peer=str(tmp_path / "missing")),
        "no program to run",
        "missing",
    )
    # Found before anything is measured.
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("done", "JSON object"),
        ("[1]", "JSON object"),
        ("", "JSON object"),
        ('{"what": "teacher_train"}', "must measure what it is asked to"),
    ],
)
def test_a_peer_that_says_something_else(tmp_path, output, reason):
    ours = _command(tmp_path, "ours", "[1]")
    peer = _script(tmp_path, f"print({output!r})")
    _assert_refused(_compare(ours=ours, peer=peer), reason)


@pytest.mark.parametrize("speed", ["0", "-1", "NaN", "null", '"fast"'])
def test_a_peer_without_a_positive_speed(tmp_path, speed):
    ours = _command(tmp_path, "ours", "[1]")
    peer = _command(tmp_path, "peer", f"[{speed}]")
    _assert_refused(_compare(ours=ours, peer=peer), "clips_per_second")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"pairs": 0, "peer": "x"}, "pairs"),
        ({}, "peer"),
        ({"what": "tflite_latency", "peer": "x"}, "what"),
    ],
)
def test_wrong_flags_end_it_in_one_line(flags, reason):
    _assert_refused(_compare(**flags), f"--{reason}")
