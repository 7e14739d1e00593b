"""What the check command refuses, each by one check alone.

The checks of file_checks and of exported_files, and the test that fails without
each:

check_file of a network
    check_builtin_operators: test_a_network_is_refused[operator]
    check_interface: test_a_network_is_refused[subgraphs]
    check_sigmoid: test_a_network_is_refused[sigmoid]
    check_constants_are_finite: test_a_network_is_refused[constant]
    check_finite: test_a_network_is_refused[extremes]
check_file of a front end
    check_builtin_operators: test_a_front_end_is_refused[operator]
    check_interface: test_a_front_end_is_refused[subgraphs]
    check_constants_are_finite: test_a_front_end_is_refused[constant]
    scores that are finite: test_a_front_end_is_refused[silence]
check_waveform_file
    check_builtin_operators: test_a_file_that_takes_samples_is_refused[operator]
    ranks of input and output: ...[ranks]
    check_interface: ...[subgraphs]
    check_sigmoid: ...[sigmoid]
    check_constants_are_finite: ...[constant]
    metadata: ...[metadata]
    number of labels: ...[labels]
    scores that are finite: ...[silence]
exported_files
    report: test_a_damaged_report_is_named
    name in the report: test_a_file_of_another_export_is_refused
    sha256: test_a_file_of_another_export_is_refused
    rate: test_metadata_of_another_rate_are_refused
    labels: test_labels_of_other_classes_are_refused
"""

import dataclasses
import hashlib
import json

import keras
import pytest

from ofa_aec_tf import check
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import metadata
from tests.deployment import faulty_files
from tests.deployment import small_models

_NUM_FRAMES, _NUM_MEL_BINS = 20, 64
_NUM_SAMPLES = (_NUM_FRAMES - 1) * small_models.FRONTEND.hop_samples
_METADATA = dataclasses.replace(small_models.METADATA, labels=("a", "b", "c"))


def _not_at_overload(inputs, scores):
    off_db = keras.ops.max(inputs, axis=(1, 2)) - 40.0
    nothing = 1e-30 * keras.ops.rsqrt(off_db * off_db)
    return scores + keras.ops.reshape(nothing, (-1, 1))


def _convert_network(mode="float32", change=lambda inputs, scores: scores):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((_NUM_FRAMES, _NUM_MEL_BINS))
    x = keras.layers.GlobalAveragePooling1D()(inputs)
    scores = keras.layers.Dense(3, "sigmoid")(0.02 * x)
    return converter.convert(
        keras.Model(inputs, change(inputs, scores)),
        _NUM_FRAMES,
        _NUM_MEL_BINS,
        mode,
        small_models.make_clips(4, seed=0)[:, :_NUM_FRAMES],
    )


@pytest.fixture(scope="module")
def networks():
    """A sound file on log-mel spectrograms, and two with a fault."""
    return {
        "sound": _convert_network(),
        "sigmoid": _convert_network(converter.INT8_SIGMOID),
        "extremes": _convert_network(change=_not_at_overload),
    }


@pytest.fixture(scope="module")
def front():
    """A sound front end."""
    return waveform_export.convert_frontend(small_models.FRONTEND, _NUM_SAMPLES)


def _chained(front, network, described=_METADATA):
    content = chaining.chain(front, network, "waveform", "scores")
    return metadata.attach(content, described)


def _silence_is_no_number(content):
    return faulty_files.with_constants(
        content,
        # The floor of the power, of which the logarithm is taken.
        lambda values: values.size == 1 and 0 < values[0] < 1e-9,
        lambda values: 0 * values,
    )


def _without_metadata(content):
    model = flatbuffer.unpack(content)
    flatbuffer.remove_metadata(model)
    return flatbuffer.pack(model)


@pytest.fixture
def verdict(tmp_path, capsys):
    """What the command says of a content."""

    def run(content):
        path = tmp_path / "a.tflite"
        path.write_bytes(content)
        try:
            check.main([str(path)])
        except ValueError as error:
            assert "1 of 1 files must not be shipped" in str(error)
        (line,) = capsys.readouterr().out.splitlines()
        return line.removeprefix(f"{path}: ")

    return run


def test_sound_files_pass(verdict, networks, front):
    assert verdict(networks["sound"]) == "ok"
    assert verdict(front) == "ok"
    assert verdict(_chained(front, networks["sound"])) == "ok"


