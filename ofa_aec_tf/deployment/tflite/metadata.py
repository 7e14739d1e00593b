"""What a TFLite file says of itself: sound format, class names, thresholds.

MediaPipe Tasks and the TFLite Task Library load an audio classifier only with
this. It is a flatbuffer of its own inside the file, of the schema "TFLite Model
Metadata" (`metadata_schema.fbs`, identifier M001), and a zip archive with the
labels behind the file.

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

from ofa_aec_tf.checks.argument_checks import check_class_names
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import metadata_schema as schema

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


def _audio_content(builder, metadata):
    def add_format():
        builder.PrependUint32Slot(
            schema.AUDIO_SAMPLE_RATE, metadata.sample_rate_hz, 0
        )
        builder.PrependUint32Slot(
            schema.AUDIO_CHANNELS, metadata.num_channels, 0
        )

    properties = schema.table(builder, schema.NUM_AUDIO_FIELDS, {}, add_format)
    return _content(builder, schema.AUDIO_PROPERTIES, properties)


def _content(builder, content_type, properties):
    return schema.table(
        builder,
        schema.NUM_CONTENT_FIELDS,
        {schema.CONTENT_PROPERTIES: properties},
        lambda: builder.PrependUint8Slot(schema.CONTENT_TYPE, content_type, 0),
    )


def _file(builder, name, file_type):
    return schema.table(
        builder,
        schema.NUM_FILE_FIELDS,
        {schema.FILE_NAME: builder.CreateString(name)},
        lambda: builder.PrependInt8Slot(schema.FILE_TYPE, file_type, 0),
    )


def _score_calibration(builder):
    """A unit that does to the scores what the file of calibration says."""
    options = schema.table(
        builder,
        schema.NUM_CALIBRATION_FIELDS,
        {},
        lambda: builder.PrependInt8Slot(
            schema.CALIBRATION_TRANSFORMATION, schema.INVERSE_LOGISTIC, 0
        ),
    )
    return schema.table(
        builder,
        schema.NUM_UNIT_FIELDS,
        {schema.UNIT_OPTIONS: options},
        lambda: builder.PrependUint8Slot(
            schema.UNIT_TYPE, schema.SCORE_CALIBRATION, 0
        ),
    )


def _packed_files(metadata):
    """Names and texts of the files in the archive, and their types."""
    labels = "\n".join(metadata.labels) + "\n"
    files = [(LABELS, schema.TENSOR_AXIS_LABELS, labels)]
    if metadata.thresholds is not None:
        lines = [
            # A class without a line is never reported.
            ""
            if threshold is None
            else ",".join(map(repr, (*_IDENTITY, float(threshold))))
            for threshold in metadata.thresholds
        ]
        # Without an end of its own: that would be the line of another class.
        text = "\n".join(lines)
        files.append((_CALIBRATION, schema.TENSOR_AXIS_SCORE_CALIBRATION, text))
    return files


def _input_tensor(builder, metadata):
    return schema.table(
        builder,
        schema.NUM_TENSOR_FIELDS,
        {
            schema.TENSOR_NAME: builder.CreateString("waveform"),
            schema.TENSOR_DESCRIPTION: builder.CreateString(
                f"Samples in [-1, 1] at {metadata.sample_rate_hz} Hz"
            ),
            schema.TENSOR_CONTENT: _audio_content(builder, metadata),
            # Task Library refuses a tensor without the table.
            schema.TENSOR_STATISTICS: schema.table(
                builder, schema.NUM_STATISTICS_FIELDS, {}
            ),
        },
    )


def _output_tensor(builder, metadata):
    files = [
        _file(builder, name, kind) for name, kind, _ in _packed_files(metadata)
    ]
    units = {}
    if metadata.thresholds is not None:
        units[schema.TENSOR_PROCESS_UNITS] = schema.vector(
            builder, [_score_calibration(builder)]
        )
    return schema.table(
        builder,
        schema.NUM_TENSOR_FIELDS,
        {
            **units,
            schema.TENSOR_NAME: builder.CreateString("scores"),
            schema.TENSOR_DESCRIPTION: builder.CreateString(
                "Probability of each class"
            ),
            schema.TENSOR_CONTENT: _content(
                builder, schema.FEATURE_PROPERTIES, schema.table(builder, 0, {})
            ),
            schema.TENSOR_STATISTICS: schema.table(
                builder, schema.NUM_STATISTICS_FIELDS, {}
            ),
            schema.TENSOR_FILES: schema.vector(builder, files),
        },
    )


def _serialize(metadata: AudioMetadata) -> bytes:
    builder = flatbuffers.Builder(1024)
    graph = schema.table(
        builder,
        schema.NUM_SUBGRAPH_FIELDS,
        {
            schema.SUBGRAPH_INPUTS: schema.vector(
                builder, [_input_tensor(builder, metadata)]
            ),
            schema.SUBGRAPH_OUTPUTS: schema.vector(
                builder, [_output_tensor(builder, metadata)]
            ),
        },
    )
    texts = {
        schema.MODEL_NAME: metadata.name,
        schema.MODEL_DESCRIPTION: metadata.description,
        schema.MODEL_VERSION: metadata.version,
        schema.MODEL_MIN_PARSER_VERSION: _MIN_PARSER_VERSION,
    }
    fields = {
        field: builder.CreateString(text) for field, text in texts.items()
    }
    fields[schema.MODEL_SUBGRAPHS] = schema.vector(builder, [graph])
    builder.Finish(
        schema.table(builder, schema.NUM_MODEL_FIELDS, fields), _IDENTIFIER
    )
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
    model = flatbuffer.unpack(content)
    flatbuffer.set_metadata_buffer(model, _ENTRY, _serialize(metadata))
    file = io.BytesIO(flatbuffer.pack(model))
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, _, text in _packed_files(metadata):
            # With a date of its own, that of the epoch of the format.
            archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def _tensors(root):
    graphs = root.children(schema.MODEL_SUBGRAPHS)
    if len(graphs) != 1:
        raise ValueError(
            f"Expected metadata of one subgraph. Received: {len(graphs)}"
        )
    inputs = graphs[0].children(schema.SUBGRAPH_INPUTS)
    outputs = graphs[0].children(schema.SUBGRAPH_OUTPUTS)
    if (len(inputs), len(outputs)) != (1, 1):
        raise ValueError(
            "Expected metadata of one input and one output. Received: "
            f"{len(inputs)} and {len(outputs)}"
        )
    return inputs[0], outputs[0]


def _read_format(tensor):
    content = tensor.child(schema.TENSOR_CONTENT)
    if (
        content is None
        or content.scalar(schema.CONTENT_TYPE, number_types.Uint8Flags)
        != schema.AUDIO_PROPERTIES
    ):
        raise ValueError("The metadata of the input has no sound format.")
    properties = content.child(schema.CONTENT_PROPERTIES)
    return (
        properties.scalar(schema.AUDIO_SAMPLE_RATE, number_types.Uint32Flags),
        properties.scalar(schema.AUDIO_CHANNELS, number_types.Uint32Flags),
    )


def _file_names(tensor, file_type):
    return [
        file.text(schema.FILE_NAME)
        for file in tensor.children(schema.TENSOR_FILES)
        if file.scalar(schema.FILE_TYPE, number_types.Int8Flags) == file_type
    ]


def _read_text(content, name, what):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name).decode()
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
    names = _file_names(tensor, schema.TENSOR_AXIS_LABELS)
    if len(names) != 1:
        raise ValueError(
            "The metadata of the output must name one file of labels. "
            f"Received: {names}"
        )
    return tuple(_read_text(content, names[0], "labels").splitlines())


def _read_thresholds(content, tensor):
    names = _file_names(tensor, schema.TENSOR_AXIS_SCORE_CALIBRATION)
    if not names:
        return None
    thresholds = []
    for line in _read_text(content, names[0], "score calibration").split("\n"):
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
        flatbuffer.metadata_buffer(flatbuffer.unpack(content), _ENTRY)
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
    serialized = flatbuffer.metadata_buffer(flatbuffer.unpack(content), _ENTRY)
    if serialized is None or serialized[4:8] != _IDENTIFIER:
        raise ValueError("The file has no TFLite Model Metadata.")
    with flatbuffer.reading(content):
        return _read(content, serialized)


def _read(content, serialized):
    root = schema.read_root(serialized)
    sound, scores = _tensors(root)
    sample_rate_hz, num_channels = _read_format(sound)
    return AudioMetadata(
        name=root.text(schema.MODEL_NAME),
        description=root.text(schema.MODEL_DESCRIPTION),
        version=root.text(schema.MODEL_VERSION),
        sample_rate_hz=sample_rate_hz,
        num_channels=num_channels,
        labels=_read_labels(content, scores),
        thresholds=_read_thresholds(content, scores),
    )
