"""What a TFLite file says of itself: sound format, class names, thresholds.

MediaPipe Tasks and the TFLite Task Library load an audio classifier only with
this. It is a flatbuffer of its own inside the file, of the schema "TFLite Model
Metadata" (`metadata_schema.fbs`, identifier M001), and a zip archive with the
labels behind the file. Numbers of fields below are positions in its tables.

Thresholds of classes are a score calibration: each score is kept as it is, as
the logistic function of its own logit, unless it is below the least score of
its class, and 0 then. That is what these libraries have of the kind.
"""

import dataclasses
import io
import zipfile
import zlib

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

from ofa_aec_tf.argument_checks import check_class_names
from ofa_aec_tf.deployment import tflite_flatbuffer

LABELS = "labels.txt"
_CALIBRATION = "score_calibration.csv"
# Scale, slope and offset that change no score; behind them the least score.
_IDENTITY = (1.0, 1.0, 0.0)

_ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# The first version of the schema with a sound format.
_MIN_PARSER_VERSION = "1.3.0"

# Less than that is no sound format, but a damaged file.
_MIN_RATE_HZ = 4000

_MODEL_NAME, _MODEL_DESCRIPTION, _MODEL_VERSION = 0, 1, 2
_MODEL_SUBGRAPHS, _MODEL_MIN_PARSER_VERSION = 3, 7
_NUM_MODEL_FIELDS = 8
_SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 2, 3
_NUM_SUBGRAPH_FIELDS = 10
_TENSOR_NAME, _TENSOR_DESCRIPTION, _TENSOR_CONTENT = 0, 1, 3
_TENSOR_PROCESS_UNITS, _TENSOR_STATISTICS, _TENSOR_FILES = 4, 5, 6
_NUM_TENSOR_FIELDS = 7
_CONTENT_TYPE, _CONTENT_PROPERTIES = 0, 1
_NUM_CONTENT_FIELDS = 3
_AUDIO_SAMPLE_RATE, _AUDIO_CHANNELS = 0, 1
_NUM_AUDIO_FIELDS = 2
_FILE_NAME, _FILE_TYPE = 0, 2
_NUM_FILE_FIELDS = 5
_NUM_STATISTICS_FIELDS = 2
_FEATURE_PROPERTIES, _AUDIO_PROPERTIES = 1, 4
_TENSOR_AXIS_LABELS, _TENSOR_AXIS_SCORE_CALIBRATION = 2, 4
_UNIT_TYPE, _UNIT_OPTIONS = 0, 1
_NUM_UNIT_FIELDS = 2
_SCORE_CALIBRATION = 2
_CALIBRATION_TRANSFORMATION = 0
_NUM_CALIBRATION_FIELDS = 2
_INVERSE_LOGISTIC = 2

# What archives raise that are encrypted, of unknown compression or damaged.
_UNREADABLE = (
    RuntimeError,
    EOFError,
    OSError,
    UnicodeDecodeError,
    OverflowError,
    zlib.error,
)


@dataclasses.dataclass(frozen=True)
class AudioMetadata:
    """What an audio classifier says of itself.

    Args:
        name: str.
        description: str.
        version: str. Of the model.
        sample_rate_hz: int. Of the waveform that it takes.
        num_channels: int. 1: the front end takes mono.
        labels: tuple of str. One for each output, in their order.
        thresholds: tuple of float or None, one for each output: the lowest
            score that is reported, None for a class that never is. None
            where all scores are.
    """

    name: str
    description: str
    version: str
    sample_rate_hz: int
    num_channels: int
    labels: tuple[str, ...]
    thresholds: tuple[float | None, ...] | None = None

    def __post_init__(self):
        if self.thresholds is not None and (
            len(self.thresholds) != len(self.labels)
            or not all(t is None or 0 <= t <= 1 for t in self.thresholds)
        ):
            raise ValueError(
                "Expected a threshold in [0, 1], or none, for each of the "
                f"{len(self.labels)} labels. Received: {self.thresholds}"
            )
        if self.sample_rate_hz < _MIN_RATE_HZ or self.num_channels != 1:
            raise ValueError(
                f"Expected one channel at {_MIN_RATE_HZ} Hz or more. Received: "
                f"{self.num_channels} channels at {self.sample_rate_hz} Hz"
            )
        check_class_names(self.labels)


