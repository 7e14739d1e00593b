"""Flags of labels files: where one is, and how to read it."""

from absl import flags

from data_pipeline import sources
from data_pipeline.sources.csv_file import CsvOptions
from data_pipeline.sources.tables import table as tables
from data_pipeline.sources.tables.columns import ColumnNames
from data_pipeline.sources.tables.table_file import DELIMITERS
from ofa_aec_tf.command_flags import path_flags

LABELS_CSV = path_flags.define_path(
    "labels_csv",
    None,
    "Table with a column of files and a column of labels, or a column of 0 "
    "and 1 for each class; optionally with split, fold, group (clips that "
    "must stay in one split), and start and end in seconds. Usual names of "
    "columns are known, in any case.",
)
_DELIMITER = flags.DEFINE_string(
    "delimiter",
    None,
    f"What separates the cells of --labels_csv: {', '.join(DELIMITERS)}, or a "
    "character. By default it is found.",
)
_LABEL_SEPARATOR = flags.DEFINE_string(
    "label_separator",
    tables.LABEL_SEPARATOR,
    "What separates several labels in one cell of --labels_csv.",
)
_FILENAME_COLUMN = flags.DEFINE_string(
    "filename_column",
    None,
    "Column of the files in --labels_csv: its name, or its number from 1 on. "
    "By default one with a usual name, or whose files lie in --audio_dir.",
)
_LABELS_COLUMN = flags.DEFINE_list(
    "labels_column",
    [],
    "Column of the labels, likewise. Of several, the labels are united; "
    "columns of 0 and 1 are classes.",
)
_SPLIT_COLUMN = flags.DEFINE_string(
    "split_column",
    None,
    "Column of the splits, likewise; nothing for none: --split_column=.",
)
_GROUP_COLUMN = flags.DEFINE_string(
    "group_column", None, "Column of the groups, likewise."
)
_START_COLUMN = flags.DEFINE_string(
    "start_column", None, "Column of the starts in seconds, likewise."
)
_END_COLUMN = flags.DEFINE_string(
    "end_column", None, "Column of the ends in seconds, likewise."
)

# As `source_flags` checks them.
SOURCES_OF_FLAG = tuple(
    (flag, ("csv",))
    for flag in (
        LABELS_CSV,
        _DELIMITER,
        _LABEL_SEPARATOR,
        _FILENAME_COLUMN,
        _LABELS_COLUMN,
        _SPLIT_COLUMN,
        _GROUP_COLUMN,
        _START_COLUMN,
        _END_COLUMN,
    )
)


def csv_source(
    audio_dir, single_label: bool, allow_symlinks: bool
) -> sources.Source:
    """The labels file that the flags name.

    Args:
        audio_dir: path of the directory of the audio files.
        single_label: bool. Whether every clip must have one label.
        allow_symlinks: bool. Whether links may lead out of it.

    Raises:
        ValueError: as `sources.csv_source`.
    """
    if not _LABEL_SEPARATOR.value:
        raise ValueError("--label_separator must be a character, or several.")
    return sources.csv_source(
        audio_dir,
        LABELS_CSV.value,
        allow_symlinks,
        CsvOptions(
            _DELIMITER.value,
            _LABEL_SEPARATOR.value,
            ColumnNames(
                _FILENAME_COLUMN.value,
                tuple(_LABELS_COLUMN.value),
                _SPLIT_COLUMN.value,
                _GROUP_COLUMN.value,
                _START_COLUMN.value,
                _END_COLUMN.value,
            ),
            single_label,
        ),
    )
