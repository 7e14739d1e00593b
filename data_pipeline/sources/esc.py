"""ESC-10 and ESC-50: environmental sounds in five folds."""

from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import fold_table

_COLUMNS = fold_table.Columns(
    "filename", "fold", "target", "category", "src_file"
)


def esc_source(audio_dir, allow_symlinks: bool = False) -> Source:
    """Rows of ESC-10 or ESC-50.

    Args:
        audio_dir: path of the directory that holds `audio/` and `meta/`.
        allow_symlinks: bool. Whether links in `audio/` may lead out of it.

    Returns:
        Source, as `fold_table.read` returns it.

    Raises:
        ValueError: if the directory has another layout.
    """
    directory = AudioRoot(audio_dir).path
    table = fold_table.find_table([directory / "meta"], _COLUMNS.required)
    if table is None or not (directory / "audio").is_dir():
        raise ValueError(
            f"{directory} must be laid out as ESC-50: `audio/`, and in `meta/` "
            f"a CSV file with the columns {','.join(_COLUMNS.required)}. "
            f"Received: {sorted(path.name for path in directory.iterdir())}, "
            "in meta: "
            f"{sorted(path.name for path in directory.glob('meta/*.csv'))}"
        )
    root = AudioRoot(directory / "audio", allow_symlinks)
    return fold_table.read(table, root, _COLUMNS, lambda name, _: name)
