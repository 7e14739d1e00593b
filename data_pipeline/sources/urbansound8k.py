"""UrbanSound8K: slices of field recordings in ten folds."""

import dataclasses
import pathlib
from typing import ClassVar

from data_pipeline.sources import fold_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class UrbanSound8KSettings(fold_table.FoldTableSettings):
    """UrbanSound8K.

    `audio_dir` holds `audio/fold1/` and so on, and
    `metadata/UrbanSound8K.csv`; or the folds and the table themselves, as
    republished elsewhere. `start` and `end` of the table are places in
    recordings that are not part of the set. They are not used, and neither is
    `salience`.
    """

    summary: ClassVar[str] = "UrbanSound8K as published, in --audio_dir"
    has_usual_folds: ClassVar[bool] = True
    columns: ClassVar[fold_table.Columns] = fold_table.Columns(
        "slice_file_name", "fold", "classID", "class", "fsID"
    )
    layout: ClassVar[str] = (
        "UrbanSound8K: `audio/fold1/` and so on, and in `metadata/` a CSV file"
    )
    table_dirs: ClassVar[tuple[str, ...]] = ("metadata", "")

    def audio_root(self, directory: pathlib.Path) -> pathlib.Path | None:
        """Returns the directory of the folds."""
        audio = directory / "audio"
        if not audio.is_dir():
            audio = directory
        return audio if any(audio.glob("fold*")) else None

    def file_name(self, name: str, fold: int) -> str:
        """Returns the name in the table, below its fold."""
        return f"fold{fold}/{name}"
