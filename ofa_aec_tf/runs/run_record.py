"""The record of a run: written before its first step, checked on resuming."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess

import ofa_aec_tf
from ofa_aec_tf.runs import workdir

_PACKAGES = ("tensorflow", "keras", "numpy")


def start_run(directory, identity, flags_text, has_results=True, further=""):
    """Records a run in its work directory, or checks that it is the same.

    Writes `run.json` (identity, versions, git commit, time) and, each time,
    `flags.cfg`, with which `--flagfile=` starts the run again.

    Args:
        directory: the run's work directory; created.
        identity: dict with everything that decides the result, which JSON
            can hold.
        flags_text: str. The flags, as `flagfiles.recorded` has them.
        has_results: bool. Whether the directory holds results of the recorded
            run. Without any, another run may take its place.
        further: str. As for `check_run`.

    Raises:
        ValueError: if the directory holds a run of another identity, naming
            what differs.
    """
    directory = pathlib.Path(directory)
    path = directory / workdir.RUN_RECORD
    # As JSON gives it back: tuples become lists.
    identity = json.loads(json.dumps(identity))
    if path.is_file() and has_results:
        check_run(directory, identity, further)
        workdir.write_text(directory / workdir.RESOLVED_FLAGS, flags_text)
        return
    workdir.write_text(directory / workdir.RESOLVED_FLAGS, flags_text)
    workdir.write_json(
        path,
        {
            "identity": identity,
            "started": datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "versions": versions(),
            "machine": platform.platform(),
            "git_commit": git_commit(),
        },
    )


def check_run(directory, identity, further=""):
    """Checks that a work directory holds no other run; writes nothing.

    Args:
        directory: the run's work directory, which need not exist.
        identity: dict of JSON types, as for `start_run`.
        further: str. Another remedy for a different identity.

    Raises:
        ValueError: if it holds a run of another identity, naming what
            differs.
    """
    path = pathlib.Path(directory) / workdir.RUN_RECORD
    if not path.is_file():
        return
    record = workdir.read_json(path)
    recorded = record.get("identity") if isinstance(record, dict) else None
    if not isinstance(recorded, dict):
        raise ValueError(
            f"{path} is not the record of a run: it has no identity. Name "
            "another --workdir, or empty this one."
        )
    found = list(differences(recorded, identity))
    if found:
        raise ValueError(
            f"{directory} holds another run: {'; '.join(found)}. "
            "Use the same settings to resume it, or another --workdir."
            f"{further}"
        )


def versions():
    """Versions of this package, Python and the libraries that compute."""
    return {
        "ofa_aec_tf": ofa_aec_tf.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def differences(recorded, identity, prefix=""):
    """What differs between two identities.

    Args:
        recorded: dict of JSON types, the older one.
        identity: dict of JSON types.
        prefix: str. Before each name.

    Yields:
        str, such as `seed was 0 and is now 1`.
    """
    for key in sorted(set(recorded) | set(identity)):
        old, new = recorded.get(key), identity.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} was {old!r} and is now {new!r}"


def git_commit() -> str | None:
    """The commit of the code that runs, with `-dirty` if files differ.

    None if the package is installed elsewhere than in its own clone: the
    commit of a repository around it, such as an app's, says nothing about it.
    """
    root = pathlib.Path(ofa_aec_tf.__file__).resolve().parents[1]
    try:
        toplevel = _git(root, "rev-parse", "--show-toplevel")
        if (
            not toplevel
            or pathlib.Path(toplevel).resolve() != root
            or not (root / "setup.py").is_file()
        ):
            return None
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(
            root, "status", "--porcelain", "--untracked-files=no", "--", "."
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changes else commit


def _git(root, *words):
    # Without the caller's settings, which may name another repository.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_")
    }
    return subprocess.run(
        ["git", *words],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
