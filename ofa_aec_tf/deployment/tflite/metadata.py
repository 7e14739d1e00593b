"""Metadata of a TFLite file: sound format, class names and thresholds.

MediaPipe Tasks and the TFLite Task Library load an audio classifier only with
them. They are a flatbuffer in the file, of the schema "TFLite Model Metadata"
(`metadata_schema.fbs`, identifier M001), and a zip archive of labels after
the file.

Thresholds of classes are stored as a score calibration, which is all that these
libraries offer: a score is kept, as the logistic function of its own logit, or
becomes 0 if it is below the minimum score of its class.
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
from ofa_aec_tf.deployment.tflite.metadata_schema import Number

LABELS = "labels.txt"
_CALIBRATION = "score_calibration.csv"
# Scale, slope and offset that change no score. The minimum score follows them.
_IDENTITY = (1.0, 1.0, 0.0)

_ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# The first version of the schema with a sound format.
_MIN_PARSER_VERSION = "1.3.0"

# A lower rate is the sign of a damaged file.
_MIN_RATE_HZ = 4000

# Errors of archives that are encrypted, damaged or of unknown compression.
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
    """Metadata of an audio classifier.

    Args:
        name: str.
        description: str.
        version: str. Version of the model.
        sample_rate_hz: int. Sample rate of its input.
        num_channels: int. 1: the front end takes mono.
        labels: tuple of str, one for each output, in order.
        thresholds: tuple of float or None, one for each output: the lowest
            score that is reported, or None if the class never is. None
            without thresholds.
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


def _packed_files(metadata):
    """Names, types and texts of the files in the archive."""
    labels = "\n".join(metadata.labels) + "\n"
    files = [(LABELS, schema.TENSOR_AXIS_LABELS, labels)]
    if metadata.thresholds is not None:
        lines = [
            # A class with an empty line is never reported.
            ""
            if threshold is None
            else ",".join(map(repr, (*_IDENTITY, float(threshold))))
            for threshold in metadata.thresholds
        ]
        # Without a final line break, which would add a class.
        text = "\n".join(lines)
        files.append((_CALIBRATION, schema.TENSOR_AXIS_SCORE_CALIBRATION, text))
    return files


def _content(content_type, properties):
    return {
        schema.CONTENT_TYPE: Number("Uint8", content_type),
        schema.CONTENT_PROPERTIES: properties,
    }


def _input_tensor(metadata):
    return {
        schema.TENSOR_NAME: "waveform",
        schema.TENSOR_DESCRIPTION: (
            f"Samples in [-1, 1] at {metadata.sample_rate_hz} Hz"
        ),
        schema.TENSOR_CONTENT: _content(
            schema.AUDIO_PROPERTIES,
            {
                schema.AUDIO_SAMPLE_RATE: Number(
                    "Uint32", metadata.sample_rate_hz
                ),
                schema.AUDIO_CHANNELS: Number("Uint32", metadata.num_channels),
            },
        ),
        # The Task Library refuses a tensor without this table.
        schema.TENSOR_STATISTICS: {},
    }


def _output_tensor(metadata):
    tensor = {
        schema.TENSOR_NAME: "scores",
        schema.TENSOR_DESCRIPTION: "Probability of each class",
        schema.TENSOR_CONTENT: _content(schema.FEATURE_PROPERTIES, {}),
        schema.TENSOR_STATISTICS: {},
        schema.TENSOR_FILES: [
            {schema.FILE_NAME: name, schema.FILE_TYPE: Number("Int8", kind)}
            for name, kind, _ in _packed_files(metadata)
        ],
    }
    if metadata.thresholds is not None:
        # Applies the calibration file to the scores.
        unit = {
            schema.UNIT_TYPE: Number("Uint8", schema.SCORE_CALIBRATION),
            schema.UNIT_OPTIONS: {
                schema.CALIBRATION_TRANSFORMATION: Number(
                    "Int8", schema.INVERSE_LOGISTIC
                )
            },
        }
        tensor[schema.TENSOR_PROCESS_UNITS] = [unit]
    return tensor


def _serialize(metadata: AudioMetadata) -> bytes:
    graph = {
        schema.SUBGRAPH_INPUTS: [_input_tensor(metadata)],
        schema.SUBGRAPH_OUTPUTS: [_output_tensor(metadata)],
    }
    model = {
        schema.MODEL_NAME: metadata.name,
        schema.MODEL_DESCRIPTION: metadata.description,
        schema.MODEL_VERSION: metadata.version,
        schema.MODEL_SUBGRAPHS: [graph],
        schema.MODEL_MIN_PARSER_VERSION: _MIN_PARSER_VERSION,
    }
    builder = flatbuffers.Builder(1024)
    builder.Finish(schema.build(builder, model), _IDENTIFIER)
    return bytes(builder.Output())


def attach(content: bytes, metadata: AudioMetadata) -> bytes:
    """Puts metadata into a TFLite file, in place of any that it has.

    Args:
        content: bytes of a TFLite file from a waveform to scores.
        metadata: AudioMetadata.

    Returns:
        bytes of the file; the model in it is not changed. The same arguments
        give the same bytes.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    model = flatbuffer.unpack(content)
    flatbuffer.set_metadata_buffer(model, _ENTRY, _serialize(metadata))
    file = io.BytesIO(flatbuffer.pack(model))
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, _, text in _packed_files(metadata):
            # A `ZipInfo` has a fixed date.
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
            # Written by another tool: it changes scores, which only apps do.
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
        ValueError: if this is not a TFLite file, or if it lacks the metadata
            of an audio classifier.
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
