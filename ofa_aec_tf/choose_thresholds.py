r"""Command: from which score on each class of a model is reported.

python -m ofa_aec_tf.choose_thresholds --model=subnet.keras,subnet_int8.tflite \
    --data_dir=data --method=precision --target_precision=0.9

Thresholds are chosen on the validation split, so that the test split still
tells how good they are, and written beside the model as
`<stem>.thresholds.json`, where ofa_aec_tf.predict finds them. Each file has
its own: int8 scores are not those of the float model.

In an export, the file that takes samples has the scores of the one that takes
log-mel spectrograms: whichever is named, both get the thresholds, the former
in its metadata too, where apps find them.
"""

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from ofa_aec_tf.deployment import model_thresholds
from ofa_aec_tf.deployment import threshold_choice
from ofa_aec_tf.evaluation.thresholds import ThresholdSettings
from ofa_aec_tf.runs import several_models
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

_COLUMNS = ("threshold", "precision", "recall", "f1")

_MODEL = path_flags.define_paths(
    "model",
    None,
    "`.keras` files of networks and `.tflite` files, with commas between "
    "them. For one that takes samples, the one on log-mel spectrograms must "
    "be in its export.",
    required=True,
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_THRESHOLDS = setting_flags.define(ThresholdSettings)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips in a batch.", lower_bound=1
)


def _choose(path, scorer, data, config):
    """Chooses the thresholds of a model, writes and prints them."""
    choices, details = threshold_choice.choose(
        scorer, data, _BATCH_SIZE.value, config
    )
    class_map = data.info.class_map
    outputs, packed_into = model_thresholds.write(
        path,
        [choice.threshold for choice in choices],
        details,
        class_map,
    )
    print(_table(class_map.names, choices, details["macro"]))
    without = details["classes_without_threshold"]
    if without:
        print(
            f"{len(without)} of {len(class_map)} classes have no threshold "
            "and will never be reported, for lack of positives or of "
            f"precision: {', '.join(without)}"
        )
    for output in outputs:
        print(f"wrote {output}")
    if packed_into is not None:
        print(f"packed them into {packed_into}")


def _table(names, choices, means):
    rows = [("class", *_COLUMNS[:-1], "F1", "positives")]
    for name, values in (*zip(names, map(vars, choices)), ("mean", means)):
        numbers = (values.get(column) for column in _COLUMNS)
        rows.append(
            (
                name,
                *("-" if n is None else f"{n:.4f}" for n in numbers),
                str(values.get("num_positives", "")),
            )
        )
    return text_tables.aligned(rows)


def main(_):
    """Runs the command."""
    config = _THRESHOLDS.values()
    if not _MODEL.value:
        raise ValueError("Name at least one model. Received: --model=")
    outputs = [ClassThresholds.path_beside(path) for path in _MODEL.value]
    if len(set(outputs)) < len(outputs):
        raise ValueError(
            "Models are told apart by their names without the suffix, which "
            "must be distinct in a directory. Received: "
            f"--model={','.join(_MODEL.value)}"
        )
    data = PreprocessedData(_DATA_DIR.value, _SKIP_CORRUPT.value)
    data.info.split(threshold_choice.SPLIT)
    for output in outputs:
        workdir.check_writable(output)
    # All are loaded before the first is run, so that a wrong path shows early.
    loaded = dict(
        threshold_choice.load(path, data.info) for path in _MODEL.value
    )
    _, skipped = several_models.for_each(
        loaded, lambda path: _choose(path, loaded[path], data, config)
    )
    several_models.check_none_skipped(
        skipped, len(loaded), "have no thresholds"
    )


if __name__ == "__main__":
    command_line.run(main)
