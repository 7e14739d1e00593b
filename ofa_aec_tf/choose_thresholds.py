r"""Command: from which score on each class of a model is reported.

python -m ofa_aec_tf.choose_thresholds --model=subnet.keras,subnet_int8.tflite \
    --data_dir=data --method=precision --target_precision=0.9

Thresholds are chosen on the validation split, so that the test split still
tells how good they are, and written beside the model as
`<stem>.thresholds.json`, where ofa_aec_tf.predict finds them. Each file has
its own: int8 scores are not those of the float model.

Of an export, the file that takes samples has the scores of the one that takes
log-mel spectrograms: whichever is named, both get the thresholds, the former
in its metadata too, where apps find them.
"""

import pathlib
import sys

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment import packed_thresholds
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import thresholds
from ofa_aec_tf.runs import workdir

_SPLIT = "validation"
_CELL_WIDTHS = {"threshold": 9, "precision": 9, "recall": 6, "f1": 6}

_MODEL = path_flags.define_paths(
    "model",
    None,
    "`.keras` files of networks and `.tflite` files, with commas between "
    "them. Of one that takes samples, the one on log-mel spectrograms must be "
    "in its export.",
    required=True,
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_METHOD = flags.DEFINE_enum(
    "method",
    thresholds.F1,
    thresholds.METHODS,
    "What to choose for: the best F1 of each class, or its best recall with a "
    "precision of at least --target_precision.",
)
_TARGET_PRECISION = flags.DEFINE_float(
    "target_precision",
    None,
    "With --method=precision: how many of the "
    "reports of a class must be right, in (0, 1].",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips a step.", lower_bound=1
)


def _load(path, dataset):
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    scorer = scorers.load_scorer(
        path, info.frontend, info.clip_seconds, len(info.class_map)
    )
    if scorer.num_frames is not None:
        return pathlib.Path(path), scorer
    sibling = _sibling(path)
    if sibling is None:
        raise ValueError(
            f"{path} takes waveforms, and {_DATA_DIR.value} has log-mel "
            f"spectrograms, as has no file of this mode in the {EXPORT_REPORT} "
            "beside it. Export this mode with --log_mel_modes too, or choose "
            "the thresholds of the `.keras`, and name them with "
            "`predict --thresholds=FILE`."
        )
    return _load(sibling, dataset)


def _sibling(path):
    path = pathlib.Path(path)
    return packed_thresholds.sibling(path, path.parent / EXPORT_REPORT)


def _choose(path, scorer, dataset):
    """Chooses the thresholds of a model, writes and prints them."""
    scores, labels = evaluator.predict_batches(
        lambda clips: log_mel_windows.score_clips(
            scorer.score_log_mel, clips, scorer.num_frames
        ),
        input_pipeline.eval_batches(
            _DATA_DIR.value,
            dataset,
            _SPLIT,
            _BATCH_SIZE.value,
            _SKIP_CORRUPT.value,
        ),
    )
    choices = thresholds.choose_thresholds(
        scores, labels, _METHOD.value, _TARGET_PRECISION.value
    )
    names = dataset.class_map.names
    report = thresholds.report(choices, dataset.class_map)
    chosen = {name: choice.threshold for name, choice in zip(names, choices)}
    paths = [path]
    sibling = _sibling(path)
    if sibling is not None:
        packed_thresholds.pack(
            sibling, sibling.parent / EXPORT_REPORT, tuple(chosen.values())
        )
        paths.append(sibling)
    outputs = list(map(ClassThresholds.path_beside, paths))
    for each, output in zip(paths, outputs):
        ClassThresholds(
            chosen,
            workdir.file_digest(each),
            {
                "method": _METHOD.value,
                "target_precision": _TARGET_PRECISION.value,
                "split": _SPLIT,
                "num_clips": len(labels),
                "data_fingerprint": dataset.fingerprint,
                **report,
            },
        ).write(output)
    _print_table(names, choices, report)
    without = report["classes_without_threshold"]
    if without:
        print(
            f"{len(without)} of {len(names)} classes have no threshold and "
            "will never be reported, for lack of positives or of precision: "
            + ", ".join(without)
        )
    for output in outputs:
        print(f"wrote {output}")
    if sibling is not None:
        print(f"packed them into {sibling}")


def _print_table(names, choices, report):
    width = max(map(len, (*names, "class")))
    print(
        f"{'class':<{width}}  threshold  precision  recall      F1  positives"
    )
    for name, values in (
        *((name, vars(choice)) for name, choice in zip(names, choices)),
        ("mean", report["macro"]),
    ):
        cells = []
        for key, cell_width in _CELL_WIDTHS.items():
            value = values.get(key)
            text = "-" if value is None else f"{value:.4f}"
            cells.append(text.rjust(cell_width))
        cells.append(str(values.get("num_positives", "")).rjust(9))
        print("  ".join([name.ljust(width), *cells]).rstrip())


def main(unused_arguments):
    """Runs the command."""
    thresholds.check_method(_METHOD.value, _TARGET_PRECISION.value)
    if not _MODEL.value:
        raise ValueError("Name at least one model. Received: --model=")
    outputs = [ClassThresholds.path_beside(path) for path in _MODEL.value]
    if len(set(outputs)) < len(outputs):
        raise ValueError(
            "Models are told apart by their names without the suffix, which "
            "must be distinct in a directory. Received: "
            f"--model={','.join(_MODEL.value)}"
        )
    dataset = DatasetInfo.read(_DATA_DIR.value)
    dataset.split(_SPLIT)
    for output in outputs:
        workdir.check_writable(output)
    # All before the first is run: a wrong path shows at once.
    loaded = dict(_load(path, dataset) for path in _MODEL.value)
    skipped = []
    for path, scorer in loaded.items():
        try:
            _choose(path, scorer, dataset)
        except ValueError as error:
            if len(loaded) == 1:
                raise
            print(f"warning: skipped {path}: {error}", file=sys.stderr)
            skipped.append(str(path))
    if skipped:
        raise ValueError(
            f"{len(skipped)} of {len(loaded)} models have no thresholds; the "
            f"warnings above say why: {skipped}"
        )


if __name__ == "__main__":
    command_line.run(main)
