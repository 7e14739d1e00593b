"""The TFRecord contract, written and read without importing TensorFlow.

A record is a `tf.train.Example` with the features `id` (bytes), `log_mel`
(float16, little-endian bytes), `shape` (frames, mel bands) and `labels` (class
indices). In a file it is framed: length, checksum of the length, data,
checksum of the data.
"""

import dataclasses
import hashlib
import os
import pathlib
import struct
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError

from ofa_aec_tf.data.example_proto import Example
from ofa_aec_tf.runs import workdir

ID = "id"
LOG_MEL = "log_mel"
SHAPE = "shape"
LABELS = "labels"

SIDE_CAR_SUFFIX = ".json"

STORED_DTYPE = np.dtype("<f2")
_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 4
_HEADER_BYTES = _LENGTH_BYTES + _CHECKSUM_BYTES
_CRC_MASK_DELTA = 0xA282EAD8


class RecordError(ValueError):
    """A record that is damaged, or does not fit its data set.

    Args:
        path: path of the TFRecord file.
        offset: int. Offset of the framed record in bytes.
        problem: str. What is wrong with it.
    """

    def __init__(self, path, offset: int, problem: str):
        # All arguments, so that the error can be pickled.
        super().__init__(str(path), int(offset), problem)
        self.path, self.offset, self.problem = self.args

    def __str__(self) -> str:
        return (
            f"{self.path}: the record at byte {self.offset} is damaged: "
            f"{self.problem}. Restore the file or preprocess again; with "
            "--skip_corrupt, training and evaluation skip such records."
        )


@dataclasses.dataclass(frozen=True)
class Record:
    """The content of a record.

    Args:
        clip_id: str.
        log_mel: float16 array of shape (num_frames, num_mel_bins), in dB,
            read-only.
        labels: tuple of int. Indices of the classes of the clip.
    """

    clip_id: str
    log_mel: np.ndarray
    labels: tuple[int, ...]


def encode_record(
    clip_id: str, log_mel: np.ndarray, labels: Iterable[int]
) -> bytes:
    """Encodes a clip as the bytes of a `tf.train.Example`.

    Args:
        clip_id: str.
        log_mel: float array of shape (num_frames, num_mel_bins), in dB. It is
            stored as float16, which changes values by 0.03 dB at most.
        labels: iterable of int. Indices of the classes of the clip.

    Returns:
        bytes.

    Raises:
        ValueError: if `log_mel` is not two-dimensional, or a label negative.
    """
    log_mel = np.asarray(log_mel)
    labels = sorted({int(label) for label in labels})
    if log_mel.ndim != 2:
        raise ValueError(
            "`log_mel` must have the shape (num_frames, num_mel_bins). "
            f"Received: shape {log_mel.shape} for clip {clip_id!r}"
        )
    if labels and labels[0] < 0:
        raise ValueError(
            "Labels are class indices from 0 upwards. "
            f"Received: {labels} for clip {clip_id!r}"
        )
    example = Example()
    feature = example.features.feature
    feature[ID].bytes_list.value.append(clip_id.encode())
    # Without labels the feature is there, and empty.
    feature[LABELS].int64_list.SetInParent()
    feature[LABELS].int64_list.value.extend(labels)
    feature[LOG_MEL].bytes_list.value.append(
        log_mel.astype(STORED_DTYPE, copy=False).tobytes()
    )
    feature[SHAPE].int64_list.value.extend(log_mel.shape)
    return example.SerializeToString(deterministic=True)


def decode_record(
    record: bytes,
    path,
    offset: int,
    shape: tuple[int, int] | None = None,
    num_classes: int | None = None,
) -> Record:
    """Decodes the bytes of a `tf.train.Example`, as `encode_record` returns.

    Args:
        record: bytes.
        path: path of its file, for errors.
        offset: int. Offset of its framed record, for errors.
        shape: tuple of int, or None. The expected `(num_frames,
            num_mel_bins)`.
        num_classes: int or None. The expected number of classes.

    Returns:
        Record.

    Raises:
        RecordError: if the bytes are no Example of a clip of this shape and
            with these classes.
    """
    try:
        feature = Example.FromString(record).features.feature
    except DecodeError as error:
        raise RecordError(
            path, offset, f"its data is not an Example ({error})"
        ) from error
    missing = [n for n in (ID, LABELS, LOG_MEL, SHAPE) if n not in feature]
    if missing:
        raise RecordError(
            path,
            offset,
            f"its data is not an Example of a clip, for it lacks {missing}",
        )
    ids = feature[ID].bytes_list.value
    values = feature[LOG_MEL].bytes_list.value
    stored_shape = tuple(feature[SHAPE].int64_list.value)
    labels = tuple(feature[LABELS].int64_list.value)
    if len(ids) != 1 or len(values) != 1:
        raise RecordError(
            path, offset, "its data is not an Example of one clip"
        )
    content = values[0]
    if (
        len(stored_shape) != 2
        or min(stored_shape) < 1
        or STORED_DTYPE.itemsize * stored_shape[0] * stored_shape[1]
        != len(content)
        or shape not in (None, stored_shape)
    ):
        expected = "two sizes" if shape is None else shape
        raise RecordError(
            path,
            offset,
            f"wrong shape: expected {expected}, received {stored_shape} and "
            f"{len(content)} bytes of {STORED_DTYPE.name} values",
        )
    if labels and (
        min(labels) < 0
        or num_classes is not None
        and max(labels) >= num_classes
    ):
        limit = "" if num_classes is None else f" to {num_classes - 1}"
        raise RecordError(
            path,
            offset,
            f"labels are class indices from 0{limit}, but it has {labels}",
        )
    try:
        clip_id = ids[0].decode()
    except UnicodeDecodeError as error:
        raise RecordError(
            path, offset, f"its id is not text: {error}"
        ) from error
    log_mel = np.frombuffer(content, STORED_DTYPE).reshape(stored_shape)
    return Record(clip_id, log_mel, labels)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + _CRC_MASK_DELTA) & 0xFFFFFFFF)


