"""Which files of a directory are audio, by what they are."""

import os

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.audio_index import may_be_audio
from data_pipeline.sources.files.file_tree import FileTree
from data_pipeline.sources.files.paths import AudioRoot


def list_files(
    root: AudioRoot,
) -> tuple[list[str], list[str], list[SkippedRow]]:
    """The files of a directory and of those in it.

    Args:
        root: AudioRoot.

    Returns:
        tuple of the names of audio files and of the others, relative to the
        directory and sorted, and of what was not gone into. Hidden files are
        in none of them.
    """
    audio_files, others = [], []
    tree = FileTree(root)
    for directory, entry in tree.files():
        if entry.name.startswith("."):
            continue
        name = os.path.join(directory, entry.name)
        (audio_files if may_be_audio(entry.path) else others).append(name)
    return sorted(audio_files), sorted(others), list(tree.skipped)


def not_audio(name: str) -> SkippedRow:
    """The row of a file that is no audio."""
    return SkippedRow(name, name, "not_audio", "no audio, by its content")
