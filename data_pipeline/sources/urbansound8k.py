"""UrbanSound8K: slices of field recordings in ten folds."""

from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import fold_table

_COLUMNS = fold_table.Columns(
    "slice_file_name", "fold", "classID", "class", "fsID"
)


def urbansound8k_source(audio_dir, allow_symlinks: bool = False) -> Source:
    """Rows of UrbanSound8K.

    `start` and `end` of its table are those of a slice in the recording that
    it was cut from, which is not in the set; they and `salience` are not used.

    Args:
        audio_dir: path of the directory that holds `audio/fold1/` and so on
            and `metadata/UrbanSound8K.csv`; or of one with the folds and the
            table in itself, as it is published elsewhere.
        allow_symlinks: bool. Whether links may lead out of the directory of
            the folds.

    Returns:
        Source, as `fold_table.read` returns it.

    Raises:
        ValueError: if the directory has another layout.
    """
    directory = AudioRoot(audio_dir).path
    table = fold_table.find_table(
        [directory / "metadata", directory], _COLUMNS.required
    )
    audio = directory / "audio"
    if not audio.is_dir():
        audio = directory
    if table is None or not any(audio.glob("fold*")):
        raise ValueError(
            f"{directory} must be laid out as UrbanSound8K: `audio/fold1/` and "
            "so on, and in `metadata/` a CSV file with the columns "
            f"{','.join(_COLUMNS.required)}. Received: "
            f"{sorted(path.name for path in directory.iterdir())}"
        )
    root = AudioRoot(audio, allow_symlinks)
    return fold_table.read(
        table, root, _COLUMNS, lambda name, fold: f"fold{fold}/{name}"
    )
