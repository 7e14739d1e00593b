"""Runs commands as `python -m` does, in processes of their own."""

import importlib
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
_TIMEOUT_SECONDS = 1200

# Modules that `python -m` runs.
COMMANDS = sorted(
    f"{package}.{path.stem}"
    for package in ("ofa_aec_tf", "data_pipeline")
    for path in (ROOT / package).glob("[!_]*.py")
    if "command_line.run(main" in path.read_text("utf-8")
)

# Commands that use TensorFlow are forked from a process that has imported it,
# and computed nothing: half of what short ones take is this import.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.preloaded_tensorflow"])


def command(module, *arguments):
    """The words of a command.

    Args:
        module: str, such as "ofa_aec_tf.train".
        arguments: what `str` makes flags of.
    """
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(module, *arguments, cwd=ROOT, **environment):
    """Runs a command to its end.

    Args:
        module: str, such as "data_pipeline.verify".
        arguments: what `str` makes flags of.
        cwd: directory to run it in.
        environment: variables beside those of this process.

    Returns:
        subprocess.CompletedProcess, with what it printed as str.
    """
    return subprocess.run(
        command(module, *arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )


def run_with_tensorflow(module, *arguments, cwd=ROOT, **environment):
    """As `run`, with TensorFlow and Keras imported beforehand.

    What they print when they are imported is not seen, which is what
    `quiet_tensorflow` is about: `run` shows it.
    """
    with tempfile.TemporaryDirectory() as directory:
        process = start_with_tensorflow(
            directory, module, *arguments, cwd=cwd, **environment
        )
        process.join(_TIMEOUT_SECONDS)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(
                command(module, *arguments), _TIMEOUT_SECONDS
            )
        return subprocess.CompletedProcess(
            command(module, *arguments),
            process.exitcode,
            *(
                pathlib.Path(directory, name).read_text()
                for name in ("stdout", "stderr")
            ),
        )


def start_with_tensorflow(
    output_dir, module, *arguments, cwd=ROOT, **environment
):
    """Starts a command as `run_with_tensorflow`.

    Args:
        output_dir: directory, in which it writes `stdout` and `stderr`.
        module: as in `run`, and the others too.

    Returns:
        multiprocessing.Process, started.
    """
    process = _forks.Process(
        target=_run_module,
        args=(
            module,
            list(map(str, arguments)),
            str(cwd),
            {**os.environ, **environment},
            str(output_dir),
        ),
    )
    process.start()
    return process


def _run_module(module, arguments, cwd, environment, output_dir):
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        with open(pathlib.Path(output_dir, name), "wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    # As before main(): with TensorFlow imported, absl's start-up would look
    # for GPUs, and say so.
    importlib.import_module("ofa_aec_tf.runs.quiet_tensorflow")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def kill_after(seconds, module, *arguments):
    """Runs a command, and ends it and all that it began as a power cut would.

    Args:
        seconds: float. How long it may run.
        module: as in `run`, and the arguments too.

    Returns:
        bool. Whether it was still running.
    """
    process = subprocess.Popen(
        command(module, *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        was_running = True
    else:
        was_running = False
    while process.poll() is None or is_group_alive(process.pid):
        signal_group(process.pid, signal.SIGKILL)
        time.sleep(0.05)
    return was_running


def signal_group(process_id, number):
    """Sends a signal to a process that leads a group, and to all in it."""
    try:
        os.killpg(process_id, number)
    except ProcessLookupError:
        pass


def is_group_alive(process_id):
    """Whether a process is left in the group of one that led it."""
    try:
        os.killpg(process_id, 0)
    except ProcessLookupError:
        return False
    return True
