"""Hashes that change exactly when clips and shards would.

They come from the content of the audio files, never from paths or times: a file
that was replaced is read again, but a corpus that was moved is not.
"""

import hashlib
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from data_pipeline.clips.clip import Clip
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio import AudioError
from ofa_aec_tf.audio import contents

# Part of all keys. Raise it when the same plan would give other records.
CONTENT_VERSION = 3

_KEY_DIGITS = 32


def of_values(*values) -> str:
    """Hashes values of JSON types."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def of_features(log_mel: np.ndarray) -> str:
    """Hashes a spectrogram, so that copies of a clip have equal hashes."""
    return hashlib.sha256(log_mel.tobytes()).hexdigest()[:_KEY_DIGITS]


def _of_file(path: str) -> str:
    """Hashes the bytes of a file, or says why they cannot be read."""
    try:
        with (
            contents.opened(pathlib.Path(path)) as descriptor,
            open(descriptor, "rb", closefd=False) as file,
        ):
            return hashlib.file_digest(file, "sha256").hexdigest()
    except AudioError as error:
        return error.code
    except OSError:
        return "unreadable"


def of_clips(clips: Sequence[Clip], config: PreprocessConfig) -> list[str]:
    """Hashes what decides the features of clips.

    Args:
        clips: sequence of Clip.
        config: PreprocessConfig.

    Returns:
        list of str.
    """
    # What one decoder cannot read, another may.
    versions = {
        name: audio.decoder_versions(name)
        for name in {name for clip in clips for name in clip.decoders}
    }
    paths = {path for clip in clips for path in clip.audio_paths}
    files = {path: _of_file(path) for path in paths}
    return [
        of_values(
            CONTENT_VERSION,
            config.frontend.to_json(),
            config.num_samples,
            clip.to_json(),
            [files[path] for path in clip.audio_paths],
            [versions[name] for name in clip.decoders],
        )
        for clip in clips
    ]
