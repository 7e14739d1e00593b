"""The TFRecord contract, written without importing TensorFlow.

A record is a `tf.train.Example` with the features `id` (bytes), `log_mel`
(float16, little-endian bytes), `shape` (frames, mel bands) and `labels` (class
indices). `ofa_aec_tf.data.parsing` reads it.
"""

import hashlib
import os
import pathlib
import struct
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping

import google_crc32c
import numpy as np

from ofa_aec_tf import workdir

ID = "id"
LOG_MEL = "log_mel"
SHAPE = "shape"
LABELS = "labels"

SIDE_CAR_SUFFIX = ".json"

# Field numbers of tensorflow/core/example/{example,feature}.proto.
_EXAMPLE_FEATURES = 1
_FEATURES_ENTRY = 1
_ENTRY_KEY = 1
_ENTRY_VALUE = 2
_FEATURE_BYTES_LIST = 1
_FEATURE_INT64_LIST = 3
_LIST_VALUE = 1

_WIRE_TYPE_LENGTH_DELIMITED = 2
_CRC_MASK_DELTA = 0xA282EAD8


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, payload: bytes) -> bytes:
    tag = number << 3 | _WIRE_TYPE_LENGTH_DELIMITED
    return _varint(tag) + _varint(len(payload)) + payload


def _bytes_feature(value: bytes) -> bytes:
    return _field(_FEATURE_BYTES_LIST, _field(_LIST_VALUE, value))


def _int64_feature(values: Iterable[int]) -> bytes:
    packed = b"".join(_varint(value) for value in values)
    return _field(_FEATURE_INT64_LIST, _field(_LIST_VALUE, packed))


def encode_record(
    clip_id: str, log_mel: np.ndarray, labels: Iterable[int]
) -> bytes:
    """Encodes a clip as the bytes of a `tf.train.Example`.

    Args:
        clip_id: str.
        log_mel: float array of shape (num_frames, num_mel_bins), in dB. It is
            stored as float16, which moves values by 0.03 dB at most.
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
    features = {
        ID: _bytes_feature(clip_id.encode()),
        LABELS: _int64_feature(labels),
        LOG_MEL: _bytes_feature(log_mel.astype("<f2").tobytes()),
        SHAPE: _int64_feature(log_mel.shape),
    }
    entries = b"".join(
        _field(
            _FEATURES_ENTRY,
            _field(_ENTRY_KEY, name.encode()) + _field(_ENTRY_VALUE, feature),
        )
        for name, feature in features.items()
    )
    return _field(_EXAMPLE_FEATURES, entries)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + _CRC_MASK_DELTA) & 0xFFFFFFFF)


def frame_record(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file: length, data, checksums."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length) + record + _masked_crc(record)


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
        descriptor, temporary = tempfile.mkstemp(
            dir=self._path.parent, prefix=f".{self._path.name}."
        )
        self._temporary = pathlib.Path(temporary)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> "RecordFileWriter":
        return self

    def __exit__(self, *unused_exception) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, record: bytes) -> None:
        """Appends one record, such as `encode_record` gives."""
        framed = frame_record(record)
        self._file.write(framed)
        self._digest.update(framed)
        self._offsets.append(self._num_bytes)
        self._num_bytes += len(framed)

    def finish(self, dead_letters: Iterable[Mapping] = (), **details) -> dict:
        """Puts the file and its side-car in place.

        Args:
            dead_letters: iterable of dict of JSON types. The clips left out.
            **details: JSON types. Further keys of the side-car.

        Returns:
            dict, the content of the side-car. `offsets` has the position in
            bytes at which each framed record starts.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        # Temporary files are private; those of a data set need not be.
        self._temporary.chmod(0o644)
        # An older side-car would describe the new file wrongly if this
        # process ended between the two renames.
        side_car_path(self._path).unlink(missing_ok=True)
        os.replace(self._temporary, self._path)
        side_car = {
            "num_records": len(self._offsets),
            "num_bytes": self._num_bytes,
            "sha256": self._digest.hexdigest(),
            **details,
            "dead_letters": list(dead_letters),
            "offsets": self._offsets,
        }
        workdir.write_json(side_car_path(self._path), side_car)
        return side_car
