"""`python -m ofa_aec_tf` and the console script `ofa-aec`."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests import commands

_ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def script(tmp_path):
    """The script that an installation makes of the entry point."""
    path = tmp_path / "bin" / "ofa-aec"
    path.parent.mkdir()
    path.write_text(
        "import sys\nfrom ofa_aec_tf.__main__ import console\n"
        "sys.exit(console())\n"
    )
    return path


@pytest.fixture
def run(script, tmp_path):
    """Runs `ofa-aec` in an empty directory."""
    directory = tmp_path / "empty"
    directory.mkdir()

    def run(*arguments):
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )

    return run


def _listed(text):
    return {line.split()[0] for line in text.splitlines() if line[:2] == "  "}


def test_all_commands_are_listed_with_a_line_each(run):
    result = commands.run("ofa_aec_tf")
    assert (result.returncode, result.stderr) == (0, "")
    assert _listed(result.stdout) == {
        name.rpartition(".")[2] for name in commands.COMMANDS
    }
    assert (
        "  stats             Statistics of a data set, as JSON and as tables."
        in result.stdout.splitlines()
    )
    for arguments in ([], ["--help"], ["-h"], ["help"], ["--helpfull"]):
        other = run(*arguments)
        assert (other.returncode, other.stdout) == (0, result.stdout)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("trian", "train"),
        ("crossvalidate", "cross_validate"),
        ("stat", "stats"),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(run, word, nearest):
    for result in (run(word, "--x=1"), commands.run("ofa_aec_tf", word)):
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(
            f"error: There is no command '{word}'. Did you mean {nearest}?"
        )


def test_nothing_is_near_to_a_flag(run):
    result = run("--workdir=x")
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no command '--workdir=x'.")


@pytest.mark.parametrize(
    "words",
    [
        "ofa_aec_tf.recipes --help",
        "ofa_aec_tf.recipes quick teach",
        "ofa_aec_tf.recipes --outpt_dir=x",
        "ofa_aec_tf.recipes --flagfile=ofa:absent",
        "data_pipeline.stats --data_dir=x --output_dir=y",
    ],
)
def test_the_script_is_the_module(run, words, tmp_path):
    module, *arguments = words.split()
    expected = commands.run(
        module, *arguments, cwd=tmp_path, PYTHONPATH=str(_ROOT)
    )
    result = run(module.partition(".")[2], *arguments)
    assert result.returncode == expected.returncode
    assert result.stdout == expected.stdout
    assert result.stderr == expected.stderr


def test_names_may_be_written_with_hyphens(run):
    result = run("inspect-records", "--dat_dir=x")
    assert result.returncode == 2
    assert "data_dir" in result.stderr


def test_a_run_starts_again_from_its_record(run, tmp_path):
    first = run(
        "preprocess",
        "--flagfile=ofa:quickstart/preprocess.cfg",
        "--num_train=3",
        "--num_validation=0",
        "--num_test=0",
        "--num_workers=1",
        "--output_dir=data",
    )
    assert first.returncode == 0, first.stderr
    data = tmp_path / "empty" / "data"
    (data / "dataset.json").unlink()
    again = run("preprocess", f"--flagfile={data / 'flags.cfg'}")
    assert again.returncode == 0, again.stderr
    assert (data / "dataset.json").is_file()


def test_modules_of_the_current_directory_are_not_imported(run, tmp_path):
    (tmp_path / "empty" / "absl.py").write_text("raise SystemExit(9)\n")
    result = run("recipes")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("module", ["absl", "numpy"])
def test_an_interruption_is_one_line(
    script, tmp_path, number, status, word, module
):
    # An import that never ends: of the script itself, then of the command.
    (tmp_path / f"{module}.py").write_text(
        "print('importing', flush=True)\nwhile True:\n  pass\n"
    )
    with subprocess.Popen(
        [sys.executable, script, "predict"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{_ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == "importing\n"
            os.killpg(process.pid, number)
            _, errors = process.communicate(timeout=60)
        finally:
            commands.signal_group(process.pid, signal.SIGKILL)
    assert (process.returncode, errors) == (status, f"{word}\n")
