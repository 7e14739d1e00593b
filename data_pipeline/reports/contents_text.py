"""Shows what a data set holds: its classes, durations and warnings."""

from collections.abc import Mapping

from data_pipeline.reports import contents
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.record_reader import read_side_car
from ofa_aec_tf.runs import text_tables

_NUM_LISTED_CLASSES = 50
_NUM_EXTREME_CLASSES = 5


def class_table(described: Mapping) -> list[str]:
    """Makes the table of clips and minutes by class and split.

    If there are many classes, it shows those with the most and the fewest
    training clips.

    Args:
        described: dict of `contents.describe`.

    Returns:
        list of str, its lines.
    """
    splits = list(described["splits"])
    classes = list(described["classes"].items())
    left_out = 0
    if len(classes) > _NUM_LISTED_CLASSES:
        classes.sort(key=lambda item: -item[1][splits[0]]["clips"])
        left_out = len(classes) - 2 * _NUM_EXTREME_CLASSES
        del classes[_NUM_EXTREME_CLASSES:-_NUM_EXTREME_CLASSES]
    rows = [["class", *(c for split in splits for c in (split, "minutes"))]]
    for name, by_split in classes:
        row: list[str] = [name]
        for split in splits:
            row += [
                str(by_split[split]["clips"]),
                f"{by_split[split]['minutes']:.1f}",
            ]
        rows.append(row)
    lines = text_tables.aligned(rows).splitlines()
    if left_out:
        lines.insert(
            _NUM_EXTREME_CLASSES + 1,
            f"... {left_out} more, all of them in the report ...",
        )
    return lines


def summary(described: Mapping) -> list[str]:
    """Summarizes untrained classes, durations, cropped audio and negatives.

    Args:
        described: dict of `contents.describe`.

    Returns:
        list of str, a line for each that there is.
    """
    lines = []
    untrained = contents.without_clips(described, contents.TRAIN)
    if untrained:
        lines.append(
            "untrained    classes without a training clip: "
            f"{contents.named(untrained)}"
        )
    durations = described["durations"]
    if durations:
        lines.append(
            "durations    "
            + ", ".join(
                f"{what} {durations[key]:g}"
                for what, key in (
                    ("min", "min_seconds"),
                    ("median", "median_seconds"),
                    ("90 %", "p90_seconds"),
                    ("max", "max_seconds"),
                )
            )
            + " s"
        )
    if described["cropped_seconds"]:
        lines.append(
            f"cropped      {described['cropped_seconds']:.1f} s of audio are "
            "behind the ends of the clips"
        )
    if described["num_negatives"]:
        lines.append(
            f"negatives    {described['num_negatives']} clips have no label"
        )
    return lines


def text(data_dir, info: dataset_info.DatasetInfo) -> str:
    """Describes a finished data set, for the user.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
    """

    def side_cars():
        for split, split_info in info.splits.items():
            for shard in split_info.shards:
                side_car = read_side_car(data_dir, shard)
                if "labels" in side_car:
                    yield {**side_car, "split": split}

    described = contents.describe(
        side_cars, info.class_map.names, info.clip_seconds
    )
    lines = ["", *class_table(described), "", *summary(described)]
    lines += [f"warning: {each}" for each in described["warnings"]]
    return "\n".join(lines)
