"""Labels files: where they are and how to read them."""

import dataclasses

from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables.table_file import DELIMITERS
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSettings(settings.Settings):
    """How to read a labels file.

    A column is given by its name, or by its number from 1 on. None means that
    it is found; `""` that there is none.
    """

    labels_csv: str = setting(
        settings.REQUIRED,
        "Table with a column of files and a column of labels, or a column of 0 "
        "and 1 for each class; optionally with split, fold, group (clips that "
        "must stay in one split), and start and end in seconds. Usual names of "
        "columns are recognized, in upper or lower case.",
        is_path=True,
    )
    delimiter: str | None = setting(
        None,
        f"What separates the cells of --labels_csv: {', '.join(DELIMITERS)}, "
        "or a character. By default it is found.",
    )
    label_separator: str = setting(
        cell_values.LABEL_SEPARATOR,
        "What separates several labels in one cell of --labels_csv.",
    )
    filename_column: str | None = setting(
        None,
        "Column of the files in --labels_csv: its name, or its number from 1 "
        "on. By default one with a usual name, or whose files are in "
        "--audio_dir.",
    )
    labels_column: tuple[str, ...] = setting(
        (),
        "Column of the labels, likewise. The labels of several columns are "
        "united; columns of 0 and 1 are classes.",
    )
    split_column: str | None = setting(
        None,
        "Column of the splits, likewise; nothing for none: --split_column=.",
    )
    group_column: str | None = setting(None, "Column of the groups, likewise.")
    start_column: str | None = setting(
        None, "Column of the starts in seconds, likewise."
    )
    end_column: str | None = setting(
        None, "Column of the ends in seconds, likewise."
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.label_separator:
            raise ValueError(
                "--label_separator must be one or more characters."
            )
