"""A directory of audio with a labels file."""

import ast
import dataclasses
import re
from collections import Counter
from typing import ClassVar

from data_pipeline.clips import class_names
from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.clips.clip import format_seconds
from data_pipeline.sources.division import FoldSettings
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files.audio_files import AudioFiles
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import column_names
from data_pipeline.sources.tables import columns
from data_pipeline.sources.tables import table_file
from data_pipeline.sources.tables.columns import Columns
from data_pipeline.sources.tables.table_settings import TableSettings

# What all clips of a file have in common.
_PLACE = ("split", "fold", "group")
# Start of `fold1` and the like.
_FOLD_PREFIX = re.compile(r"^fold[-_ ]*", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSettings(
    SegmentSettings, TableSettings, FractionSettings, FoldSettings, FileSettings
):
    """A directory of audio with a labels file.

    File names in the table are relative to `audio_dir`. A file may be in a
    subdirectory, or lack its suffix in the table, if that is unambiguous. A
    file may have several clips, with starts and ends, which stay in one split.
    """

    summary: ClassVar[str] = "--audio_dir and --labels_csv"

    def open(self) -> Source:
        """Reads the table.

        Rows of one clip become one clip with the labels of all of them. A clip
        without labels is a negative one.

        Returns:
            Source with the rows in the order of the table. A clip id is the
            file name as written there, followed by `@start` or `@start-end`
            where these are given. Classes that are columns keep their order.

        Raises:
            ValueError: naming the line, if the file is not such a table.
        """
        files = AudioFiles(AudioRoot(self.audio_dir, self.allow_symlinks))
        table = table_file.read_header(
            self.labels_csv,
            column_names.KNOWN,
            self.delimiter and table_file.delimiter_of(self.delimiter),
        )
        notes: Counter[str] = Counter()
        rows = list(table_file.full_rows(self.labels_csv, table, notes))

        def is_file(name: str) -> bool:
            found = files.find_in_any_format(name, name)
            return not isinstance(found, SkippedRow) and found.is_there

        found = columns.ColumnFinder(
            self.labels_csv, table, rows, self, is_file
        ).find()
        if not found.has_header:
            rows.insert(0, (table.line, table.header))
        reader = _RowReader(self, files, found, notes)
        for line, cells in rows:
            reader.add(cells, f"{self.labels_csv}, line {line}")
        clips = reader.rows()
        return Source(
            clips,
            tuple(found.classes.values()) or None,
            notes,
            found.unused,
            (*found.remarks, *files.unnamed(clips, self.labels_csv)),
        )


class _RowReader:
    """Makes clips of rows, and unites rows of the same clip."""

    def __init__(
        self,
        chosen: CsvSettings,
        files: AudioFiles,
        found: Columns,
        notes: Counter[str],
    ):
        self._chosen = chosen
        self._files = files
        self._columns = found
        self._notes = notes
        self._rows: dict[tuple, ClipRow | SkippedRow] = {}
        # By path: what all rows of a file must share, and its first name.
        self._of_file: dict[str, tuple] = {}
        self._name_of_file: dict[str, str] = {}

    def rows(self) -> list[ClipRow | SkippedRow]:
        """Returns the clips of all rows that were added."""
        return list(self._rows.values())

    def add(self, cells: list[str], where: str) -> None:
        """Adds a row; a ValueError if it contradicts an earlier one."""
        row = self._row(cells, where)
        if isinstance(row, SkippedRow):
            if self._rows.setdefault((row.clip_id, row.code), row) is not row:
                self._notes["repeated_row"] += 1
            return
        key = row.path, row.start_seconds, row.end_seconds
        before = self._rows.setdefault(key, row)
        if before is row:
            return
        if set(row.labels) <= set(before.labels):
            self._notes["repeated_row"] += 1
            return
        if self._chosen.is_single_label and before.labels:
            raise ValueError(
                f"{where}: with label type single_label a clip has one label. "
                f"Received for {row.clip_id}: {list(row.labels)}, and before "
                f"{list(before.labels)}. Use --label_type=multi_label."
            )
        self._notes["united_labels"] += 1
        labels = tuple(dict.fromkeys(before.labels + row.labels))
        self._rows[key] = dataclasses.replace(before, labels=labels)

    def _cell(self, cells: list[str], column: int | None) -> str:
        """Returns an optional cell, `""` if it is empty."""
        if column is None or cell_values.is_empty(cells[column]):
            return ""
        return cells[column]

    def _labels(self, cells: list[str], where: str) -> tuple[str, ...]:
        found = self._columns
        if found.classes:
            return tuple(
                name
                for column, name in found.classes.items()
                if columns.is_present(cells[column])
            )
        separator = self._chosen.label_separator
        names = [
            class_names.clean(name, where)
            for column in found.labels
            for name in _listed(cells[column], separator)
        ]
        return tuple(
            dict.fromkeys(
                name
                for name in names
                # `none` may be a class.
                if not cell_values.is_empty(name) or name.casefold() == "none"
            )
        )

    @staticmethod
    def _seconds(cell: str) -> float | None:
        # Some spreadsheets write a decimal comma.
        return cell_values.parse_seconds(cell.replace(",", "."))

    def _row(self, cells: list[str], where: str) -> ClipRow | SkippedRow:
        found = self._columns
        filename = cells[found.filename]
        labels = self._labels(cells, where)
        if not filename or filename.casefold() == "nan":
            raise ValueError(
                f"{where}: every row needs a file name. Received: {cells}"
            )
        if self._chosen.is_single_label and len(labels) != 1:
            raise ValueError(
                f"{where}: with label type single_label every clip has one "
                f"label. Received: {list(labels)} for {filename}. Name the "
                "clips without events too, for example `background`, or use "
                "--label_type=multi_label."
            )
        split = self._cell(cells, found.split)
        split = splits.canonical(split, where) if split else None
        fold = self._cell(cells, found.fold)
        fold = _FOLD_PREFIX.sub("", fold)
        fold = cell_values.parse_integer(fold, "fold", where) if fold else None
        start = self._cell(cells, found.start)
        end = self._cell(cells, found.end)
        place = "@" + start + (end and f"-{end}") if start or end else ""
        clip_id = filename + place
        start_seconds = self._seconds(start) if start else 0.0
        end_seconds = self._seconds(end) if end else None
        duration = self._cell(cells, found.duration)
        duration_seconds = self._seconds(duration) if duration else None
        if start_seconds is not None and duration_seconds is not None:
            # Rounded, because the sum is in the id.
            end_seconds = round(start_seconds + duration_seconds, 6)
            end = str(end_seconds)
        reason = ""
        if start_seconds is None:
            reason = f"`start_seconds` must be a number from 0 on: {start!r}"
        elif end and end_seconds is None:
            reason = f"`end_seconds` must be a number from 0 on: {end!r}"
        elif end_seconds is not None and end_seconds <= start_seconds:
            reason = f"it ends at {end!r}, before it starts at {start!r}"
        if reason:
            return SkippedRow(
                clip_id,
                filename,
                "bad_segment",
                f"{where}: {reason}",
                split,
                labels,
            )
        if place:
            clip_id = f"{filename}@{format_seconds(start_seconds)}"
            if end_seconds is not None:
                clip_id += f"-{format_seconds(end_seconds)}"
        row = self._files.locate(
            filename,
            ClipRow(
                clip_id,
                "",
                labels,
                split,
                fold=fold,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
            ),
            self._notes,
        )
        if isinstance(row, SkippedRow):
            return row
        # Rows of one file may spell it differently.
        name = self._name_of_file.setdefault(row.path, filename)
        group = self._cell(cells, found.group) or None
        # Parts of one recording are related. Folds divide groups themselves.
        if found.start is not None and fold is None:
            group = group or name
        self._check_file(row.path, (split, fold, group), filename, where)
        return dataclasses.replace(
            row, group=group, recording=name if place else None
        )

    def _check_file(self, path, place: tuple, filename: str, where: str):
        before = self._of_file.setdefault(path, place)
        if before != place:
            name, old, new = next(
                (name, old, new)
                for name, old, new in zip(_PLACE, before, place)
                if old != new
            )
            raise ValueError(
                f"{where}: all rows of a file must have the same "
                f"{', '.join(_PLACE)}. Received for {filename}: the {name} "
                f"{new}, and before {old}. --split_column= and --group_column= "
                "leave these columns out."
            )


def _listed(cell: str, separator: str) -> tuple[str, ...]:
    """Labels of a cell: separated, or a list or set of Python or JSON."""
    if cell[:1] + cell[-1:] in ("[]", "{}", "()"):
        try:
            names = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            names = None
        if isinstance(names, (list, set, tuple)) and all(
            isinstance(name, str) for name in names
        ):
            return tuple(sorted(names) if isinstance(names, set) else names)
    return cell_values.parse_labels(cell, separator)
