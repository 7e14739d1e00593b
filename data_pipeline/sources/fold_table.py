"""Published sets whose table gives each clip one class and a fold."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Collection
from typing import ClassVar

from data_pipeline.clips import class_names
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.division import FoldSettings
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files.audio_files import AudioFiles
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import table_file
from ofa_aec_tf.data import dataset_info


@dataclasses.dataclass(frozen=True)
class Columns:
    """Names of the columns of such a table.

    Args:
        filename: str.
        fold: str.
        target: str. The index of the class.
        category: str. The name of the class.
        recording: str. The recording of the clip. It may be absent.
    """

    filename: str
    fold: str
    target: str
    category: str
    recording: str

    @property
    def required(self) -> tuple[str, ...]:
        """All but `recording`."""
        return (self.filename, self.fold, self.target, self.category)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldTableSettings(
    SegmentSettings, FractionSettings, FoldSettings, FileSettings
):
    """Base of the settings of such sets."""

    usual_label_type: ClassVar[str] = dataset_info.SINGLE_LABEL
    columns: ClassVar[Columns]
    # How it is published, for errors; the columns follow.
    layout: ClassVar[str]
    # Where the table may be, below `audio_dir`.
    table_dirs: ClassVar[tuple[str, ...]]

    def audio_root(self, directory: pathlib.Path) -> pathlib.Path | None:
        """The directory of the files in `audio_dir`, None if it is missing."""
        raise NotImplementedError

    def file_name(self, name: str, fold: int) -> str:
        """Name below `audio_root` of a file, given its name in the table."""
        raise NotImplementedError

    def open(self) -> Source:
        """Reads the table.

        A clip that is named again is counted as `repeated_row` if the rows are
        equal, and else skipped as `duplicate_id`.

        Returns:
            Source with the rows in the order of the table, with folds and with
            the recording as group, and the class names in the order of their
            targets.

        Raises:
            ValueError: if the directory has another layout; naming the line, if
                the table is malformed.
        """
        directory = AudioRoot(self.audio_dir).path
        table = _find_table(
            [directory / name for name in self.table_dirs],
            self.columns.required,
        )
        audio_root = self.audio_root(directory)
        if table is None or audio_root is None:
            found = sorted(
                path.relative_to(directory).as_posix()
                for path in (
                    *directory.iterdir(),
                    *(directory / self.table_dirs[0]).glob("*.csv"),
                )
            )
            raise ValueError(
                f"{directory} must be laid out as {self.layout} with the "
                f"columns {','.join(self.columns.required)}. Received: {found}"
            )
        root = AudioRoot(audio_root, self.allow_symlinks)
        return self._read(table, root)

    def _read(self, table: pathlib.Path, root: AudioRoot) -> Source:
        names: dict[int, str] = {}
        rows: list[ClipRow | SkippedRow] = []
        seen: dict[str, ClipRow | SkippedRow] = {}
        notes: Counter[str] = Counter()
        files = AudioFiles(root)
        for line, values in table_file.read_table(table, self.columns.required):
            where = f"{table}, line {line}"
            category = class_names.clean(values[self.columns.category], where)
            target = cell_values.parse_integer(
                values[self.columns.target], self.columns.target, where
            )
            if names.setdefault(target, category) != category:
                raise ValueError(
                    f"{where}: the class {target} has two names, "
                    f"{names[target]!r} and {category!r}."
                )
            fold = cell_values.parse_integer(
                values[self.columns.fold], self.columns.fold, where
            )
            clip_id = values[self.columns.filename].strip()
            by_key = {
                table_file.name_key(k): text for k, text in values.items()
            }
            recording = by_key.get(
                table_file.name_key(self.columns.recording), ""
            )
            group = recording.strip() or None
            row = files.locate(
                self.file_name(clip_id, fold),
                ClipRow(clip_id, "", (category,), group=group, fold=fold),
                notes,
            )
            if seen.setdefault(clip_id, row) is row:
                rows.append(row)
            elif seen[clip_id] == row:
                notes["repeated_row"] += 1
            else:
                reason = f"{where}: there before, with another class or fold"
                rows.append(
                    SkippedRow(clip_id, clip_id, "duplicate_id", reason)
                )
        in_order = tuple(names[target] for target in sorted(names))
        return Source(
            rows, in_order, notes, remarks=tuple(files.unnamed(rows, table))
        )


def _find_table(
    directories: Collection[pathlib.Path], columns: Collection[str]
) -> pathlib.Path | None:
    """Finds the first CSV file whose header has all columns, in any case."""
    keys = {table_file.name_key(name) for name in columns}
    for directory in directories:
        for path in sorted(directory.glob("*.csv")):
            try:
                table = table_file.read_header(path, keys)
            except ValueError:
                # Another table, or not a table.
                continue
            if keys <= {table_file.name_key(name) for name in table.header}:
                return path
    return None
