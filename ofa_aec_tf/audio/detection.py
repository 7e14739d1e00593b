"""Tells audio files from other files, by their content."""

import os
import pathlib

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import soundfile_decoder
from ofa_aec_tf.audio.errors import AudioError


def is_audio(path) -> bool:
    """Whether a file is audio, or was before it broke.

    The content decides: a file is audio if a decoder can read it, or if it has
    the signature of audio, even with nothing valid after that. The name counts
    only for files that are empty or cannot be opened, and for MP3 frames after
    unknown bytes, which archives have too. Raw audio samples without a header
    are not audio.

    Args:
        path: path of a file.

    Returns:
        bool. False for directories.
    """
    path = pathlib.Path(path)
    has_audio_name = path.suffix.lower() in contents.AUDIO_SUFFIXES
    try:
        with contents.opened(path) as descriptor:
            content = contents.sniff(descriptor)
            if content.name is not None:
                return has_audio_name or not content.has_garbage
            return soundfile_decoder.has_header(descriptor)
    except (AudioError, OSError):
        return has_audio_name and not os.path.isdir(path)
