"""Tells files that are audio from all others, by their content."""

import os
import pathlib

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import soundfile_decoder
from ofa_aec_tf.audio.errors import AudioError


def is_audio(path) -> bool:
    """Whether a file is audio, or was before it broke.

    The content decides, never the name: so it is with what one of the decoders
    can read, and what has the signature of audio, with nothing sound behind
    it. The name counts only where there is no content to go by, in a file that
    is empty or cannot be opened, and where MP3 frames begin somewhere after
    something unknown, as they do in archives. Samples without a header are not
    audio.

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
