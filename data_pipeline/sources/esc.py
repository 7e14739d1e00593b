"""ESC-10 and ESC-50: environmental sounds in five folds."""

import csv
import pathlib

from data_pipeline.clips import ClipRow
from data_pipeline.clips import SkippedRow
from data_pipeline.sources import tables
from data_pipeline.sources.paths import AudioRoot
from data_pipeline.sources.source import Source

_COLUMNS = ("filename", "fold", "target", "category")


def _find_table(audio_dir: pathlib.Path) -> pathlib.Path:
    candidates = sorted((audio_dir / "meta").glob("*.csv"))
    if (audio_dir / "audio").is_dir():
        for path in candidates:
            with open(path, encoding="utf-8-sig", newline="") as file:
                header = next(csv.reader(file), [])
            if set(_COLUMNS) <= {name.strip() for name in header}:
                return path
    raise ValueError(
        f"{audio_dir} must be laid out as ESC-50: `audio/`, and in `meta/` a "
        f"CSV file with the columns {','.join(_COLUMNS)}. Received: "
        f"{sorted(path.name for path in audio_dir.iterdir())}, "
        f"in meta: {[path.name for path in candidates]}"
    )


def esc_source(audio_dir, allow_symlinks: bool = False) -> Source:
    """Rows of ESC-10 or ESC-50.

    Args:
        audio_dir: path of the directory that holds `audio/` and `meta/`.
        allow_symlinks: bool. Whether links in `audio/` may lead out of it.

    Returns:
        Source with the rows in the order of the table, with folds and with
        the source recording as group, and the class names in the order of
        their targets.

    Raises:
        ValueError: if the directory has another layout.
    """
    table = _find_table(AudioRoot(audio_dir).path)
    root = AudioRoot(table.parents[1] / "audio", allow_symlinks)
    names: dict[int, str] = {}
    rows: list[ClipRow | SkippedRow] = []
    for line, values in tables.read_table(table, _COLUMNS):
        where = f"{table}, line {line}"
        category = values["category"].strip()
        target = tables.parse_integer(values["target"], "target", where)
        if names.setdefault(target, category) != category:
            raise ValueError(
                f"{where}: target {target} has two names, "
                f"{names[target]!r} and {category!r}."
            )
        fold = tables.parse_integer(values["fold"], "fold", where)
        clip_id = values["filename"]
        path = root.join(clip_id, clip_id)
        if isinstance(path, SkippedRow):
            rows.append(path)
            continue
        group = values.get("src_file") or None
        rows.append(ClipRow(clip_id, path, (category,), None, group, fold))
    tables.check_distinct(rows, table)
    class_names = tuple(names[target] for target in sorted(names))
    return Source(rows, class_names)
