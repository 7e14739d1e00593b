r"""Command: keeps what teachers say of training clips, for students to come.

python -m ofa_aec_tf.store_logits --teacher=runs/a/teacher.keras \
    --data_dir=data --num_views=8 --workdir=runs/logits
python -m ofa_aec_tf.train --stage=kd --stored_logits=runs/logits ...

Every clip is augmented in --num_views ways, as the flags of augmentation say,
which the student's training has to repeat. Run again after an interruption, it
goes on where it was.
"""

import json
import pathlib

import numpy as np
from absl import flags
from absl import logging

from ofa_aec_tf.command_flags import augmentation_flags
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data import stored_views
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.teacher import load_teacher

_SPLIT = "train"

_TEACHER = path_flags.define_paths(
    "teacher",
    None,
    "A `.keras` file, or several with commas between them, each of which is "
    "kept.",
    required=True,
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir", None, "Where to write them, and to resume.", required=True
)
_NUM_VIEWS = flags.DEFINE_integer(
    "num_views", 8, "Ways in which each clip is augmented.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the augmentation.",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips a step.", lower_bound=1
)


def _listen(teachers, views, view, dataset):
    """What teachers say of one view of all clips, and the clips' ids."""
    ids, logits = [], []
    batches = input_pipeline.make_eval_dataset(
        _DATA_DIR.value,
        dataset,
        _SPLIT,
        _BATCH_SIZE.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    with input_pipeline.reading_errors():
        for batch in stored_views.as_views(
            batches, views, view, *input_pipeline.augmentation_levels(dataset)
        ):
            ids += [clip_id.decode() for clip_id in batch["id"].numpy()]
            logits.append(
                np.stack(
                    [teacher(batch["log_mel"]).numpy() for teacher in teachers],
                    axis=1,
                )
            )
    return ids, np.concatenate(logits)


def main(unused_arguments):
    """Runs the command."""
    views = stored_logits.StoredViews(
        _NUM_VIEWS.value, _SEED.value, augmentation_flags.augmentation_config()
    )
    if not _TEACHER.value:
        raise ValueError("Name at least one teacher. Received: --teacher=")
    dataset = DatasetInfo.read(_DATA_DIR.value)
    for path in _TEACHER.value:
        ModelInfo.read(path).check_matches(dataset)
    # The others are held against the first.
    activation = score_activation(load_keras_file(_TEACHER.value[0]))
    identity = {
        "teachers": [workdir.file_digest(path) for path in _TEACHER.value],
        "data_fingerprint": dataset.fingerprint,
        "skip_corrupt": _SKIP_CORRUPT.value,
        "views": views.to_json(),
    }
    directory = pathlib.Path(_WORKDIR.value)
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        run_record.start_run(
            directory,
            json.loads(json.dumps(identity)),
            flagfiles.recorded(),
            has_results=stored_logits.view_path(directory, 0).exists(),
        )
        _store(directory, views, dataset, activation, identity["teachers"])
    print(f"wrote {directory / stored_logits.FILE_NAME}")


def _store(directory, views, dataset, activation, digests):
    if (directory / stored_logits.FILE_NAME).is_file():
        logging.info("%s is finished", directory)
        return
    with precision_scope("float32"):
        teachers = [
            load_teacher(path, ModelInfo.read(path).details, activation)
            for path in _TEACHER.value
        ]
    ids = None
    for view in range(views.num_views):
        # The first one again, if need be: the ids come with it.
        if ids is None or not stored_logits.view_path(directory, view).exists():
            ids, logits = _listen(teachers, views, view, dataset)
            stored_logits.write_view(directory, view, logits)
            print(
                f"view {view + 1} of {views.num_views}: {len(ids)} clips",
                flush=True,
            )
    stored_logits.write_record(
        directory,
        ModelInfo.for_dataset(
            dataset, score_activation=activation, teachers=digests
        ),
        ids,
        views,
    )


if __name__ == "__main__":
    command_line.run(main)
