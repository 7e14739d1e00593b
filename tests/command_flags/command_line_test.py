"""What all commands have in common: their help, and how they end."""

import ast
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests import commands

_ROOT = pathlib.Path(__file__).parents[2]


def _flags_in(text):
    return {
        line.strip().removeprefix("--")
        for line in text.splitlines()
        if line.startswith("  --")
    }


def test_commands_are_found():
    assert len(commands.COMMANDS) >= 17
    assert {"ofa_aec_tf.train", "data_pipeline.verify"} <= set(
        commands.COMMANDS
    )


@pytest.mark.parametrize("module", commands.COMMANDS)
def test_help_has_all_flags_of_a_command_and_no_others(module):
    result = commands.run(module, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert _flags_in(result.stdout) == set(commands.flags_of(module))
    source = _ROOT / (module.replace(".", "/") + ".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8")))
    assert result.stdout.startswith(docstring.splitlines()[0])


@pytest.mark.parametrize("module", commands.COMMANDS)
def test_a_command_that_a_user_starts_ends_in_one_line(module, tmp_path):
    result = commands.run_afresh(
        module, "--no_such_flag=1", cwd=tmp_path, PYTHONPATH=str(_ROOT)
    )
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: Unknown command line flag 'no_such_flag'")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", commands.COMMANDS)
def test_a_command_without_flags_ends_well_or_in_one_line(module, tmp_path):
    result = commands.run(module, cwd=tmp_path)
    lines = result.stderr.splitlines()
    assert "Traceback" not in result.stderr
    if result.returncode:
        assert result.returncode == 2
        assert lines[-1].startswith("error: ")
    assert len(lines) == (1 if result.returncode else 0)
    assert not list(tmp_path.iterdir())


def test_other_ways_to_ask_for_help_end_well():
    for ask in ("-h", "--helpshort", "--helpfull"):
        result = commands.run("data_pipeline.stats", ask)
        assert result.returncode == 0, result.stderr
        assert "--data_dir" in result.stdout
        assert ("run_with_pdb" in result.stdout) == (ask == "--helpfull")


def test_a_misspelt_flag_is_answered_with_the_nearest():
    result = commands.run("data_pipeline.stats", "--dat_dir=x")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "dat_dir" in line and "data_dir" in line.replace("dat_dir", "")


@contextlib.contextmanager
def _started(module, *arguments, **options):
    """A command in a process group of its own, which ends with the context."""
    with subprocess.Popen(
        commands.command(module, *arguments),
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            commands.signal_group(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_interruption_while_libraries_are_imported_is_one_line(
    tmp_path, number, status, word
):
    # An import that never ends, in place of a slow one.
    (tmp_path / "numpy.py").write_text(
        "print('importing', flush=True)\nwhile True:\n  pass\n"
    )
    with _started(
        "ofa_aec_tf.predict",
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{_ROOT}"},
    ) as process:
        assert process.stdout.readline() == "importing\n"
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (status, f"{word}\n")


@pytest.mark.parametrize("num_workers", [1, 2])
def test_interrupted_preprocessing_leaves_one_line_and_no_process(
    tmp_path, num_workers
):
    with _started(
        "data_pipeline.preprocess",
        "--source=synthetic",
        "--num_train=4000",
        "--num_shards=200",
        f"--num_workers={num_workers}",
        f"--output_dir={tmp_path / 'data'}",
    ) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("*.tfrecord*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        # From the keyboard, to all of its processes.
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.splitlines()[-1] == "interrupted"
        assert "Traceback" not in errors
        while commands.is_group_alive(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_reads_the_output_may_stop():
    with _started("data_pipeline.stats", "--help") as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert (process.wait(60), errors) == (128 + signal.SIGPIPE, "")


def test_names_are_printed_whatever_the_terminal_knows(tmp_path):
    for name in ("Grünspecht", os.fsdecode(b"Gr\xfcn")):
        result = commands.run_afresh(
            "data_pipeline.stats",
            f"--data_dir={tmp_path / name}",
            f"--output_dir={tmp_path / 'out'}",
            PYTHONIOENCODING="ascii",
        )
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        escaped = name.encode("ascii", "backslashreplace").decode()
        assert f"{escaped} holds no preprocessed data" in line


@pytest.mark.parametrize("closing", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_error(closing, tmp_path):
    script = (
        "import os, sys; from ofa_aec_tf.command_flags import command_line; "
        "command_line.run(lambda _: ("
        "os.write(1, b'native'), print('printed', flush=True), "
        "print('warned', file=sys.stderr, flush=True), "
        "open('made', 'w').write('alone')))"
    )
    result = subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$@" {closing}',
            "sh",
            sys.executable,
            "-c",
            script,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(commands.ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "made").read_text() == "alone"


def test_a_command_may_be_started_with_closed_streams(tmp_path):
    command = commands.command(
        "data_pipeline.stats",
        f"--data_dir={tmp_path}",
        f"--output_dir={tmp_path}",
        "--verbosity=1",
    )
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=_ROOT
    )
    assert result.returncode == 2
    assert not list(tmp_path.iterdir())