def _vector(builder, offsets):
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _table(builder, num_fields, offsets, add_scalars=lambda: None):
    """A table of fields that are offsets, and of scalars."""
    builder.StartObject(num_fields)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    add_scalars()
    return builder.EndObject()


def _audio_content(builder, metadata):
    def add_format():
        builder.PrependUint32Slot(
            _AUDIO_SAMPLE_RATE, metadata.sample_rate_hz, 0
        )
        builder.PrependUint32Slot(_AUDIO_CHANNELS, metadata.num_channels, 0)

    properties = _table(builder, _NUM_AUDIO_FIELDS, {}, add_format)
    return _content(builder, _AUDIO_PROPERTIES, properties)


def _content(builder, content_type, properties):
    return _table(
        builder,
        _NUM_CONTENT_FIELDS,
        {_CONTENT_PROPERTIES: properties},
        lambda: builder.PrependUint8Slot(_CONTENT_TYPE, content_type, 0),
    )


def _file(builder, name, file_type):
    return _table(
        builder,
        _NUM_FILE_FIELDS,
        {_FILE_NAME: builder.CreateString(name)},
        lambda: builder.PrependInt8Slot(_FILE_TYPE, file_type, 0),
    )


def _score_calibration(builder):
    """A unit that does to the scores what the file of calibration says."""
    options = _table(
        builder,
        _NUM_CALIBRATION_FIELDS,
        {},
        lambda: builder.PrependInt8Slot(
            _CALIBRATION_TRANSFORMATION, _INVERSE_LOGISTIC, 0
        ),
    )
    return _table(
        builder,
        _NUM_UNIT_FIELDS,
        {_UNIT_OPTIONS: options},
        lambda: builder.PrependUint8Slot(_UNIT_TYPE, _SCORE_CALIBRATION, 0),
    )


def _packed_files(metadata):
    """Names and texts of the files in the archive, and their types."""
    files = [(LABELS, _TENSOR_AXIS_LABELS, metadata.labels)]
    if metadata.thresholds is not None:
        lines = [
            # A class without a line is never reported.
            ""
            if threshold is None
            else ",".join(map(repr, (*_IDENTITY, float(threshold))))
            for threshold in metadata.thresholds
        ]
        files.append((_CALIBRATION, _TENSOR_AXIS_SCORE_CALIBRATION, lines))
    return [(n, kind, "\n".join(lines) + "\n") for n, kind, lines in files]


def _input_tensor(builder, metadata):
    return _table(
        builder,
        _NUM_TENSOR_FIELDS,
        {
            _TENSOR_NAME: builder.CreateString("waveform"),
            _TENSOR_DESCRIPTION: builder.CreateString(
                f"Samples in [-1, 1] at {metadata.sample_rate_hz} Hz"
            ),
            _TENSOR_CONTENT: _audio_content(builder, metadata),
            # Task Library refuses a tensor without the table.
            _TENSOR_STATISTICS: _table(builder, _NUM_STATISTICS_FIELDS, {}),
        },
    )


