"""UrbanSound8K: slices of field recordings in ten folds."""

import dataclasses
from typing import ClassVar

from data_pipeline.sources.division import FoldSettings
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import fold_table
from ofa_aec_tf.data import dataset_info

_COLUMNS = fold_table.Columns(
    "slice_file_name", "fold", "classID", "class", "fsID"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UrbanSound8KSettings(
    SegmentSettings, FractionSettings, FoldSettings, FileSettings
):
    """UrbanSound8K.

    `audio_dir` holds `audio/fold1/` and so on, and
    `metadata/UrbanSound8K.csv`; or the folds and the table themselves, as
    republished elsewhere.
    """

    summary: ClassVar[str] = "UrbanSound8K as published, in --audio_dir"
    usual_label_type: ClassVar[str] = dataset_info.SINGLE_LABEL
    has_usual_folds: ClassVar[bool] = True

    def open(self) -> Source:
        """Reads the table of the slices.

        Its `start` and `end` are places in recordings that are not part of the
        set. They are not used, and neither is `salience`.

        Returns:
            Source, as `fold_table.read` returns it.

        Raises:
            ValueError: if the directory has another layout.
        """
        directory = AudioRoot(self.audio_dir).path
        table = fold_table.find_table(
            [directory / "metadata", directory], _COLUMNS.required
        )
        audio = directory / "audio"
        if not audio.is_dir():
            audio = directory
        if table is None or not any(audio.glob("fold*")):
            raise ValueError(
                f"{directory} must be laid out as UrbanSound8K: `audio/fold1/` "
                "and so on, and in `metadata/` a CSV file with the columns "
                f"{','.join(_COLUMNS.required)}. Received: "
                f"{sorted(path.name for path in directory.iterdir())}"
            )
        root = AudioRoot(audio, self.allow_symlinks)
        return fold_table.read(
            table, root, _COLUMNS, lambda name, fold: f"fold{fold}/{name}"
        )
