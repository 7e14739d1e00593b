"""Files of a run: names inside `--workdir`, JSON that is never half written."""

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
# What file systems without locks answer. NFS says of a directory, which cannot
# be opened for writing, that it is no file to lock (EBADF).
_NO_LOCKS = {
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.EBADF,
}


def record_path(model_path) -> pathlib.Path:
    """Where the record of a `.keras` file is: beside it."""
    return pathlib.Path(model_path).with_suffix(".json")


def has_record(path) -> bool:
    """Whether a path is that of a `.keras` file that some run has saved."""
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
        logging.info("Waiting for a process that has %s.", directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@functools.cache
def _warn_of_no_locks(directory, problem):
    logging.warning(
        "The file system of %s knows no locks (%s). Make sure that no other "
        "process writes into it at the same time.",
        directory,
        problem,
    )


@contextlib.contextmanager
def lock(directory, wait=False):
    """Keeps a directory for this process as long as the context lasts.

    The system lets go of it when the process ends, however that happens. Where
    directories cannot be locked, as on NFS, a file in it is, and stays there.
    File systems that know no locks at all give none, with a warning.

    Args:
        directory: path of an existing directory.
        wait: bool. Whether to wait as long as another process has it.

    Raises:
        ValueError: if another process has it, without `wait`.
        OSError: if it cannot be locked although there are locks.
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
    """Lets an error of writing say which file: a full disk's does not.

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
    """Whether a path is that of a device or a pipe, written to as it is.

    Root could put a file in the place of `/dev/null`, for all who use it.
    """
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def _replaced(path, mode, encoding=None):
    """A file to write that takes its place when the context ends well."""
    path = pathlib.Path(path)
    # A path in a text need not be UTF-8; it is written as it is.
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
    """Refuses an output that could not be written, before the work for it.

    Nothing is left there.

    Args:
        path: path of the file. Its directory need not exist.

    Raises:
        ValueError: if it is a directory, or its own cannot be made or written
            to.
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
    """Writes a text file so that readers see the old one or the new one.

    Args:
        path: path of the file; its directory is created.
        lines: iterable of str, with their ends. They are never held at once.
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
    """Writes a JSON file atomically, indented for people."""
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
