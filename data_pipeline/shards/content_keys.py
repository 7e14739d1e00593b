"""Hashes that change whenever clips and shards would, and not otherwise.

They are made of the content of the audio files, never of their paths or times:
a file that was replaced is read again, and a corpus that was moved is not.
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

# Part of all keys: raise it when the same plan gives other records.
CONTENT_VERSION = 3

_KEY_DIGITS = 32


def of_values(*values) -> str:
    """Hash of values of JSON types."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def of_features(log_mel: np.ndarray) -> str:
    """Hash of a spectrogram: equal for clips that sound the same."""
    return hashlib.sha256(log_mel.tobytes()).hexdigest()[:_KEY_DIGITS]


def _of_file(path: str) -> str:
    """Hash of the bytes of a file, or why they cannot be read."""
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
    """Hashes of what decides the features of clips.

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
