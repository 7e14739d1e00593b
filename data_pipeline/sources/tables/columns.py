"""Finds the columns of labels files by names and content."""

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Sequence

from data_pipeline.clips import class_names
from data_pipeline.clips import splits
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import column_names
from data_pipeline.sources.tables.table_file import DELIMITERS
from data_pipeline.sources.tables.table_file import Table
from data_pipeline.sources.tables.table_file import name_key
from data_pipeline.sources.tables.table_settings import TableSettings
from ofa_aec_tf.data.dataset_info import SPLITS

_PRESENT = ("1", "true", "t", "yes", "y", "x")
_ABSENT = ("0", "false", "f", "no", "n")
# Fraction of `1.0`, from a column with empty cells.
_FRACTION = re.compile(r"(?<=^[01])[.,]0*$")
_SAMPLE_ROWS = 50


@dataclasses.dataclass(frozen=True)
class Columns:
    """Positions of columns.

    Args:
        filename: int.
        labels: tuple of int. Columns of text.
        classes: dict from a column of 0 and 1 to its class.
        split: int or None.
        fold: int or None.
        group: int or None.
        start: int or None.
        end: int or None.
        duration: int or None. Gives the end if there is no such column.
        unused: tuple of str. Names of the other columns.
        remarks: tuple of str. Why some are not used, for the user.
        has_header: bool. Whether the first row is a header.
    """

    filename: int
    labels: tuple[int, ...]
    classes: dict[int, str]
    split: int | None
    fold: int | None
    group: int | None
    start: int | None
    end: int | None
    duration: int | None
    unused: tuple[str, ...]
    remarks: tuple[str, ...]
    has_header: bool


def is_present(cell: str) -> bool:
    """Whether a cell of a column of 0 and 1 means 1."""
    return _mark(cell) in _PRESENT


def _mark(cell: str) -> str:
    return _FRACTION.sub("", cell.casefold())


def _is_time(cell: str) -> bool:
    return cell_values.parse_seconds(cell.replace(",", ".")) is not None


