"""Labelled audio in the layouts that people have, as rows."""

import csv
import pathlib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence

from data_pipeline import splits
from data_pipeline.clips import ClipRow

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".au",
    ".caf",
)
LABEL_SEPARATOR = ";"

_ESC_COLUMNS = ("filename", "fold", "target", "category")


def parse_labels(text: str) -> tuple[str, ...]:
    """Class names of a cell of a labels file.

    Args:
        text: str. Names separated by `;`; blanks around them do not count.

    Returns:
        tuple of str, each name once, in the order of the cell.
    """
    names = (name.strip() for name in text.split(LABEL_SEPARATOR))
    return tuple(dict.fromkeys(name for name in names if name))


def _audio_directory(audio_dir) -> pathlib.Path:
    audio_dir = pathlib.Path(audio_dir)
    if not audio_dir.is_dir():
        raise ValueError(
            "--audio_dir must be an existing directory. "
            f"Received: --audio_dir={audio_dir}"
        )
    return audio_dir


def _read_table(
    path, required: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV file with a header."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There is no labels file {path}.")
    rows = []
    # utf-8-sig: spreadsheets put a byte order mark before the first column.
    with open(path, encoding="utf-8-sig", newline="") as file:
        # strict: a quote that is never closed would swallow the other rows.
        reader = csv.DictReader(file, strict=True, skipinitialspace=True)
        try:
            columns = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in required if name not in columns]
            if missing:
                raise ValueError(
                    f"{path} must have a header line with the columns "
                    f"{','.join(required)}. Missing: {missing}. "
                    f"Received: {columns}"
                )
            reader.fieldnames = columns
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(
                        f"{path}, line {reader.line_num}: expected "
                        f"{len(columns)} cells, as in the header; quote cells "
                        f"that hold commas. Received: {_cells(row)}"
                    )
                rows.append((reader.line_num, row))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path}, after line {reader.line_num}: not a CSV file in "
                f"UTF-8 ({error}). Close every quote and save it as UTF-8."
            ) from error
    if not rows:
        raise ValueError(f"{path} has a header but no rows.")
    return rows


def _cells(row: dict) -> list[str]:
    surplus = row.get(None, [])
    kept = [v for k, v in row.items() if k is not None and v is not None]
    return kept + surplus


def _check_distinct(rows: Iterable[ClipRow], where) -> None:
    counts = Counter(row.clip_id for row in rows)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise ValueError(
            f"{where} must name every file once, with all its labels in one "
            f"row (separated by {LABEL_SEPARATOR!r}). Received several times: "
            f"{repeated[:5]} ({len(repeated)} files)"
        )


def _integer(text: str, column: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{where}: `{column}` must be an integer. Received: {text!r}"
        ) from None


def csv_rows(audio_dir, labels_csv) -> list[ClipRow]:
    """Rows of a directory of audio with a labels file.

    Args:
        audio_dir: path of the directory that file names are relative to.
        labels_csv: path of a CSV file with the columns `filename` and
            `labels` (class names separated by `;`), and optionally `split` or
            `fold`.

    Returns:
        list of ClipRow, in the order of the file.

    Raises:
        ValueError: naming the line, if the file is not such a table.
    """
    audio_dir = _audio_directory(audio_dir)
    rows = []
    for line, values in _read_table(labels_csv, ("filename", "labels")):
        where = f"{labels_csv}, line {line}"
        filename = values["filename"].strip()
        labels = parse_labels(values["labels"])
        if not filename or not labels:
            raise ValueError(
                f"{where}: every row needs a file name and at least one "
                "label; name the clips without events too, for example "
                f"`background`. Received: {_cells(values)}"
            )
        split = values.get("split", "").strip()
        fold = values.get("fold", "").strip()
        rows.append(
            ClipRow(
                clip_id=filename,
                path=str(audio_dir / filename),
                labels=labels,
                split=splits.canonical(split, where) if split else None,
                fold=_integer(fold, "fold", where) if fold else None,
            )
        )
    _check_distinct(rows, labels_csv)
    return rows


def folder_rows(audio_dir) -> list[ClipRow]:
    """Rows of a directory with one sub-directory of audio for each class.

    Args:
        audio_dir: path of the directory. Hidden files are left out, and files
            without an extension of audio, such as notes.

    Returns:
        list of ClipRow, sorted by path.

    Raises:
        ValueError: if there is no audio in sub-directories.
    """
    audio_dir = _audio_directory(audio_dir)
    rows = []
    for path in sorted(audio_dir.glob("*/**/*")):
        relative = path.relative_to(audio_dir)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        rows.append(
            ClipRow(relative.as_posix(), str(path), (relative.parts[0],))
        )
    if not rows:
        raise ValueError(
            f"{audio_dir} must have a sub-directory of audio files "
            f"({', '.join(AUDIO_SUFFIXES)}) for each class. Received: none. "
            "For files in one directory use --source=csv with --labels_csv."
        )
    return rows


def _esc_table(audio_dir: pathlib.Path) -> pathlib.Path:
    candidates = sorted((audio_dir / "meta").glob("*.csv"))
    for path in candidates:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        if set(_ESC_COLUMNS) <= {name.strip() for name in header}:
            return path
    raise ValueError(
        f"{audio_dir} must be laid out as ESC-50: `audio/`, and in `meta/` a "
        f"CSV file with the columns {','.join(_ESC_COLUMNS)}. "
        f"Received in meta: {[path.name for path in candidates]}"
    )


def esc_rows(audio_dir) -> tuple[list[ClipRow], tuple[str, ...]]:
    """Rows of ESC-10 or ESC-50.

    Args:
        audio_dir: path of the directory that holds `audio/` and `meta/`.

    Returns:
        Tuple of the list of ClipRow, in the order of the table, with folds
        and with the source recording as group, and the tuple of class names,
        in the order of their targets.

    Raises:
        ValueError: if the directory has another layout.
    """
    audio_dir = _audio_directory(audio_dir)
    table = _esc_table(audio_dir)
    names: dict[int, str] = {}
    rows = []
    for line, values in _read_table(table, _ESC_COLUMNS):
        where = f"{table}, line {line}"
        category = values["category"].strip()
        target = _integer(values["target"], "target", where)
        if names.setdefault(target, category) != category:
            raise ValueError(
                f"{where}: target {target} has two names, "
                f"{names[target]!r} and {category!r}."
            )
        rows.append(
            ClipRow(
                clip_id=values["filename"],
                path=str(audio_dir / "audio" / values["filename"]),
                labels=(category,),
                group=values.get("src_file") or None,
                fold=_integer(values["fold"], "fold", where),
            )
        )
    _check_distinct(rows, table)
    return rows, tuple(names[target] for target in sorted(names))
