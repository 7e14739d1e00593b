"""Exports trained models to TFLite, checked and measured.

python -m ofa_aec_tf.export --model=runs/phone/subnet.keras --data_dir=data \
    --output_dir=exported

Writes, for each model, `<stem>_<mode>.tflite`, `labels.txt` (one class a
line) and, last, `export.json` with sizes, parity, latency and operators.
Nothing is written for a model of which a file fails a check.
"""

import functools
import importlib.metadata
import pathlib

from absl import flags

from ofa_aec_tf import __version__
from ofa_aec_tf import command_line
from ofa_aec_tf import quiet_tensorflow  # noqa: F401
from ofa_aec_tf import workdir
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data import reading_flags
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import keras_models
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import metrics

LABELS = "labels.txt"

_CALIBRATION_SPLIT = "train"
_PARITY_SPLIT = "validation"
_BATCH_SIZE = 16
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")

_MODEL = flags.DEFINE_list(
    "model", None, "Models to export: .keras files.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Preprocessed data: calibration clips come from its training split, "
    "parity clips from its validation split.",
    required=True,
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    None,
    "Where to write. The files of one model go to the sub-directory named "
    "after its file; those of several each to one named after the directory "
    "that the model is in.",
    required=True,
)
_MODES = flags.DEFINE_list(
    "modes",
    ",".join(tflite_converter.QUANTIZATION_MODES),
    f"Which of {', '.join(tflite_converter.QUANTIZATION_MODES)} to write.",
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    128,
    "Training clips that give int8 its ranges.",
    lower_bound=1,
)
_NUM_PARITY_CLIPS = flags.DEFINE_integer(
    "num_parity_clips",
    64,
    "Validation clips to compare each file with its Keras model on.",
    lower_bound=1,
)
_EVALUATE_SPLIT = flags.DEFINE_enum(
    "evaluate_split",
    None,
    dataset_info.SPLITS,
    "Split to evaluate the Keras model and each file on; by default none.",
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the choice of calibration and parity clips."
)


def _model_dirs(model_paths, output_dir):
    """Where the files of each model go."""
    if len(model_paths) == 1:
        names = [model_paths[0].stem]
    else:
        names = [path.absolute().parent.name for path in model_paths]
    if len(set(names)) < len(names):
        raise ValueError(
            "Several models are told apart by the directories they are in, "
            f"which must have distinct names. Received: {names}. Export "
            "them one by one."
        )
    return [output_dir / name for name in names]


