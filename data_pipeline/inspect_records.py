"""Command: prints a record of a data set, and draws its log-mel spectrogram.

    python -m data_pipeline.inspect_records --data_dir=data --split=test \\
        --index=3 --png=clip.png
"""

from absl import flags

from data_pipeline.reports import single_record
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import dataset_info

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SPLIT = flags.DEFINE_enum(
    "split",
    None,
    dataset_info.SPLITS,
    "Where the record is. By default the training split; with --clip_id, all.",
)
_CLIP_ID = flags.DEFINE_string("clip_id", None, "The clip to show.")
_INDEX = flags.DEFINE_integer(
    "index", 0, "The record to show, counted from 0 in its split."
)
_PNG = path_flags.define_path("png", None, "File for the picture.")


def _find(info):
    if _CLIP_ID.value is None:
        split = _SPLIT.value or dataset_info.SPLITS[0]
        return single_record.record_at(
            _DATA_DIR.value, info, split, _INDEX.value
        )
    if _INDEX.present:
        raise ValueError(
            "Give either --clip_id or --index. Received: "
            f"--clip_id={_CLIP_ID.value} and --index={_INDEX.value}"
        )
    splits = tuple(n for n, split in info.splits.items() if split.num_clips)
    if _SPLIT.value is not None:
        splits = (_SPLIT.value,)
    return single_record.record_of_clip(
        _DATA_DIR.value, info, splits, _CLIP_ID.value
    )


def main(unused_arguments):
    """Shows the record that the flags name."""
    info = dataset_info.DatasetInfo.read(_DATA_DIR.value)
    found = _find(info)
    for line in single_record.describe(found, info):
        print(line)
    if _PNG.value is not None:
        single_record.draw(_PNG.value, found, info)
        print(f"wrote {_PNG.value}")


if __name__ == "__main__":
    command_line.run(main)