def _output_tensor(builder, metadata):
    files = [
        _file(builder, name, kind) for name, kind, _ in _packed_files(metadata)
    ]
    units = {}
    if metadata.thresholds is not None:
        units[_TENSOR_PROCESS_UNITS] = _vector(
            builder, [_score_calibration(builder)]
        )
    return _table(
        builder,
        _NUM_TENSOR_FIELDS,
        {
            **units,
            _TENSOR_NAME: builder.CreateString("scores"),
            _TENSOR_DESCRIPTION: builder.CreateString(
                "Probability of each class"
            ),
            _TENSOR_CONTENT: _content(
                builder, _FEATURE_PROPERTIES, _table(builder, 0, {})
            ),
            _TENSOR_STATISTICS: _table(builder, _NUM_STATISTICS_FIELDS, {}),
            _TENSOR_FILES: _vector(builder, files),
        },
    )


def _serialize(metadata: AudioMetadata) -> bytes:
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        _NUM_SUBGRAPH_FIELDS,
        {
            _SUBGRAPH_INPUTS: _vector(
                builder, [_input_tensor(builder, metadata)]
            ),
            _SUBGRAPH_OUTPUTS: _vector(
                builder, [_output_tensor(builder, metadata)]
            ),
        },
    )
    texts = {
        _MODEL_NAME: metadata.name,
        _MODEL_DESCRIPTION: metadata.description,
        _MODEL_VERSION: metadata.version,
        _MODEL_MIN_PARSER_VERSION: _MIN_PARSER_VERSION,
    }
    fields = {
        field: builder.CreateString(text) for field, text in texts.items()
    }
    fields[_MODEL_SUBGRAPHS] = _vector(builder, [graph])
    builder.Finish(_table(builder, _NUM_MODEL_FIELDS, fields), _IDENTIFIER)
    return bytes(builder.Output())


