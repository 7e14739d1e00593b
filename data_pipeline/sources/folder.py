"""A directory with one sub-directory of audio for each class."""

from data_pipeline.clips import ClipRow
from data_pipeline.clips import SkippedRow
from data_pipeline.sources.paths import AudioRoot
from data_pipeline.sources.source import Source
from ofa_aec_tf.audio import AUDIO_SUFFIXES


def folder_source(audio_dir, allow_symlinks: bool = False) -> Source:
    """Rows of a directory with one sub-directory of audio for each class.

    Args:
        audio_dir: path of the directory. Hidden files are left out, and files
            without an extension of audio, such as notes.
        allow_symlinks: bool. Whether links may lead out of `audio_dir`.

    Returns:
        Source with the rows sorted by path.

    Raises:
        ValueError: if there is no audio in sub-directories.
    """
    root = AudioRoot(audio_dir, allow_symlinks)
    rows: list[ClipRow | SkippedRow] = []
    for file in sorted(root.path.glob("*/**/*")):
        relative = file.relative_to(root.path)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or file.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        clip_id = relative.as_posix()
        path = root.join(clip_id, clip_id)
        if isinstance(path, SkippedRow):
            rows.append(path)
        else:
            rows.append(ClipRow(clip_id, path, (relative.parts[0],)))
    if not rows:
        raise ValueError(
            f"{root.path} must have a sub-directory of audio files "
            f"({', '.join(AUDIO_SUFFIXES)}) for each class. Received: none. "
            "For files in one directory use --source=csv with --labels_csv."
        )
    return Source(rows)
