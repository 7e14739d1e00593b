"""ESC-10 and ESC-50: environmental sounds in five folds."""

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
    "filename", "fold", "target", "category", "src_file"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EscSettings(
    SegmentSettings, FractionSettings, FoldSettings, FileSettings
):
    """ESC-10 or ESC-50: `audio_dir` holds `audio/` and `meta/`."""

    summary: ClassVar[str] = "ESC-10 or ESC-50 in --audio_dir"
    usual_label_type: ClassVar[str] = dataset_info.SINGLE_LABEL

    def open(self) -> Source:
        """Reads the table of the clips.

        Returns:
            Source, as `fold_table.read` returns it.

        Raises:
            ValueError: if the directory has another layout.
        """
        directory = AudioRoot(self.audio_dir).path
        table = fold_table.find_table([directory / "meta"], _COLUMNS.required)
        if table is None or not (directory / "audio").is_dir():
            raise ValueError(
                f"{directory} must be laid out as ESC-50: `audio/`, and in "
                "`meta/` a CSV file with the columns "
                f"{','.join(_COLUMNS.required)}. Received: "
                f"{sorted(path.name for path in directory.iterdir())}, in "
                "meta: "
                f"{sorted(path.name for path in directory.glob('meta/*.csv'))}"
            )
        root = AudioRoot(directory / "audio", self.allow_symlinks)
        return fold_table.read(table, root, _COLUMNS, lambda name, _: name)