def _write(directory, report, contents, class_names):
    """Writes all files of one model, the report last."""
    report_path = directory / EXPORT_REPORT
    old_names = set()
    if report_path.is_file():
        old_files = workdir.read_json(report_path).get("files", {})
        old_names = {file["file"] for file in old_files.values()}
        # Until the new one is there, no report shall vouch for the files.
        report_path.unlink()
    directory.mkdir(parents=True, exist_ok=True)
    for name in old_names - set(contents):
        (directory / name).unlink(missing_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    workdir.write_text(directory / LABELS, "\n".join(class_names) + "\n")
    workdir.write_json(report_path, report)


def _evaluate(score_fn, dataset):
    """Metrics of a model on the chosen split, without those of each class."""
    batches = input_pipeline.make_eval_dataset(
        _DATA_DIR.value,
        dataset,
        _EVALUATE_SPLIT.value,
        _BATCH_SIZE,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    with input_pipeline.reading_errors():
        results = evaluator.evaluate(
            lambda log_mel: metrics.scores_to_logits(score_fn(log_mel)),
            ((b["log_mel"].numpy(), b["labels"].numpy()) for b in batches),
            dataset.class_map,
            dataset.label_type,
        )
    return {name: v for name, v in results.items() if name != "per_class"}


def _export_model(path, info, directory, dataset, modes, clips):
    """Exports one model; returns the rows of the summary."""
    calibration_clips, parity_clips = clips
    network = keras_models.load_network(path)
    if network.output_shape[-1] != len(info.class_map):
        raise ValueError(
            f"{path} has {network.output_shape[-1]} outputs, but its record "
            f"names {len(info.class_map)} classes. Put the record that was "
            "written with the model beside it."
        )
    reference = {"file": str(path), "num_bytes": path.stat().st_size}
    if _EVALUATE_SPLIT.value:
        reference["metrics"] = _evaluate(network.predict_on_batch, dataset)
    contents, files = {}, {}
    exported_files = exporter.export_modes(
        network, modes, calibration_clips, parity_clips
    )
    for mode, exported in exported_files:
        file_name = f"{path.stem}_{mode}.tflite"
        contents[file_name] = exported.content
        files[mode] = exported.report(file_name)
        if _EVALUATE_SPLIT.value:
            files[mode]["metrics"] = _evaluate(exported.runner.predict, dataset)
        print(f"converted and checked {directory / file_name}", flush=True)
    report = {
        "model": info.to_json(),
        "reference": reference,
        "files": files,
        "data": {
            "fingerprint": dataset.fingerprint,
            "calibration_split": _CALIBRATION_SPLIT,
            "num_calibration_clips": 0
            if calibration_clips is None
            else len(calibration_clips),
            "parity_split": _PARITY_SPLIT,
            "num_parity_clips": len(parity_clips),
            "evaluate_split": _EVALUATE_SPLIT.value,
            "seed": _SEED.value,
        },
        "versions": {
            "ofa_aec_tf": __version__,
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }
    _write(directory, report, contents, info.class_map.names)
    return [
        (str(path), reference),
        *((str(directory / file["file"]), file) for file in files.values()),
    ]


def _print_summary(rows):
    width = max(len(path) for path, _ in rows)
    print(
        f"\n{'file':<{width}}  {'bytes':>11}  {'ms':>8}  {'max diff':>8}  "
        f"{'SNR dB':>6}  {'mAP':>6}"
    )
    for path, file in rows:
        parity = file.get("parity", {})
        cells = (
            (11, ",", file["num_bytes"]),
            (8, ".2f", file.get("latency_ms")),
            (8, ".1e", parity.get("max_score_difference")),
            (6, ".1f", parity.get("logit_snr_db")),
            (6, ".4f", file.get("metrics", {}).get("mAP")),
        )
        texts = (
            f"{'-' if value is None else format(value, form):>{cell_width}}"
            for cell_width, form, value in cells
        )
        print(f"{path:<{width}}  {'  '.join(texts)}")


def main(_):
    """Runs the command."""
    modes = list(dict.fromkeys(_MODES.value))
    for mode in modes:
        tflite_converter.check_mode(mode)
    paths = [pathlib.Path(path) for path in _MODEL.value]
    if not paths or not modes:
        raise ValueError(
            "Name at least one model and one mode. Received: "
            f"--model={_MODEL.value} --modes={_MODES.value}"
        )
    directories = _model_dirs(paths, pathlib.Path(_OUTPUT_DIR.value))
    dataset = dataset_info.DatasetInfo.read(_DATA_DIR.value)
    infos = [ModelInfo.read(path) for path in paths]
    for info in infos:
        info.check_matches(dataset)
    load_clips = functools.partial(
        input_pipeline.load_split,
        _DATA_DIR.value,
        dataset,
        seed=_SEED.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    parity_clips, _, _ = load_clips(
        _PARITY_SPLIT, max_clips=_NUM_PARITY_CLIPS.value
    )
    calibration_clips = None
    if tflite_converter.INT8 in modes:
        calibration_clips, _, _ = load_clips(
            _CALIBRATION_SPLIT, max_clips=_NUM_CALIBRATION_CLIPS.value
        )
    rows = []
    for path, info, directory in zip(paths, infos, directories):
        rows += _export_model(
            path,
            info,
            directory,
            dataset,
            modes,
            (calibration_clips, parity_clips),
        )
    _print_summary(rows)


if __name__ == "__main__":
    command_line.run(main)
