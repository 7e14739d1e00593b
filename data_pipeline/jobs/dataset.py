"""The record of a data set, from the summaries of its shards."""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.data import dataset_info


def _mel_statistics(summaries) -> tuple[tuple[float, ...], tuple[float, ...]]:
    num_frames = sum(summary["num_frames"] for summary in summaries)
    sums = np.sum([s["mel_sum_db"] for s in summaries], axis=0)
    squares = np.sum([s["mel_sum_squares_db"] for s in summaries], axis=0)
    mean = sums / num_frames
    variance = np.maximum(squares / num_frames - mean**2, 0)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def _split_info(summaries) -> dataset_info.SplitInfo:
    counts = np.sum([s["class_counts"] for s in summaries], axis=0)
    return dataset_info.SplitInfo(
        tuple(
            dataset_info.ShardInfo(
                s["file"], s["num_records"], s["num_bytes"], s["sha256"]
            )
            for s in summaries
        ),
        tuple(counts.tolist()),
    )


def dataset_of(
    summaries: Sequence[Mapping],
    config: PreprocessConfig,
    source: Mapping,
    num_dead_letters: int,
    num_shards: int | None,
) -> dataset_info.DatasetInfo:
    """Makes the record of a data set.

    Args:
        summaries: sequence of dict, as `shard_task.run` returns them, in the
            order of the plan.
        config: PreprocessConfig.
        source: dict of JSON types. Where the clips came from, for people.
        num_dead_letters: int.
        num_shards: int or None, as asked for.

    Returns:
        DatasetInfo.
    """
    by_split = {
        split: [s for s in summaries if s["split"] == split]
        for split in dataset_info.SPLITS
    }
    mel_mean_db, mel_std_db = _mel_statistics(by_split[dataset_info.SPLITS[0]])
    return dataset_info.DatasetInfo(
        frontend=config.frontend,
        clip_seconds=config.clip_seconds,
        class_map=config.class_map,
        label_type=config.label_type,
        splits={
            split: _split_info(of_split)
            for split, of_split in by_split.items()
            if of_split
        },
        mel_mean_db=mel_mean_db,
        mel_std_db=mel_std_db,
        source=source,
        num_dead_letters=num_dead_letters,
        num_shards=num_shards,
    )
