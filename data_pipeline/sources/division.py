"""Division of clips into splits."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info

# In the record of a data set.
_CROSSING_GROUPS = "crossing_groups"
# In messages, of long lists of names.
_NUM_NAMED = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldSettings(settings.Settings):
    """Settings of sources whose clips may have folds."""

    train_folds: tuple[int, ...] = setting(
        (),
        "Folds for training. By default, of urbansound8k all but the last two, "
        "of which the first validates and the second tests.",
    )
    validation_folds: tuple[int, ...] = setting((), "Folds for validation.")
    test_folds: tuple[int, ...] = setting((), "Folds for testing.")

    def folds(self) -> dict[str, tuple[int, ...]]:
        """The folds of each split."""
        return dict(
            zip(
                dataset_info.SPLITS,
                (self.train_folds, self.validation_folds, self.test_folds),
            )
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationSettings(settings.Settings):
    """Settings of sources of which a share can validate."""

    validation_fraction: float = setting(
        0.1,
        "Share of the clips (or groups of clips; audioset: videos) for "
        "validation, chosen by a hash of their names, where there are neither "
        "folds nor a split column.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FractionSettings(ValidationSettings):
    """Settings of sources of which shares can validate and test."""

    test_fraction: float = setting(
        0.1, "Share of the clips for testing, likewise."
    )

    def changed_fractions(self) -> list[str]:
        """Names of the fractions that are not at their defaults."""
        return [
            field.name
            for field in dataclasses.fields(FractionSettings)
            if getattr(self, field.name) != field.default
        ]


def divide(
    rows: Sequence[ClipRow | SkippedRow],
    chosen: FractionSettings,
    notes: Counter,
    has_usual_folds: bool = False,
) -> tuple[list[ClipRow | SkippedRow], dict, list[str]]:
    """Assigns clips to splits.

    Args:
        rows: sequence of ClipRow and SkippedRow.
        chosen: FractionSettings, which may be FoldSettings too.
        notes: Counter. Counts `crossing_group` and `other_fold`.
        has_usual_folds: bool. Whether folds are used without being asked for.

    Returns:
        tuple of all rows, where the clips have splits; of a dict of JSON types
        for the record of the data set; and of sentences for the user.

    Raises:
        ValueError: if no row is a clip, or the settings do not fit the rows.
    """
    skipped = [row for row in rows if isinstance(row, SkippedRow)]
    clips = [row for row in rows if not isinstance(row, SkippedRow)]
    if skipped and not clips:
        codes = Counter(row.code for row in skipped)
        raise ValueError(
            f"None of {len(skipped)} rows can be used: {dict(codes)}. The "
            f"first: {skipped[0].filename}: {skipped[0].reason}"
        )
    folds = chosen.folds() if isinstance(chosen, FoldSettings) else {}
    changed = chosen.changed_fractions()
    present = {row.fold for row in clips} - {None}
    has_splits = any(row.split for row in clips)
    if has_usual_folds and not changed and not any(folds.values()):
        folds = splits.last_folds(present)
    if changed and (any(folds.values()) or has_splits):
        raise ValueError(
            f"--{changed[0]} is for clips without folds and without splits of "
            "their own. Leave it out."
        )
    divided = splits.assign(
        clips, folds, chosen.validation_fraction, chosen.test_fraction
    )
    remarks: list[str] = []
    facts = {}
    crossing = splits.crossing_groups(divided)
    if crossing:
        facts[_CROSSING_GROUPS] = crossing
        notes["crossing_group"] = len(crossing)
        remarks.append(
            "groups with clips in several splits, which are kept as they were "
            f"published: {len(crossing)}, such as "
            f"{', '.join(crossing[:_NUM_NAMED])}"
        )
    if any(folds.values()):
        if has_splits:
            remarks.append("the splits are not used: the flags choose folds")
        others = sorted(present.difference(*folds.values()))
        if others:
            facts[dataset_info.OTHER_FOLDS] = others
            notes["other_fold"] = len(clips) - len(divided)
            remarks.append(
                f"{notes['other_fold']} clips are not used: no flag names "
                f"their folds, {', '.join(map(str, others))}"
            )
    elif present:
        why = "there are splits, too" if has_splits else "no flag names any"
        remarks.append(f"the folds are not used: {why}")
    return skipped + divided, facts, remarks