def frame_record(record: bytes) -> bytes:
    """A record as TFRecord files hold it: length, data, checksums."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length) + record + _masked_crc(record)


def unframe_record(frame: bytes, path, offset: int) -> bytes:
    """The data of a framed record, whose length and checksums are checked.

    Args:
        frame: bytes, as `frame_record` returns.
        path: path of its file, for errors.
        offset: int. Its offset there, for errors.

    Returns:
        bytes, the data.

    Raises:
        RecordError: if a checksum or the length is wrong.
    """
    num_bytes = _data_bytes(frame[:_HEADER_BYTES], path, offset)
    num_following = len(frame) - _HEADER_BYTES
    if num_bytes + _CHECKSUM_BYTES != num_following:
        raise RecordError(
            path,
            offset,
            f"it has a length of {num_bytes} bytes, but "
            f"{max(num_following - _CHECKSUM_BYTES, 0)} are there",
        )
    data = frame[_HEADER_BYTES:-_CHECKSUM_BYTES]
    if _masked_crc(data) != frame[-_CHECKSUM_BYTES:]:
        raise RecordError(path, offset, "its data checksum is wrong")
    return data


def read_framed_record(descriptor: int, path, offset: int) -> tuple[bytes, int]:
    """Reads the record at a position of a TFRecord file.

    Args:
        descriptor: int. The file, open for reading; its position is not used.
        path: path of the file, for errors.
        offset: int. Offset of the framed record in bytes.

    Returns:
        `(data, end)`: bytes of the record, and the offset of the next one.

    Raises:
        RecordError: if a checksum is wrong, or the file ends within the
            record.
    """
    header = os.pread(descriptor, _HEADER_BYTES, offset)
    num_bytes = _data_bytes(header, path, offset)
    frame_bytes = _HEADER_BYTES + num_bytes + _CHECKSUM_BYTES
    # Before anything of that length, which may be absurd, is allocated.
    num_left = os.fstat(descriptor).st_size - offset
    if frame_bytes > num_left:
        raise RecordError(
            path,
            offset,
            f"it ends early: {frame_bytes} bytes with its checksums, of which "
            f"the file has {num_left}",
        )
    frame = os.pread(descriptor, frame_bytes, offset)
    return unframe_record(frame, path, offset), offset + frame_bytes


def _data_bytes(header: bytes, path, offset: int) -> int:
    """The length of the data, from the header of a framed record."""
    if len(header) < _HEADER_BYTES:
        raise RecordError(
            path,
            offset,
            f"it ends early: {len(header)} of the {_HEADER_BYTES} bytes of "
            "its length and that checksum are there",
        )
    length, checksum = header[:_LENGTH_BYTES], header[_LENGTH_BYTES:]
    if _masked_crc(length) != checksum:
        raise RecordError(path, offset, "its length checksum is wrong")
    return struct.unpack("<Q", length)[0]


def side_car_path(path) -> pathlib.Path:
    """Path of the side-car of a TFRecord file."""
    path = pathlib.Path(path)
    return path.with_name(path.name + SIDE_CAR_SUFFIX)


class RecordFileWriter:
    """Writes a TFRecord file and its side-car, both or none.

    A context manager. Records go to a hidden file in the same directory;
    `finish` renames it and writes the side-car, last. Leaving the context
    without `finish` removes the hidden file.

    Args:
        path: path of the TFRecord file, in an existing directory.
    """

    def __init__(self, path):
        self._path = pathlib.Path(path)
        self._digest = hashlib.sha256()
        self._offsets: list[int] = []
        self._num_bytes = 0
        with workdir.naming_the_file(self._path):
            descriptor, temporary = tempfile.mkstemp(
                dir=self._path.parent, prefix=f".{self._path.name}."
            )
        self._temporary = pathlib.Path(temporary)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> "RecordFileWriter":
        return self

    def __exit__(self, *unused_exception) -> None:
        try:
            # Writes what is buffered, which fails if the disk is full.
            with workdir.naming_the_file(self._path):
                self._file.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, record: bytes) -> None:
        """Appends a record, as `encode_record` returns it."""
        framed = frame_record(record)
        with workdir.naming_the_file(self._path):
            self._file.write(framed)
        self._digest.update(framed)
        self._offsets.append(self._num_bytes)
        self._num_bytes += len(framed)

    def finish(
        self,
        dead_letters: Iterable[Mapping] = (),
        name: str | None = None,
        **details,
    ) -> dict:
        """Puts the file and its side-car in place.

        Args:
            dead_letters: iterable of dict of JSON types. The skipped clips.
            name: str or None. Name of the file, if it depends on the content.
            **details: JSON types. Further keys of the side-car.

        Returns:
            dict, the content of the side-car. `offsets` lists the offset of
            each framed record in bytes.
        """
        path = self._path if name is None else self._path.with_name(name)
        with workdir.naming_the_file(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        # Temporary files are private; a data set need not be.
        self._temporary.chmod(0o644)
        if name is None:
            # If this process ended between the two renames, an older side-car
            # would not fit the new file. Files that are named by their content
            # have the same content.
            side_car_path(path).unlink(missing_ok=True)
        os.replace(self._temporary, path)
        side_car = {
            "num_records": len(self._offsets),
            "num_bytes": self._num_bytes,
            "sha256": self._digest.hexdigest(),
            **details,
            "dead_letters": list(dead_letters),
            "offsets": self._offsets,
        }
        workdir.write_json(side_car_path(path), side_car)
        return side_car
