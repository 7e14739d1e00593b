"""Runs commands as `python -m` does, in processes of their own.

`run` forks a process that has imported TensorFlow and other libraries, which
is most of what a short command takes; so are the commands forked that this one
runs. `run_afresh` starts Python as a user
does: for what depends on the start, such as what is printed while libraries
are imported.
"""

import functools
import json
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
import time

from tests import forked_steps

ROOT = pathlib.Path(__file__).resolve().parents[1]
_TIMEOUT_SECONDS = 1200

# Modules that `python -m` runs.
COMMANDS = sorted(
    f"{package}.{path.stem}"
    for package in ("ofa_aec_tf", "data_pipeline")
    for path in (ROOT / package).glob("[!_]*.py")
    if "command_line.run(main" in path.read_text("utf-8")
)

# Commands that run others, and use no TensorFlow themselves.
_RUN_OTHERS = tuple(
    f"ofa_aec_tf.{name}" for name in ("pipeline", "reproduce", "cross_validate")
)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.preloaded_libraries"])


def command(module, *arguments):
    """The words of a command.

    Args:
        module: str, such as "ofa_aec_tf.train", or the path of a script.
        arguments: what `str` makes flags of.
    """
    is_script = str(module).endswith(".py")
    words = [module] if is_script else ["-m", module]
    return [sys.executable, *map(str, (*words, *arguments))]


def run_afresh(module, *arguments, cwd=ROOT, **environment):
    """Runs a command to its end, in a new process.

    Args:
        module: as in `command`, and the arguments too.
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


def run(module, *arguments, cwd=ROOT, **environment):
    """As `run_afresh`, with libraries imported beforehand.

    Variables that these read, or Python itself as it starts, have no effect.
    """
    with tempfile.TemporaryDirectory() as directory:
        process = start(directory, module, *arguments, cwd=cwd, **environment)
        process.join(_TIMEOUT_SECONDS)
        words = command(module, *arguments)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(words, _TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(
            words,
            process.exitcode,
            *(
                pathlib.Path(directory, name).read_text()
                for name in ("stdout", "stderr")
            ),
        )


def start(output_dir, module, *arguments, cwd=ROOT, **environment):
    """Starts a command as `run` does.

    Args:
        output_dir: directory, in which it writes `stdout` and `stderr`.
        module: as in `run`, and the others too.

    Returns:
        multiprocessing.Process, started.
    """
    process = _forks.Process(
        target=_run_module,
        args=(
            str(module),
            list(map(str, arguments)),
            str(cwd),
            {**os.environ, **environment},
            environment.get("PYTHONPATH", ""),
            str(output_dir),
        ),
    )
    process.start()
    return process


def _run_module(module, arguments, cwd, environment, path, output_dir):
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        with open(pathlib.Path(output_dir, name), "wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = filter(None, path.split(os.pathsep))
    if module in _RUN_OTHERS:
        forked_steps.use()
    else:
        forked_steps.start_tensorflow()
    sys.argv = [module, *arguments]
    if module.endswith(".py"):
        sys.path.insert(0, str(pathlib.Path(module).parent))
        runpy.run_path(module, run_name="__main__")
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


@functools.cache
def flags_of(module):
    """The flags of a command.

    Args:
        module: str, such as "ofa_aec_tf.train".

    Returns:
        dict. Name of the parser's class and help, by the name of the flag as
        `--help` shows it: "seed", "[no]resume".
    """
    result = run("tests.print_flags", module)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


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
