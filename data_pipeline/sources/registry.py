"""All sources that read files: a new one is its module and a line here."""

import dataclasses

from data_pipeline.sources.annotations import AnnotationsSettings
from data_pipeline.sources.audioset import AudioSetSettings
from data_pipeline.sources.csv_file import CsvSettings
from data_pipeline.sources.esc import EscSettings
from data_pipeline.sources.folder import FolderSettings
from data_pipeline.sources.fsd50k import Fsd50kSettings
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.speech_commands import SpeechCommandsSettings
from data_pipeline.sources.urbansound8k import UrbanSound8KSettings
from ofa_aec_tf.checks import settings

# By the name that --source has for them.
SOURCES: dict[str, type[FileSettings]] = {
    "csv": CsvSettings,
    "folder": FolderSettings,
    "esc": EscSettings,
    "urbansound8k": UrbanSound8KSettings,
    "speech_commands": SpeechCommandsSettings,
    "annotations": AnnotationsSettings,
    "audioset": AudioSetSettings,
    "fsd50k": Fsd50kSettings,
}


def path_settings() -> set[str]:
    """Names of all settings that are paths."""
    return {
        field.name
        for source in SOURCES.values()
        for field in dataclasses.fields(source)
        if (known := settings.of(field)) is not None and known.is_path
    }
