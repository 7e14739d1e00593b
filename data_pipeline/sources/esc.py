"""ESC-10 and ESC-50: environmental sounds in five folds."""

import dataclasses
import pathlib
from typing import ClassVar

from data_pipeline.sources import fold_table


@dataclasses.dataclass(frozen=True, kw_only=True)
class EscSettings(fold_table.FoldTableSettings):
    """ESC-10 or ESC-50: `audio_dir` holds `audio/` and `meta/`."""

    summary: ClassVar[str] = "ESC-10 or ESC-50 in --audio_dir"
    columns: ClassVar[fold_table.Columns] = fold_table.Columns(
        "filename", "fold", "target", "category", "src_file"
    )
    layout: ClassVar[str] = "ESC-50: `audio/`, and in `meta/` a CSV file"
    table_dirs: ClassVar[tuple[str, ...]] = ("meta",)

    def audio_root(self, directory: pathlib.Path) -> pathlib.Path | None:
        """Returns `audio/`."""
        audio = directory / "audio"
        return audio if audio.is_dir() else None

    def file_name(self, name: str, fold: int) -> str:
        """Returns the name in the table."""
        return name
