"""A directory of audio with a labels file of the user's."""

from data_pipeline import splits
from data_pipeline.clips import ClipRow
from data_pipeline.clips import SkippedRow
from data_pipeline.sources import tables
from data_pipeline.sources.paths import AudioRoot
from data_pipeline.sources.source import Source


def csv_source(audio_dir, labels_csv, allow_symlinks: bool = False) -> Source:
    """Rows of a directory of audio with a labels file.

    Args:
        audio_dir: path of the directory that file names are relative to.
        labels_csv: path of a CSV file with the columns `filename` and
            `labels` (class names separated by `;`), and optionally `split`,
            `fold`, `group` (clips of one group stay in one split) and
            `start_seconds` (where the clip starts in the file; a file may
            then have several rows, which stay in one split).
        allow_symlinks: bool. Whether links may lead out of `audio_dir`.

    Returns:
        Source with the rows in the order of the file. The clip id is the file
        name, and `filename@start` where the start is given.

    Raises:
        ValueError: naming the line, if the file is not such a table.
    """
    root = AudioRoot(audio_dir, allow_symlinks)
    rows = []
    of_file: dict[str, tuple] = {}
    for line, values in tables.read_table(labels_csv, ("filename", "labels")):
        where = f"{labels_csv}, line {line}"
        row = _row(root, values, where)
        rows.append(row)
        if isinstance(row, ClipRow):
            place = row.split, row.fold, row.group
            if of_file.setdefault(row.path, place) != place:
                raise ValueError(
                    f"{where}: all rows of a file must have the same split, "
                    "fold and group. Received for "
                    f"{values['filename']}: {place}, and before "
                    f"{of_file[row.path]}"
                )
    tables.check_distinct(rows, labels_csv)
    return Source(rows)


def _row(
    root: AudioRoot, values: dict[str, str], where: str
) -> ClipRow | SkippedRow:
    filename = values["filename"].strip()
    labels = tables.parse_labels(values["labels"])
    if not filename or not labels:
        raise ValueError(
            f"{where}: every row needs a file name and at least one "
            "label; name the clips without events too, for example "
            f"`background`. Received: {list(values.values())}"
        )
    split = values.get("split", "").strip()
    split = splits.canonical(split, where) if split else None
    fold = values.get("fold", "").strip()
    fold = tables.parse_integer(fold, "fold", where) if fold else None
    group = values.get("group", "").strip() or None
    clip_id, start_seconds = filename, 0.0
    start = values.get("start_seconds", "").strip()
    if start:
        start_seconds = tables.parse_seconds(start)
        if start_seconds is None:
            return SkippedRow(
                f"{filename}@{start}",
                filename,
                "bad_segment",
                f"{where}: `start_seconds` must be a number from 0 on. "
                f"Received: {start!r}",
                split,
            )
        clip_id = f"{filename}@{tables.format_seconds(start_seconds)}"
    # Parts of one recording are related. Where there are folds, they must
    # say so themselves, as files are not all that they know.
    if "start_seconds" in values and fold is None:
        group = group or filename
    path = root.join(filename, clip_id, split)
    if isinstance(path, SkippedRow):
        return path
    return ClipRow(clip_id, path, labels, split, group, fold, start_seconds)
