"""What the export command refuses, each by one check alone.

The converter is replaced by one that gives a file with one fault. The checks,
and the test that fails without each:

network_export.NetworkExporter
    check_operators: test_a_network_is_refused[operator]
    check_interface: test_a_network_is_refused[subgraphs]
    check_sigmoid: test_a_network_is_refused[sigmoid]
    check_constants_are_finite: test_a_network_is_refused[constant]
    check_runtime: test_a_network_is_refused[runtime]
    check_finite: test_a_network_is_refused[extremes]
    check_weights_are_inside: test_a_network_is_refused[weights]
    check_score_resolution: test_a_network_is_refused[resolution]
    check_parity: test_a_network_is_refused[scores] and [noise]
network_export.NetworkExporter.check_quantized
    check_trained_parity: test_a_network_that_training_ruined_is_refused
waveform_export.convert_frontend
    has_frontend: test_a_front_end_that_tflite_lacks_is_refused
waveform_export.export_frontend
    check_interface: test_a_front_end_is_refused[length]
    check_operators: test_a_front_end_is_refused[operator]
    check_frontend: test_a_front_end_is_refused[filter]
waveform_export.add_frontend
    check_waveform_file: test_metadata_that_went_wrong_are_refused[labels]
    metadata as they were written: ...[metadata]
    check_same_scores: test_a_chain_that_gives_other_scores_is_refused
quality
    check_quality: test_a_loss_of_quality_is_refused
export_job
    outputs and classes: test_a_record_of_other_classes_is_refused
export
    classes of the data: test_data_of_other_classes_are_refused
    classes to evaluate on: test_evaluation_on_other_classes_is_refused
    check_writable: test_an_output_that_cannot_be_written_is_found_first
output_directory
    distinct names: test_models_that_would_share_a_directory_are_refused
    names in the last report: test_nothing_outside_the_directory_is_touched
    lock: test_two_exports_do_not_share_a_directory
    directories: test_a_directory_in_the_place_of_a_file_is_refused
"""

import dataclasses
import hashlib
import json
import shutil

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.qat import distillation
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.layers import LogMelSpectrogram
from ofa_aec_tf.runs import workdir
from tests import synthetic_data
from tests.deployment import band_networks
from tests.deployment import faulty_files
from tests.deployment import in_process

# Another takes its place below.
_convert_float32 = converter.convert_float32

_NUM_SAMPLES = 16_000


@pytest.fixture(scope="module")
def command():
    return in_process.Command("ofa_aec_tf.export")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    synthetic_data.write_dataset(directory, num_clips=(6, 6, 12), num_shards=1)
    return directory


@pytest.fixture(scope="module")
def info(data_dir):
    return ModelInfo.for_dataset(DatasetInfo.read(data_dir))


