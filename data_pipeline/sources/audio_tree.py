"""Which files of a directory are audio, by what they are."""

import os
from collections.abc import Iterator

from data_pipeline.clips import SkippedRow
from data_pipeline.sources.paths import AudioRoot
from ofa_aec_tf import audio

# Never audio; asking a decoder takes longer than the rest of the listing.
_TEXT_SUFFIXES = (".cfg", ".csv", ".jams", ".json", ".md", ".tsv", ".txt")


def list_files(root: AudioRoot) -> tuple[list[str], list[str]]:
    """The files of a directory and of those in it.

    Links to directories are followed as far as `root` allows it; one that is
    not is listed as a file, and a directory is gone through once.

    Args:
        root: AudioRoot.

    Returns:
        tuple of the names of audio files and of the others, relative to the
        directory and sorted; hidden ones are left out.
    """
    audio_files, others = [], []
    for name in sorted(_names(root)):
        path = root.path / name
        if path.suffix.lower() in audio.AUDIO_SUFFIXES or path.is_dir():
            audio_files.append(name)
        elif path.suffix.lower() in _TEXT_SUFFIXES or not _is_audio(path):
            others.append(name)
        else:
            audio_files.append(name)
    return audio_files, others


def not_audio(name: str) -> SkippedRow:
    """The row of a file that is no audio."""
    return SkippedRow(name, name, "not_audio", "no audio, by its content")


def _is_audio(path) -> bool:
    try:
        audio.duration_seconds(path)
    except audio.AudioError:
        return False
    return True


def _names(root: AudioRoot) -> Iterator[str]:
    visited = set()
    for directory, inside, files in os.walk(root.path, followlinks=True):
        real_path = os.path.realpath(directory)
        if real_path in visited:
            inside.clear()
            continue
        visited.add(real_path)
        relative = os.path.relpath(directory, root.path)
        followed = []
        for name in sorted(inside):
            path = os.path.join(directory, name)
            if name.startswith("."):
                continue
            if root.allow_symlinks or not root.leads_out(path):
                followed.append(name)
            else:
                files.append(name)
        inside[:] = followed
        for name in files:
            if not name.startswith("."):
                yield os.path.normpath(os.path.join(relative, name))
