"""A source of its own, which `registry_test` adds by one line."""

import dataclasses
import pathlib
import runpy
from typing import ClassVar

from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources import registry
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from ofa_aec_tf.checks.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToySettings(SegmentSettings, FractionSettings, FileSettings):
    """Files whose names begin with their label."""

    label_mark: str = setting("_", "What ends the label in a file name.")
    lists_dir: str | None = setting(None, "Not read.", is_path=True)

    summary: ClassVar[str] = "files named LABEL_NUMBER.wav"

    def open(self) -> Source:
        """Lists the directory."""
        return Source(
            [
                ClipRow(path.name, str(path), (path.name.split("_")[0],))
                for path in sorted(pathlib.Path(self.audio_dir).iterdir())
            ]
        )


if __name__ == "__main__":
    registry.SOURCES["toy"] = ToySettings
    runpy.run_module("data_pipeline.preprocess", run_name="__main__")
