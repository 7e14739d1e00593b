"""The work directory of a run: its files, its lock, and atomic writes."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import tempfile

from absl import logging

RESOLVED_FLAGS = "flags.cfg"
RUN_RECORD = "run.json"
HISTORY = "history.csv"
_LOCK_FILE = ".lock"
# Errors of file systems without locks. NFS locks only what is open for writing,
# which a directory cannot be (EBADF).
_NO_LOCKS = {
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.EBADF,
}


def record_path(model_path) -> pathlib.Path:
    """Path of the record of a `.keras` file, beside it."""
    return pathlib.Path(model_path).with_suffix(".json")


def has_record(path) -> bool:
    """Whether a path is that of a `.keras` file with its record beside it."""
    return str(path).endswith(".keras") and record_path(path).is_file()


def _take_lock(descriptor, directory, wait):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise ValueError(
                f"Another process is writing into {directory}. Wait until it "
                "has ended, or name another directory."
            ) from None
        logging.info("Waiting for the process that locks %s.", directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@functools.cache
def _warn_of_no_locks(directory, problem):
    logging.warning(
        "The file system of %s has no locks (%s). Make sure that no other "
        "process writes into it at the same time.",
        directory,
        problem,
    )


@contextlib.contextmanager
def lock(directory, wait=False):
    """Locks a directory for as long as the context lasts.

    The operating system unlocks it when the process ends, however it ends. The
    directory itself is locked, so that no lock file is left in results. On
    NFS, where a directory cannot be locked, a file in it is, which stays. On a
    file system without locks there is a warning, and no lock.

    `filelock` has no lock that leaves nothing behind, and falls back to files
    that outlive a killed process.

    Args:
        directory: path of an existing directory.
        wait: bool. Whether to wait while another process holds the lock.

    Raises:
        ValueError: if another process holds the lock, without `wait`.
        OSError: if locking fails although the file system has locks.
    """
    lock_file = pathlib.Path(directory) / _LOCK_FILE
    with contextlib.ExitStack() as stack:
        for path, mode in (
            (directory, os.O_RDONLY),
            (lock_file, os.O_RDWR | os.O_CREAT),
        ):
            descriptor = os.open(path, mode)
            stack.callback(os.close, descriptor)
            try:
                _take_lock(descriptor, directory, wait)
                break
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                problem = error.strerror
        else:
            lock_file.unlink(missing_ok=True)
            _warn_of_no_locks(str(directory), problem)
        yield


@contextlib.contextmanager
def naming_the_file(path):
    """Adds the path to errors of writing, which a full disk's lacks.

    Args:
        path: path of the file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_device(path):
    """Whether a path is that of a device or a pipe, which is never replaced.

    Root could replace `/dev/null` by a file.
    """
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def _replaced(path, mode, encoding=None):
    """A file to write, which replaces `path` if the context succeeds."""
    path = pathlib.Path(path)
    # Paths in a text need not be UTF-8; they are written as they are.
    errors = None if encoding is None else "surrogateescape"
    if _is_device(path):
        with (
            naming_the_file(path),
            path.open(mode, encoding=encoding, errors=errors) as file,
        ):
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}."
    )
    try:
        with (
            naming_the_file(path),
            os.fdopen(
                descriptor, mode, encoding=encoding, errors=errors
            ) as file,
        ):
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(path):
    """Refuses an output that cannot be written, before the work for it.

    It leaves nothing behind.

    Args:
        path: path of the file. Its directory need not exist.

    Raises:
        ValueError: if it is a directory, or its directory cannot be created
            or written to.
    """
    path = pathlib.Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError("It is a directory.")
        if _is_device(path):
            return
        parent = path.absolute().parent
        while not os.path.lexists(parent):
            parent = parent.parent
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written: {error} Name another output."
        ) from error


def write_lines(path, lines):
    """Writes a text file atomically: readers see the old or the new one.

    Args:
        path: path of the file; its directory is created.
        lines: iterable of str with line ends. They are written one by one.
    """
    with _replaced(path, "w", encoding="utf-8") as file:
        file.writelines(lines)


def write_bytes(path, content):
    """Writes a binary file as `write_lines` does."""
    with _replaced(path, "wb") as file:
        file.write(content)


def write_text(path, text):
    """Writes a text file as `write_lines` does."""
    write_lines(path, [text])


def write_json(path, value):
    """Writes an indented JSON file as `write_lines` does."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path):
    """Reads a JSON file.

    Raises:
        ValueError: if the file is not JSON, naming it.
    """
    path = pathlib.Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # Numbers of thousands of digits are a ValueError, too.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a JSON file: {error}. Write it again with the "
            "command that made it."
        ) from error


def file_digest(path):
    """Short hash of a file's content.

    Raises:
        ValueError: if there is no such file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
