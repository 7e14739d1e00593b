"""Tables of published sets that give each clip one class and a fold."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from data_pipeline.clips import class_names
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.audio_files import AudioFiles
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import table_file


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


def find_table(
    directories: Iterable[pathlib.Path], columns: Sequence[str]
) -> pathlib.Path | None:
    """Finds the first CSV file whose header has all the columns.

    Args:
        directories: iterable of paths, which need not exist.
        columns: sequence of str. Their case does not matter.
    """
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


def read(
    table: pathlib.Path,
    root: AudioRoot,
    columns: Columns,
    name_of: Callable[[str, int], str],
) -> Source:
    """Reads such a table.

    A clip that is named again is counted as `repeated_row` if the rows are
    equal, and else skipped as `duplicate_id`.

    Args:
        table: path.
        root: AudioRoot.
        columns: Columns.
        name_of: function from the file name in the table and the fold to the
            file name relative to `root`.

    Returns:
        Source with the rows in the order of the table, with folds and with
        the recording as group, and the class names in the order of their
        targets.

    Raises:
        ValueError: naming the line, if the table is malformed.
    """
    names: dict[int, str] = {}
    rows: list[ClipRow | SkippedRow] = []
    seen: dict[str, ClipRow | SkippedRow] = {}
    notes: Counter[str] = Counter()
    files = AudioFiles(root)
    for line, values in table_file.read_table(table, columns.required):
        where = f"{table}, line {line}"
        category = class_names.clean(values[columns.category], where)
        target = cell_values.parse_integer(
            values[columns.target], columns.target, where
        )
        if names.setdefault(target, category) != category:
            raise ValueError(
                f"{where}: the class {target} has two names, "
                f"{names[target]!r} and {category!r}."
            )
        fold = cell_values.parse_integer(
            values[columns.fold], columns.fold, where
        )
        clip_id = values[columns.filename].strip()
        by_key = {table_file.name_key(k): text for k, text in values.items()}
        recording = by_key.get(table_file.name_key(columns.recording), "")
        group = recording.strip() or None
        row = files.locate(
            name_of(clip_id, fold),
            ClipRow(clip_id, "", (category,), group=group, fold=fold),
            notes,
        )
        if seen.setdefault(clip_id, row) is row:
            rows.append(row)
        elif seen[clip_id] == row:
            notes["repeated_row"] += 1
        else:
            reason = f"{where}: there before, with another class or fold"
            rows.append(SkippedRow(clip_id, clip_id, "duplicate_id", reason))
    in_order = tuple(names[target] for target in sorted(names))
    return Source(
        rows, in_order, notes, remarks=tuple(files.unnamed(rows, table))
    )