@pytest.fixture(scope="module")
def model_path(info, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "subnet.keras"
    band_networks.make(info.num_frames).save(path)
    info.write(path)
    return path


@pytest.fixture(scope="module")
def files(info):
    rng = np.random.default_rng(0)
    clips = rng.normal(-60, 8, (8, info.num_frames, band_networks.NUM_MEL_BINS))
    return band_networks.Files(info.num_frames, clips.astype(np.float32))


def _convert_frontend(config, num_samples, change=lambda log_mel: log_mel):
    inputs = keras.Input((num_samples,))
    layer = LogMelSpectrogram(config, transform_dtype="float32")
    return _convert_float32(
        keras.Model(inputs, change(layer(inputs))),
        keras.InputSpec(shape=(1, num_samples), dtype="float32"),
    )


@pytest.fixture(scope="module")
def frontend(info):
    return _convert_frontend(info.frontend, _NUM_SAMPLES)


@pytest.fixture
def export(
    command, data_dir, model_path, files, frontend, tmp_path, monkeypatch
):
    """Exports what a converter gives; returns the error, and its directory."""

    def run(content=None, front=frontend, mode="float32", **values):
        monkeypatch.setattr(
            converter,
            "convert",
            lambda *unused: content or files("base", mode),
        )
        monkeypatch.setattr(converter, "convert_float32", lambda *unused: front)
        directory = tmp_path / "out"
        defaults = {
            "model": model_path,
            "data_dir": data_dir,
            "output_dir": directory,
            "modes": "",
            "log_mel_modes": mode,
            "num_parity_clips": 4,
            "num_calibration_clips": 4,
        }
        try:
            command.run(**{**defaults, **values})
        except ValueError as error:
            return str(error), directory / "subnet"
        return None, directory / "subnet"

    return run


def _refused(found, message):
    error, directory = found
    assert error is not None and message in error
    assert not directory.exists()


def test_a_sound_network_is_exported(export):
    error, directory = export(modes="float32")
    assert error is None
    assert sorted(path.name for path in directory.iterdir()) == [
        "export.json",
        "frontend.tflite",
        "labels.txt",
        "subnet_float32.tflite",
        "subnet_log_mel_float32.tflite",
    ]


@pytest.mark.parametrize(
    ("make", "mode", "message"),
    [
        (lambda files: files("absolute"), "float32", "no export was tried"),
        (
            lambda files: faulty_files.with_second_subgraph(files("base")),
            "float32",
            "must have one subgraph",
        ),
        (
            lambda files: files("base", "int8_sigmoid"),
            "int8",
            "sigmoid must stay in float32",
        ),
        (
            lambda files: faulty_files.with_unused_nan(files("base")),
            "float32",
            "1 of 2 values of the constant 'unused'",
        ),
        (
            lambda files: faulty_files.for_runtime(files("base"), "2.17.0"),
            "float32",
            "needs the TFLite runtime 2.17.0",
        ),
        (
            lambda files: files("extreme"),
            "float32",
            "not finite on overload",
        ),
        (
            lambda files: files("base"),
            "float16",
            "were not stored in the format of this mode",
        ),
        (lambda files: files("vanished"), "float32", "into exactly 0 or 1"),
        (
            lambda files: files("shifted"),
            "float32",
            "must equal the Keras model within",
        ),
        (
            lambda files: files("shifted", "float16"),
            "float16",
            "dB of signal to noise",
        ),
    ],
    ids=[
        "operator",
        "subgraphs",
        "sigmoid",
        "constant",
        "runtime",
        "extremes",
        "weights",
        "resolution",
        "scores",
        "noise",
    ],
)
def test_a_network_is_refused(export, files, make, mode, message):
    _refused(export(make(files), mode=mode), message)


def test_a_loss_of_quality_is_refused(export, files):
    found = export(
        files("inverted", "dynamic_range"),
        mode="dynamic_range",
        evaluate_split="test",
        max_map_drop=0.1,
    )
    _refused(found, "it drops by more than --max_map_drop=0.1")


@dataclasses.dataclass
class _Quantized:
    content: bytes

    def predict(self, clips):
        return runner.TFLiteModel(self.content).predict(clips)


def test_a_network_that_training_ruined_is_refused(export, files, monkeypatch):
    ruined = _Quantized(files("opposite", "int8"))
    monkeypatch.setattr(distillation, "quantize", lambda *unused: ruined)
    _refused(export(mode="int8_qat"), "must still resemble the network")


def _copy_data(data_dir, other_dir, **changes):
    """Copies a data set, with changes to its record."""
    shutil.copytree(data_dir, other_dir)
    record = json.loads((data_dir / "dataset.json").read_text())
    (other_dir / "dataset.json").write_text(json.dumps(record | changes))
    return other_dir


def test_a_front_end_that_tflite_lacks_is_refused(
    export, info, data_dir, model_path, tmp_path
):
    config = dataclasses.replace(info.frontend, window_samples=1000)
    other_dir = _copy_data(
        data_dir, tmp_path / "data", frontend=config.to_json()
    )
    other = tmp_path / "run" / "subnet.keras"
    other.parent.mkdir()
    other.write_bytes(model_path.read_bytes())
    dataclasses.replace(info, frontend=config).write(other)
    found = export(modes="float32", data_dir=other_dir, model=other)
    _refused(found, "takes windows of a power of two")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda config, front: _convert_frontend(config, 8000),
            "front end must have one input",
        ),
        (
            lambda config, front: _convert_frontend(
                config, _NUM_SAMPLES, lambda x: keras.ops.minimum(x, 1e9)
            ),
            "front end has operators that no export was tried with",
        ),
        (
            lambda config, front: faulty_files.with_constants(
                front,
                # The window and the mel filters.
                lambda values: values.size > 1000,
                lambda values: 1.01 * values,
            ),
            "must equal that of the data within",
        ),
    ],
    ids=["length", "operator", "filter"],
)
def test_a_front_end_is_refused(export, info, frontend, make, message):
    _refused(export(front=make(info.frontend, frontend)), message)


def _with_fewer_labels(described):
    return dataclasses.replace(described, labels=described.labels[:-1])


def _of_another_version(described):
    return dataclasses.replace(described, version="0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with_fewer_labels, "must have a label for each of its 3 scores"),
        (_of_another_version, "read back as they were written"),
    ],
    ids=["labels", "metadata"],
)
def test_metadata_that_went_wrong_are_refused(
    export, monkeypatch, change, message
):
    attach = metadata.attach
    monkeypatch.setattr(
        metadata,
        "attach",
        lambda content, described: attach(content, change(described)),
    )
    _refused(export(modes="float32", log_mel_modes=""), message)


