"""Labelled audio in the layouts that people have, as rows.

Each function reads one layout and gives a `Source`. Their options:

    csv_source      audio_dir, labels_csv
    folder_source   audio_dir
    esc_source      audio_dir
    urbansound8k_source     audio_dir
    speech_commands_source  audio_dir, cutter, background_labels
    annotations_source      audio_dir, cutter, annotations_dir, label_column,
                            min_overlap_seconds
    fsd50k_source   audio_dir
    audioset_source audio_dir, class_labels_csv, train_segments,
                    evaluation_segments, validation_fraction, blacklist,
                    whole_recordings

and `allow_symlinks`, which every one of them has. Rows of FSD50K and AudioSet
come with splits; for the others `splits.assign` makes or checks them.
"""

from data_pipeline.sources.annotations import annotations_source
from data_pipeline.sources.audioset import audioset_source
from data_pipeline.sources.csv_file import csv_source
from data_pipeline.sources.esc import esc_source
from data_pipeline.sources.folder import folder_source
from data_pipeline.sources.fsd50k import fsd50k_source
from data_pipeline.sources.source import Source
from data_pipeline.sources.speech_commands import BACKGROUND
from data_pipeline.sources.speech_commands import speech_commands_source
from data_pipeline.sources.urbansound8k import urbansound8k_source

__all__ = [
    "BACKGROUND",
    "Source",
    "annotations_source",
    "audioset_source",
    "csv_source",
    "esc_source",
    "folder_source",
    "fsd50k_source",
    "speech_commands_source",
    "urbansound8k_source",
]
