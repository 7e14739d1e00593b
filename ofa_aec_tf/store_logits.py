r"""Command: stores the logits of teachers, for students to learn from.

python -m ofa_aec_tf.store_logits --teacher=runs/a/teacher.keras \
    --data_dir=data --num_views=8 --workdir=runs/logits
python -m ofa_aec_tf.train --stage=kd --stored_logits=runs/logits ...

Every clip is augmented in --num_views ways, by the flags of augmentation, which
the student's training has to repeat. An interrupted run resumes.
"""

import pathlib

from absl import flags

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_TEACHER = path_flags.define_paths(
    "teacher",
    None,
    "A `.keras` file, or several with commas between them; the logits of each "
    "are stored.",
    required=True,
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir", None, "Where to write the logits, and to resume.", required=True
)
_VIEWS = setting_flags.define(stored_logits.StoredViews)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips per step.", lower_bound=1
)


def main(unused_arguments):
    """Runs the command."""
    views = _VIEWS.values()
    if not _TEACHER.value:
        raise ValueError("Name at least one teacher. Received: --teacher=")
    dataset = DatasetInfo.read(_DATA_DIR.value)
    for path in _TEACHER.value:
        ModelInfo.read(path).check_matches(dataset)
    identity = {
        "teachers": [workdir.file_digest(path) for path in _TEACHER.value],
        "data_fingerprint": dataset.fingerprint,
        "skip_corrupt": _SKIP_CORRUPT.value,
        "views": views.to_json(),
    }
    # Not before: what has been checked, and --help, need no TensorFlow.
    from ofa_aec_tf.training import logit_store

    directory = pathlib.Path(_WORKDIR.value)
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        run_record.start_run(
            directory,
            identity,
            flagfiles.recorded(),
            has_results=stored_logits.view_path(directory, 0).exists(),
        )
        path = logit_store.store_logits(
            directory,
            _TEACHER.value,
            _DATA_DIR.value,
            dataset,
            views,
            _BATCH_SIZE.value,
            _SKIP_CORRUPT.value,
        )
    print(f"wrote {path}")


if __name__ == "__main__":
    command_line.run(main)