def test_a_chain_that_gives_other_scores_is_refused(export, monkeypatch):
    chain = chaining.chain

    def chain_wrongly(*arguments):
        return faulty_files.with_constants(
            chain(*arguments),
            lambda values: values.size == 3,
            lambda bias: bias + 0.001,
        )

    monkeypatch.setattr(chaining, "chain", chain_wrongly)
    found = export(modes="float32", log_mel_modes="")
    _refused(found, "exactly what the front end and the network give")


def _write_with_two_outputs(path, info):
    path.parent.mkdir()
    inputs = keras.Input((info.num_frames, band_networks.NUM_MEL_BINS))
    x = keras.layers.GlobalAveragePooling1D()(inputs)
    keras.Model(inputs, keras.layers.Dense(2, "sigmoid")(x)).save(path)
    info.write(path)


def test_a_record_of_other_classes_is_refused(
    export, info, model_path, tmp_path
):
    path = tmp_path / "run" / "subnet.keras"
    _write_with_two_outputs(path, info)
    _refused(export(model=path), "has 2 outputs, but its record names 3")


def test_one_model_that_is_refused_leaves_the_others(
    export, info, model_path, tmp_path, capsys
):
    path = tmp_path / "bad" / "subnet.keras"
    _write_with_two_outputs(path, info)
    error, directory = export(model=f"{path},{model_path}")
    assert "1 of 2 models were not exported" in error
    assert f"warning: skipped {path}: {path} has 2" in capsys.readouterr().err
    exported = directory.parent / model_path.parent.name
    assert (exported / "export.json").is_file()


def test_models_that_would_share_a_directory_are_refused(export, model_path):
    found = export(model=f"{model_path},{model_path}")
    _refused(found, "must have distinct names")


def test_an_output_that_cannot_be_written_is_found_first(export, tmp_path):
    (tmp_path / "file").write_text("kept")
    # Before the data, of which there are none.
    error, _ = export(output_dir=tmp_path / "file", data_dir=tmp_path)
    assert "cannot be written" in error
    assert (tmp_path / "file").read_text() == "kept"


def test_nothing_outside_the_directory_is_touched(export, tmp_path, capsys):
    victim = tmp_path / "out" / "victim.tflite"
    directory = tmp_path / "out" / "subnet"
    directory.mkdir(parents=True)
    victim.write_bytes(b"precious")
    # That of an export, so that the names alone are in the way.
    sha256 = hashlib.sha256(b"precious").hexdigest()
    records = {
        str(number): {"file": name, "sha256": sha256}
        for number, name in enumerate(("../victim.tflite", str(victim)))
    }
    (directory / "export.json").write_text(json.dumps({"files": records}))
    (directory / "subnet_log_mel_float32.tflite").symlink_to(victim)
    error, _ = export()
    assert error is None
    assert victim.read_bytes() == b"precious"
    assert "left alone: ['../victim.tflite', " in capsys.readouterr().err


def test_two_exports_do_not_share_a_directory(export, tmp_path):
    directory = tmp_path / "out" / "subnet"
    directory.mkdir(parents=True)
    with workdir.lock(directory):
        error, _ = export()
    assert "Another process is writing" in error
    assert not list(directory.iterdir())


def test_a_directory_in_the_place_of_a_file_is_refused(export, tmp_path):
    name = output_directory.file_name("subnet", "log_mel_float32")
    (tmp_path / "out" / "subnet" / name).mkdir(parents=True)
    error, directory = export()
    assert f"have the names of files: ['{name}']" in error
    assert [path.name for path in directory.iterdir()] == [name]


def test_data_of_other_classes_are_refused(export, info, model_path, tmp_path):
    path = tmp_path / "run" / "subnet.keras"
    path.parent.mkdir()
    path.write_bytes(model_path.read_bytes())
    names = ClassMap(("low", "middle", "siren"))
    dataclasses.replace(info, class_map=names).write(path)
    _refused(export(model=path), "The classes of the model and of the data")


def test_evaluation_on_other_classes_is_refused(export, data_dir, tmp_path):
    record = json.loads((data_dir / "dataset.json").read_text())
    names = record["class_names"]
    other_dir = _copy_data(
        data_dir, tmp_path / "other", class_names=[*names[:-1], "siren"]
    )
    found = export(evaluate_dir=other_dir)
    _refused(found, "The classes of the model and of the data")
