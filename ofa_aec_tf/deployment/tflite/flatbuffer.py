"""Unpacks TFLite files to objects that can be changed, and packs them."""

import contextlib
import struct
from collections.abc import Iterator

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"

# Metadata of the converter: the oldest runtime that has all operators.
MIN_RUNTIME_VERSION = b"min_runtime_version"


def check_identifier(content: bytes) -> None:
    """Refuses what is not a TFLite file.

    Args:
        content: bytes of the file.

    Raises:
        ValueError: naming the first bytes of the file.
    """
    if content[4:8] != FILE_IDENTIFIER:
        raise ValueError(
            "A TFLite file has the identifier 'TFL3' at its byte 4. Received: "
            f"{len(content)} bytes starting with {content[:8]!r}"
        )


# Errors of `np.frombuffer` for a vector that reaches beyond the file.
_BEYOND_THE_BUFFER = (
    "buffer is smaller than requested size",
    "offset must be non-negative and no greater than buffer length",
)


@contextlib.contextmanager
def reading(content: bytes) -> Iterator[None]:
    """Turns errors of reading a damaged file into a ValueError.

    Args:
        content: bytes of the file.

    Raises:
        ValueError: if it is not a TFLite file, or not a whole one.
    """
    check_identifier(content)
    try:
        yield
    # Raised by the generated reader for a wrong offset.
    except (
        struct.error,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        MemoryError,
        UnicodeDecodeError,
    ) as error:
        raise _damaged(content, error) from error
    except ValueError as error:
        # Only errors of NumPy, not others that are raised in this context.
        if not str(error).startswith(_BEYOND_THE_BUFFER):
            raise
        raise _damaged(content, error) from error


def _damaged(content, error):
    return ValueError(
        f"This TFLite file of {len(content)} bytes is cut off or damaged "
        f"({error}). Export the model again."
    )


def unpack(content: bytes) -> schema.ModelT:
    """The model in a TFLite file.

    Args:
        content: bytes of the file.

    Returns:
        schema.ModelT, with all constants inside.

    Raises:
        ValueError: if this is not a TFLite file, or not a whole one.
    """
    with reading(content):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for buffer in model.buffers:
            # Some writers store constants after the flatbuffer, at an offset.
            # Offsets 0 and 1 mean that they did not.
            if buffer.offset > 1:
                buffer.data = np.frombuffer(
                    content, np.uint8, buffer.size, buffer.offset
                )
                buffer.offset = buffer.size = 0
    return model


def pack(model: schema.ModelT) -> bytes:
    """Bytes of a TFLite file.

    Args:
        model: schema.ModelT.

    Returns:
        bytes.
    """
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def metadata_buffer(model: schema.ModelT, name: str) -> bytes | None:
    """The content of an entry in a model's metadata.

    Args:
        model: schema.ModelT.
        name: str.

    Returns:
        bytes; None if there is no such entry, or if it is empty.
    """
    for entry in model.metadata or ():
        if text(entry.name) == name:
            data = model.buffers[entry.buffer].data
            return None if data is None else bytes(bytearray(data))
    return None


def text(value: bytes | None) -> str:
    """The text of a field, empty if it is missing."""
    return (value or b"").decode(errors="replace")


def indices(values) -> list[int]:
    """The indices in a field, which may be missing."""
    return [] if values is None else [int(value) for value in values]


def set_metadata_buffer(
    model: schema.ModelT, name: str, content: bytes
) -> None:
    """Sets an entry in a model's metadata.

    Args:
        model: schema.ModelT; changed.
        name: str.
        content: bytes.
    """
    data = np.frombuffer(content, np.uint8)
    for entry in model.metadata or ():
        if text(entry.name) == name:
            # In its place, so that the same content gives the same file.
            model.buffers[entry.buffer].data = data
            return
    entry = schema.MetadataT()
    entry.name = name.encode()
    entry.buffer = len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]


def remove_metadata(model: schema.ModelT) -> None:
    """Removes a model's metadata.

    Args:
        model: schema.ModelT; changed.
    """
    for entry in model.metadata or ():
        # The buffer stays, empty: others are referred to by position.
        model.buffers[entry.buffer].data = None
    model.metadata = []


def min_runtime_version(model: schema.ModelT) -> str | None:
    """The oldest TFLite runtime that has all operators of a model.

    Args:
        model: schema.ModelT.

    Returns:
        str such as `"2.5.0"`, as the converter wrote it; None if the file
        does not state it.
    """
    version = metadata_buffer(model, MIN_RUNTIME_VERSION.decode())
    if version is None:
        return None
    return text(version.rstrip(b"\0")) or None


def version_number(version: str) -> tuple[int, ...]:
    """A version as numbers, which can be compared.

    Args:
        version: str such as `"2.5.0"`.

    Returns:
        tuple of int.

    Raises:
        ValueError: if it is no version.
    """
    try:
        return tuple(map(int, version.split(".")))
    except ValueError:
        raise ValueError(
            "The version of a runtime is numbers with points between them. "
            f"Received: {version!r}. Export the model again."
        ) from None