def attach(content: bytes, metadata: AudioMetadata) -> bytes:
    """Puts metadata into a TFLite file, in place of what it may have.

    Args:
        content: bytes of a TFLite file from a waveform to scores.
        metadata: AudioMetadata.

    Returns:
        bytes of the file, of which the model computes what it did. The same
        arguments give the same bytes.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    model = tflite_flatbuffer.unpack(content)
    tflite_flatbuffer.set_metadata_buffer(model, _ENTRY, _serialize(metadata))
    file = io.BytesIO(tflite_flatbuffer.pack(model))
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, _, text in _packed_files(metadata):
            # With a date of its own, that of the epoch of the format.
            archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def without_labels(content: bytes) -> bytes:
    """The flatbuffer of a file, without the archive that may be behind it.

    Args:
        content: bytes of a TFLite file, with or without metadata.

    Returns:
        bytes.
    """
    file = io.BytesIO(content)
    if not zipfile.is_zipfile(file):
        return content
    with zipfile.ZipFile(file) as archive:
        return content[: min(e.header_offset for e in archive.infolist())]


class _Reader:
    """Reads fields of a table by their positions."""

    def __init__(self, table: Table):
        self._table = table

    def _offset(self, field):
        # The first two of a table's own table are sizes.
        return self._table.Offset(4 + 2 * field)

    def text(self, field):
        offset = self._offset(field)
        if not offset:
            return ""
        return self._table.String(self._table.Pos + offset).decode()

    def scalar(self, field, number_type):
        offset = self._offset(field)
        if not offset:
            return 0
        return self._table.Get(number_type, self._table.Pos + offset)

    def child(self, field):
        """The table in a field, or None."""
        offset = self._offset(field)
        if not offset:
            return None
        position = self._table.Indirect(self._table.Pos + offset)
        return _Reader(Table(self._table.Bytes, position))

    def children(self, field):
        """The tables in a field."""
        offset = self._offset(field)
        if not offset:
            return []
        start = self._table.Vector(offset)
        return [
            _Reader(
                Table(self._table.Bytes, self._table.Indirect(start + 4 * i))
            )
            for i in range(self._table.VectorLen(offset))
        ]


def _tensors(root):
    graphs = root.children(_MODEL_SUBGRAPHS)
    if len(graphs) != 1:
        raise ValueError(
            f"Expected metadata of one subgraph. Received: {len(graphs)}"
        )
    inputs = graphs[0].children(_SUBGRAPH_INPUTS)
    outputs = graphs[0].children(_SUBGRAPH_OUTPUTS)
    if (len(inputs), len(outputs)) != (1, 1):
        raise ValueError(
            "Expected metadata of one input and one output. Received: "
            f"{len(inputs)} and {len(outputs)}"
        )
    return inputs[0], outputs[0]


def _read_format(tensor):
    content = tensor.child(_TENSOR_CONTENT)
    if (
        content is None
        or content.scalar(_CONTENT_TYPE, number_types.Uint8Flags)
        != _AUDIO_PROPERTIES
    ):
        raise ValueError("The metadata of the input has no sound format.")
    properties = content.child(_CONTENT_PROPERTIES)
    return (
        properties.scalar(_AUDIO_SAMPLE_RATE, number_types.Uint32Flags),
        properties.scalar(_AUDIO_CHANNELS, number_types.Uint32Flags),
    )


def _file_names(tensor, file_type):
    return [
        file.text(_FILE_NAME)
        for file in tensor.children(_TENSOR_FILES)
        if file.scalar(_FILE_TYPE, number_types.Int8Flags) == file_type
    ]


def _read_lines(content, name, what):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name).decode().splitlines()
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"The metadata names the {what} {name!r}, but no such file is "
            f"packed into the model ({error})."
        ) from error
    except _UNREADABLE as error:
        raise ValueError(
            f"The {what} {name!r} that are packed into the model cannot be "
            f"read: {error}."
        ) from error


def _read_labels(content, tensor):
    names = _file_names(tensor, _TENSOR_AXIS_LABELS)
    if len(names) != 1:
        raise ValueError(
            "The metadata of the output must name one file of labels. "
            f"Received: {names}"
        )
    return tuple(_read_lines(content, names[0], "labels"))


def _read_thresholds(content, tensor):
    names = _file_names(tensor, _TENSOR_AXIS_SCORE_CALIBRATION)
    if not names:
        return None
    thresholds = []
    for line in _read_lines(content, names[0], "score calibration"):
        values = [float(text) for text in line.split(",")] if line else None
        if values is not None and (*values[:3],) != _IDENTITY:
            # Of another tool: it changes scores, which only apps apply.
            return None
        thresholds.append(values and (*values[3:], 0.0)[0])
    return tuple(thresholds)


def is_there(content: bytes) -> bool:
    """Whether a TFLite file has metadata of this schema.

    Raises:
        ValueError: if this is not a TFLite file, or not a whole one.
    """
    return (
        tflite_flatbuffer.metadata_buffer(
            tflite_flatbuffer.unpack(content), _ENTRY
        )
        is not None
    )


def read(content: bytes) -> AudioMetadata:
    """Reads the metadata of a TFLite file.

    Args:
        content: bytes of the file.

    Returns:
        AudioMetadata.

    Raises:
        ValueError: if this is not a TFLite file, or the metadata that an
            audio classifier needs are not there.
    """
    serialized = tflite_flatbuffer.metadata_buffer(
        tflite_flatbuffer.unpack(content), _ENTRY
    )
    if serialized is None or serialized[4:8] != _IDENTIFIER:
        raise ValueError("The file has no TFLite Model Metadata.")
    with tflite_flatbuffer.reading(content):
        return _read(content, serialized)


def _read(content, serialized):
    start = int.from_bytes(serialized[:4], "little")
    root = _Reader(Table(bytearray(serialized), start))
    sound, scores = _tensors(root)
    sample_rate_hz, num_channels = _read_format(sound)
    return AudioMetadata(
        name=root.text(_MODEL_NAME),
        description=root.text(_MODEL_DESCRIPTION),
        version=root.text(_MODEL_VERSION),
        sample_rate_hz=sample_rate_hz,
        num_channels=num_channels,
        labels=_read_labels(content, scores),
        thresholds=_read_thresholds(content, scores),
    )