_OPERATOR = "has operators that are not built into TFLite: ['CUSTOM:FlexThing']"
_SUBGRAPHS = "must have one subgraph"
_CONSTANT = "1 of 2 values of the constant 'unused'"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("sound", faulty_files.with_custom_operator, _OPERATOR),
        ("sound", faulty_files.with_second_subgraph, _SUBGRAPHS),
        ("sigmoid", bytes, "sigmoid must stay in float32"),
        ("sound", faulty_files.with_unused_nan, _CONSTANT),
        ("extremes", bytes, "not finite on overload"),
    ],
    ids=["operator", "subgraphs", "sigmoid", "constant", "extremes"],
)
def test_a_network_is_refused(verdict, networks, name, change, message):
    assert message in verdict(change(networks[name]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (faulty_files.with_custom_operator, _OPERATOR),
        (faulty_files.with_second_subgraph, _SUBGRAPHS),
        (faulty_files.with_unused_nan, _CONSTANT),
        (_silence_is_no_number, "not finite on digital silence"),
    ],
    ids=["operator", "subgraphs", "constant", "silence"],
)
def test_a_front_end_is_refused(verdict, front, change, message):
    assert message in verdict(change(front))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("sound", faulty_files.with_custom_operator, _OPERATOR),
        ("sound", faulty_files.with_second_subgraph, _SUBGRAPHS),
        ("sigmoid", bytes, "sigmoid must stay in float32"),
        ("sound", faulty_files.with_unused_nan, _CONSTANT),
        ("sound", _without_metadata, "no TFLite Model Metadata"),
        (
            "sound",
            lambda content: metadata.attach(
                content, dataclasses.replace(_METADATA, labels=("a", "b"))
            ),
            "must have a label for each of its 3 scores",
        ),
        ("sound", _silence_is_no_number, "not finite on digital silence"),
    ],
    ids=[
        "operator",
        "subgraphs",
        "sigmoid",
        "constant",
        "metadata",
        "labels",
        "silence",
    ],
)
def test_a_file_that_takes_samples_is_refused(
    verdict, networks, front, name, change, message
):
    assert message in verdict(change(_chained(front, networks[name])))


def test_a_file_of_other_ranks_is_refused(verdict):
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.GlobalMaxPooling2D()(inputs)
    content = converter.convert_float32(
        keras.Model(inputs, outputs),
        keras.InputSpec(shape=(1, 4, 4, 1), dtype="float32"),
    )
    assert "must take samples of shape (1, num_samples)" in verdict(content)


@pytest.fixture
def directory(tmp_path, networks, front):
    """An export directory of a file that takes samples."""
    content = _chained(front, networks["sound"])
    (tmp_path / "a.tflite").write_bytes(content)
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    report = {
        "model": {
            "frontend": small_models.FRONTEND.to_json(),
            "clip_seconds": 1.0,
            "class_names": ["a", "b", "c"],
            "label_type": "multi_label",
            "details": {},
        },
        "files": {
            "float32": {
                "file": "a.tflite",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    }
    (tmp_path / "export.json").write_text(json.dumps(report))
    return tmp_path


def _refused(directory, message, capsys):
    with pytest.raises(ValueError, match="files must not be shipped"):
        check.main([str(directory)])
    lines = capsys.readouterr().out.splitlines()
    assert any(message in line for line in lines), lines


def _change_report(directory, change):
    path = directory / "export.json"
    report = json.loads(path.read_text())
    change(report)
    path.write_text(json.dumps(report))


def test_a_sound_export_passes(directory, capsys):
    check.main([str(directory)])
    assert capsys.readouterr().out == f"{directory / 'a.tflite'}: ok\n"


def test_a_file_of_another_export_is_refused(
    directory, networks, front, capsys
):
    path = directory / "a.tflite"
    (directory / "b.tflite").write_bytes(path.read_bytes())
    _refused(directory, "b.tflite: It is not in the export.json", capsys)
    described = dataclasses.replace(_METADATA, version="2")
    path.write_bytes(_chained(front, networks["sound"], described))
    _refused(directory, "a.tflite: It is not the file that export", capsys)


@pytest.mark.parametrize("report", ["{}", "[]", '{"files": 3}', "no JSON"])
def test_a_damaged_report_is_named(directory, report, capsys):
    (directory / "export.json").write_text(report)
    _refused(directory, "export.json", capsys)


def test_metadata_of_another_rate_are_refused(directory, capsys):
    def change(report):
        report["model"]["frontend"]["sample_rate_hz"] = 44100

    _change_report(directory, change)
    _refused(directory, "say 32000 Hz, and its model takes 44100 Hz", capsys)


def test_labels_of_other_classes_are_refused(directory, capsys):
    (directory / "labels.txt").write_text("a\nb\n")
    _refused(directory, "labels in labels.txt are not the classes", capsys)
    (directory / "labels.txt").write_bytes(b"\xff\n")
    _refused(directory, "labels.txt is not text in UTF-8", capsys)
    (directory / "labels.txt").unlink()
    _refused(directory, "labels.txt", capsys)
    (directory / "labels.txt").write_text("x\nb\nc\n")

    def change(report):
        report["model"]["class_names"] = ["x", "b", "c"]

    _change_report(directory, change)
    _refused(directory, "labels in its metadata are not the classes", capsys)