class ColumnFinder:
    """Finds out which column of a table has what.

    Args:
        path: path of the table, for errors.
        table: Table.
        rows: sequence of tuples of line number and cells.
        names: TableSettings. What the user says about columns.
        is_file: function from a cell to whether it names a file of the source.
    """

    def __init__(
        self,
        path,
        table: Table,
        rows: Sequence[tuple[int, list[str]]],
        names: TableSettings,
        is_file: Callable[[str], bool],
    ):
        self._path = path
        self._table = table
        self._rows = rows
        self._names = names
        self._is_file = is_file
        self._keys = [name_key(name) for name in table.header]
        self._remarks: list[str] = []

    def find(self) -> Columns:
        """Finds all columns.

        Raises:
            ValueError: if that of the files or of the labels is not found.
        """
        filename, has_header = self._find_filename()
        if not has_header:
            self._keys = [""] * len(self._keys)
            self._rows = [(self._table.line, self._table.header), *self._rows]
        names = self._names
        split = self._optional(
            names.split_column, column_names.SPLITS, "split", splits.is_split
        )
        fold = self._first(column_names.FOLDS)
        group = self._find_group(
            is_divided=split is not None or fold is not None
        )
        times = self._find_times()
        taken = {filename, split, fold, group, *times} - {None}
        labels, classes = self._find_labels(taken)
        used = {*taken, *labels, *classes}
        return Columns(
            filename,
            labels,
            classes,
            split,
            fold,
            group,
            *times,
            tuple(
                self._name(column)
                for column in range(len(self._keys))
                if column not in used
            ),
            tuple(self._remarks),
            has_header,
        )

    def _name(self, column: int) -> str:
        named = self._keys[column] and self._table.header[column]
        return named or f"column {column + 1}"

    def _cells(self, column: int) -> list[str]:
        cells = (cells[column] for _, cells in self._rows)
        return [cell for cell in cells if not cell_values.is_empty(cell)]

    def _all(self, keys: Sequence[str]) -> list[int]:
        """Columns with these names, in the order of the names."""
        found = [
            column
            for key in keys
            for column, other in enumerate(self._keys)
            if key == other
        ]
        for column in found:
            if self._keys.count(self._keys[column]) > 1:
                raise ValueError(
                    f"{self._path}: the header names the column "
                    f"{self._table.header[column]!r} twice. Received: "
                    f"{self._table.header}"
                )
        return found

    def _first(self, keys: Sequence[str]) -> int | None:
        return next(iter(self._all(keys)), None)

    def _named(self, name: str, flag: str) -> int:
        found = self._all([name_key(name)])
        if found and name_key(name):
            return found[0]
        if name.isascii() and name.isdigit():
            if 0 < int(name) <= len(self._keys):
                return int(name) - 1
        raise ValueError(
            f"{self._path} has no column for --{flag}_column={name}. "
            f"Received: {self._table.header}"
        )

    def _optional(
        self,
        name: str | None,
        keys: Sequence[str],
        flag: str,
        fits: Callable[[str], bool],
    ) -> int | None:
        """The column that the user names, or one whose name and cells fit."""
        if name is not None:
            return self._named(name, flag) if name else None
        for column in self._all(keys):
            unfit = [c for c in self._cells(column) if not fits(c)]
            if self._keys[column] in column_names.UNMISTAKABLE or not unfit:
                return column
            # If all cells are unfit, the column means something else. A few
            # are mistakes, which are reported later with their lines.
            if len(unfit) < len(self._cells(column)):
                return column
            self._remarks.append(
                f"the column {self._name(column)!r} is not used as {flag}: "
                f"its cells are others, such as {unfit[0]!r}"
            )
        return None

    def _find_filename(self) -> tuple[int, bool]:
        """The column of the files, and whether there is a header."""
        name = self._names.filename_column
        if name:
            # A file name in the first row means that there is no header.
            column = self._named(name, "filename")
            return column, not (
                name.isdigit() and self._is_name(self._table.header[column])
            )
        by_name = self._all(column_names.FILES)
        if not by_name:
            for column, cell in enumerate(self._table.header):
                if self._is_name(cell):
                    return column, False
        # Existing files count more than the name of a column.
        others = [c for c in range(len(self._keys)) if c not in by_name]
        for columns in (by_name, others):
            hits = [self._num_files(column) for column in columns]
            if hits and max(hits):
                return columns[hits.index(max(hits))], True
        if by_name:
            return by_name[0], True
        tried = ", ".join(DELIMITERS)
        raise ValueError(
            f"{self._path}: no column has a usual name of files, such as "
            "filename, fname, file or path, or holds files in "
            "--audio_dir. Name it with --filename_column; if the columns are "
            f"not separated, name what separates them with --delimiter "
            f"(tried: {tried}; taken: {self._table.delimiter!r}). Received: "
            f"{self._table.header}"
        )

    def _is_name(self, cell: str) -> bool:
        return ("." in cell or "/" in cell) and self._is_file(cell)

    def _num_files(self, column: int) -> int:
        cells = (cells[column] for _, cells in self._rows[:_SAMPLE_ROWS])
        return sum(bool(cell) and self._is_file(cell) for cell in cells)

    def _find_group(self, is_divided: bool) -> int | None:
        """The column of groups, in a table that may have splits or folds."""
        name = self._names.group_column
        column = self._optional(name, column_names.GROUPS, "group", bool)
        if (
            column is None
            or name
            or is_divided
            or self._keys[column] == "group"
        ):
            return column
        num_groups = len(set(self._cells(column)))
        if num_groups >= len(SPLITS):
            return column
        self._remarks.append(
            f"the column {self._name(column)!r} is not used as group: it has "
            f"{num_groups} values, too few for {len(SPLITS)} splits"
        )
        return None

    def _find_times(self) -> tuple[int | None, int | None, int | None]:
        """Columns of starts, ends, and of durations if there are no ends."""

        def find(name, keys, flag):
            return self._optional(name, keys, flag, _is_time)

        names = self._names
        # UrbanSound8K's times are those in the recording before it was cut.
        is_cut = "slicefilename" in self._keys
        starts = column_names.STARTS[:1] if is_cut else column_names.STARTS
        # Without a start, `end` and the like may mean anything.
        ends = column_names.ENDS[:1]
        start = find(names.start_column, starts, "start")
        if start is None:
            return None, find(names.end_column, ends, "end"), None
        if not is_cut:
            ends = column_names.ENDS
        if self._keys[start].startswith("onset"):
            ends = [*ends, "offset"]
        end = find(names.end_column, ends, "end")
        if end is not None or names.end_column is not None:
            return start, end, None
        return start, None, find(None, column_names.DURATIONS, "duration")

    def _find_labels(
        self, taken: set[int]
    ) -> tuple[tuple[int, ...], dict[int, str]]:
        """Columns of label text, and columns of 0 and 1 with their classes."""
        if self._names.labels_column:
            columns = [
                self._named(n, "labels") for n in self._names.labels_column
            ]
            if all(map(self._is_class, columns)):
                return (), self._classes(columns)
            return tuple(columns), {}
        by_name = self._all((*column_names.LABELS, *column_names.NUMBERS))
        by_name = [c for c in by_name if c not in taken]
        # Names before numbers, and empty columns last.
        by_name.sort(
            key=lambda column: (
                not self._cells(column),
                self._keys[column] in column_names.NUMBERS
                or self._is_numeric(column),
            )
        )
        if by_name:
            return (by_name[0],), {}
        rest = [c for c in range(len(self._keys)) if c not in taken]
        self._check_no_states(rest)
        columns = [
            column
            for column in rest
            if self._keys[column] not in column_names.ROW_NUMBERS
            and self._is_binary(column)
        ]
        if columns:
            return (), self._classes(columns)
        if len(rest) == 1 and not self._is_numeric(rest[0]):
            return (rest[0],), {}
        raise ValueError(
            f"{self._path}: no column has a usual name of classes, such as "
            "labels, label, class or category, and none holds 0 and 1 for a "
            "class. Name one with --labels_column, by its name or number, or "
            "several with commas; if the columns are not separated, name "
            "what separates them with --delimiter (taken: "
            f"{self._table.delimiter!r}). Received: {self._table.header}"
        )

    def _check_no_states(self, columns: Sequence[int]) -> None:
        """Refuses tables with columns of POS, NEG and UNK."""
        for column in columns:
            states = {cell.casefold() for cell in self._cells(column)}
            if states and states <= {"pos", "neg", "unk"}:
                raise ValueError(
                    f"{self._path}: the column {self._name(column)!r} holds "
                    "POS, NEG and UNK, as of DCASE's few-shot task. Read it "
                    "with --source=annotations and --annotations_dir."
                )

    def _is_class(self, column: int) -> bool:
        """Whether a column that the user names holds 0 and 1 for a class."""
        usual = ("", *column_names.LABELS, *column_names.NUMBERS)
        return self._keys[column] not in usual and self._is_binary(column)

    def _is_numeric(self, column: int) -> bool:
        for cell in self._cells(column):
            try:
                float(cell)
            except ValueError:
                return False
        return True

    def _is_binary(self, column: int) -> bool:
        """Whether a column holds 0 and 1.

        Raises:
            ValueError: if only a few cells are something else.
        """
        cells = [_mark(cell) for cell in self._cells(column)]
        others = [c for c in cells if c not in (*_PRESENT, *_ABSENT)]
        if others and 2 * len(others) < len(cells):
            line = next(
                line
                for line, row in self._rows
                if _mark(row[column]) == others[0]
            )
            raise ValueError(
                f"{self._path}, line {line}: the column "
                f"{self._name(column)!r} holds 0 and 1, but here "
                f"{others[0]!r}. Correct it, or name the columns of classes "
                "with --labels_column."
            )
        return bool(cells) and not others

    def _classes(self, columns: Sequence[int]) -> dict[int, str]:
        where = f"{self._path}, line {self._table.line}"
        classes = {
            column: class_names.clean(self._table.header[column], where)
            for column in columns
        }
        if len(set(classes.values())) < len(classes):
            raise ValueError(
                f"{where}: every class must have one column. Received: "
                f"{list(classes.values())}"
            )
        return classes
