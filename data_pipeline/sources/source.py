"""What every source of labelled audio gives."""

import collections
import dataclasses
from collections.abc import Iterable

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows of labelled audio, and what is known about all of them.

    Mistakes in a table as a whole are ValueErrors, raised when the source is
    made or while its rows are read. Rows that cannot become clips are
    SkippedRow, among the others.

    Args:
        rows: iterable of ClipRow and SkippedRow. It can be read once, as
            large sources make their rows on the way. Either all of the
            ClipRow have a split and go on as they are (AudioSet, FSD50K), or
            `splits.assign` decides.
        class_names: tuple of str, in the order of the model's outputs; None
            where the source has no order of its own.
        notes: Counter from stable code to the number of rows that were read
            otherwise than they stand in the source, but are no fault:
            `unknown_label` (kept, without the labels that are no classes),
            `repeated_row`, `united_labels` (the same clip with other labels),
            `in_evaluation` and `blacklisted` (both left out of training and
            validation), `in_training` (left out of validation),
            `in_both_lists` (tests, and does not validate), `cut_event` (one
            that ends behind its recording), `uncertain_event`.
            Of tables also `blank_row`, `comment_row`, `repeated_header`,
            `no_labels` (a clip of nothing) and
            `found_elsewhere` (the file has another spelling, a suffix, or
            lies in a sub-directory). Complete when the rows have been read.
            Where the flags are read, `no_labels` is counted for all sources,
            `crossing_group` (in several splits, as published) and
            `other_fold` (of a fold that no flag names).
        unused_columns: tuple of str. Columns of its table that mean nothing
            here.
        remarks: tuple of str. What people should know about it as a whole, a
            sentence each.
    """

    rows: Iterable[ClipRow | SkippedRow]
    class_names: tuple[str, ...] | None = None
    notes: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    unused_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
