"""Metadata against the schema that MediaPipe ships."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from tests.deployment import small_models

_THRESHOLDS = (0.25, None, 0.0, 1.0, 1e-6, *([0.5] * 4), None)
_WITH_THRESHOLDS = dataclasses.replace(
    small_models.METADATA, thresholds=_THRESHOLDS
)


@pytest.fixture(scope="module")
def attached(waveform_files):
    return waveform_files["float32"].content


def test_metadata_are_read_back(attached):
    assert metadata.read(attached) == small_models.METADATA


def test_the_official_schema_reads_them(attached):
    official = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated"
    )
    buffer = flatbuffer.metadata_buffer(
        flatbuffer.unpack(attached), "TFLITE_METADATA"
    )
    assert official.ModelMetadata.ModelMetadataBufferHasIdentifier(buffer, 0)
    model = official.ModelMetadataT.InitFromObj(
        official.ModelMetadata.GetRootAsModelMetadata(buffer, 0)
    )
    assert (model.name, model.version) == (b"small", b"1.2.3")
    assert model.minParserVersion == b"1.3.0"
    (graph,) = model.subgraphMetadata
    (sound,), (scores,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert isinstance(
        sound.content.contentProperties, official.AudioPropertiesT
    )
    assert sound.content.contentProperties.sampleRate == 32000
    assert sound.content.contentProperties.channels == 1
    assert isinstance(
        scores.content.contentProperties, official.FeaturePropertiesT
    )
    (file,) = scores.associatedFiles
    assert file.name == b"labels.txt"
    assert file.type == official.AssociatedFileType.TENSOR_AXIS_LABELS


def test_labels_are_in_the_archive_one_a_line(attached):
    with zipfile.ZipFile(io.BytesIO(attached)) as archive:
        assert archive.namelist() == ["labels.txt"]
        text = archive.read("labels.txt").decode()
    assert text == "\n".join(small_models.METADATA.labels) + "\n"


def test_new_metadata_replace_the_old(attached):
    other = dataclasses.replace(
        small_models.METADATA, labels=("x",) * 10, version="2"
    )
    content = metadata.attach(attached, other)
    assert metadata.read(content) == other
    assert content.count(b"PK\x03\x04") == 1
    again = metadata.attach(content, small_models.METADATA)
    assert metadata.read(again) == small_models.METADATA


def test_the_same_metadata_give_the_same_bytes(exported):
    files = [
        metadata.attach(exported["int8"].content, small_models.METADATA)
        for _ in range(2)
    ]
    assert files[0] == files[1]


def test_scores_stay_as_they_are(exported, clips):
    content = metadata.attach(exported["int8"].content, small_models.METADATA)
    np.testing.assert_array_equal(
        TFLiteModel(content).predict(clips),
        exported["int8"].runner.predict(clips),
    )


@pytest.mark.parametrize("label", ["", "two\nlines", "a\u2028b", "dog\n"])
def test_labels_that_are_no_lines_are_refused(label):
    with pytest.raises(ValueError, match="a line of text"):
        dataclasses.replace(small_models.METADATA, labels=("a", label))


@pytest.mark.parametrize(
    "change",
    [{"num_channels": 2}, {"num_channels": 0}, {"sample_rate_hz": 30}],
    ids=["stereo", "no channel", "rate"],
)
def test_other_sound_formats_are_refused(change):
    with pytest.raises(ValueError, match="one channel at 4000 Hz or more"):
        dataclasses.replace(small_models.METADATA, **change)


def test_damaged_metadata_are_refused_in_words(attached):
    rng = np.random.default_rng(0)
    model = flatbuffer.unpack(attached)
    original = flatbuffer.metadata_buffer(model, "TFLITE_METADATA")
    num_refused = 0
    for _ in range(200):
        damaged = bytearray(original)
        for position in rng.integers(8, len(damaged), 3):
            damaged[position] = rng.integers(256)
        flatbuffer.set_metadata_buffer(model, "TFLITE_METADATA", bytes(damaged))
        archive = attached[attached.index(b"PK\x03\x04") :]
        try:
            metadata.read(flatbuffer.pack(model) + archive)
        except ValueError:
            num_refused += 1
    assert num_refused > 20


def test_a_file_without_metadata_is_refused(exported):
    with pytest.raises(ValueError, match="no TFLite Model Metadata"):
        metadata.read(exported["int8"].content)


def test_thresholds_are_read_back_and_taken_out_again(attached):
    content = metadata.attach(attached, _WITH_THRESHOLDS)
    assert metadata.read(content) == _WITH_THRESHOLDS
    assert metadata.attach(content, _WITH_THRESHOLDS) == content
    # What is left is the file that it was.
    assert metadata.attach(content, small_models.METADATA) == attached
    file_checks.check_file(content, "file")


def test_the_official_schema_reads_thresholds(attached):
    official = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated"
    )
    content = metadata.attach(attached, _WITH_THRESHOLDS)
    buffer = flatbuffer.metadata_buffer(
        flatbuffer.unpack(content), "TFLITE_METADATA"
    )
    model = official.ModelMetadataT.InitFromObj(
        official.ModelMetadata.GetRootAsModelMetadata(buffer, 0)
    )
    (scores,) = model.subgraphMetadata[0].outputTensorMetadata
    (unit,) = scores.processUnits
    assert isinstance(unit.options, official.ScoreCalibrationOptionsT)
    transformation = unit.options.scoreTransformation
    assert transformation == official.ScoreTransformationType.INVERSE_LOGISTIC
    assert unit.options.defaultScore == 0
    types = {file.name: file.type for file in scores.associatedFiles}
    kinds = official.AssociatedFileType
    assert types == {
        b"labels.txt": kinds.TENSOR_AXIS_LABELS,
        b"score_calibration.csv": kinds.TENSOR_AXIS_SCORE_CALIBRATION,
    }
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = archive.read("score_calibration.csv").decode().split("\n")
    assert lines[:3] == ["1.0,1.0,0.0,0.25", "", "1.0,1.0,0.0,0.0"]
    assert len(lines) == 10


@pytest.mark.parametrize(
    "thresholds", [(), (0.5,) * 9, (0.5,) * 9 + (1.5,), (float("nan"),) * 10]
)
def test_thresholds_that_fit_no_labels_are_refused(thresholds):
    with pytest.raises(ValueError, match="for each of the 10 labels"):
        dataclasses.replace(small_models.METADATA, thresholds=thresholds)
