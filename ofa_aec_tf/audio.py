"""Audio files to mono float32 waveforms, and what can be wrong with them."""

import math
import os
import pathlib
import stat

import numpy as np
import soundfile
import soxr

MIN_FILE_RATE_HZ = 4000
MAX_FILE_RATE_HZ = 384_000
MIN_SECONDS = 0.05
MAX_ABSOLUTE_SAMPLE = 64.0

# Read past the wanted end, so that the resampler's filter sees the audio that
# follows there: a bounded read then equals the start of an unbounded one.
_MARGIN_SECONDS = 0.1
_BLOCK_FRAMES = 65_536


class AudioError(ValueError):
    """An audio file that cannot be used.

    Args:
        path: path of the file.
        code: str. Stable name of the kind of fault, for counting: `missing`,
            `not_a_file`, `empty_file`, `unreadable`, `undecodable`,
            `bad_sample_rate`, `no_samples`, `too_short`, `non_finite`,
            `out_of_range` or (in mixtures only) `silent`.
        reason: str. What is wrong, for people.
    """

    def __init__(self, path, code: str, reason: str):
        # All of them are passed on, because unpickling calls this with `args`.
        super().__init__(str(path), code, reason)
        self.path = str(path)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({self.code})"


def _open(path: pathlib.Path) -> int:
    """File descriptor of a non-empty regular file."""
    try:
        status = path.stat()
        is_regular = stat.S_ISREG(status.st_mode)
        # Nothing else is opened: a named pipe would block here.
        if is_regular and status.st_size:
            return os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(path, "missing", "there is no such file") from None
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the name.
        reason = f"cannot be opened: {error}"
        raise AudioError(path, "unreadable", reason) from error
    if not is_regular:
        raise AudioError(path, "not_a_file", "not a regular file")
    raise AudioError(path, "empty_file", "the file has no bytes")


def _read_mono(file: soundfile.SoundFile, max_frames: float) -> np.ndarray:
    # By blocks: a header may announce far more samples than the file has, and
    # memory for all of them would be allocated at once.
    blocks = []
    remaining = max_frames
    while remaining > 0:
        num_wanted = int(min(_BLOCK_FRAMES, remaining))
        block = file.read(num_wanted, dtype="float32", always_2d=True)
        if not len(block):
            break
        # Samples that are not finite are found, and reported, later.
        with np.errstate(all="ignore"):
            blocks.append(block.mean(axis=1, dtype=np.float32))
        remaining -= len(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode(path: pathlib.Path, max_seconds) -> tuple[np.ndarray, int]:
    descriptor = _open(path)
    try:
        # By descriptor, so that the content alone tells the format: files
        # with another format's extension are common.
        with soundfile.SoundFile(descriptor, closefd=False) as file:
            rate_hz = file.samplerate
            if not MIN_FILE_RATE_HZ <= rate_hz <= MAX_FILE_RATE_HZ:
                raise AudioError(
                    path,
                    "bad_sample_rate",
                    f"expected a sample rate in {MIN_FILE_RATE_HZ}..."
                    f"{MAX_FILE_RATE_HZ} Hz, received {rate_hz} Hz",
                )
            max_frames = math.inf
            if max_seconds is not None:
                max_frames = round((max_seconds + _MARGIN_SECONDS) * rate_hz)
            return _read_mono(file, max_frames), rate_hz
    except soundfile.LibsndfileError as error:
        raise AudioError(path, "undecodable", error.error_string) from None
    finally:
        os.close(descriptor)


def load_audio(
    path, sample_rate_hz: int, max_seconds: float | None = None
) -> np.ndarray:
    """Reads an audio file as a mono waveform.

    The format is told from the content, whatever the extension says: WAV,
    FLAC, Ogg Vorbis, Ogg Opus, MP3 and the others of libsndfile. Channels are
    averaged.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.
        max_seconds: float or None. Read no more than this from the start.

    Returns:
        float32 array of shape (num_samples,), full scale at 1.

    Raises:
        AudioError: if the file is missing or broken, is shorter than 50 ms,
            or has samples that are not finite or beyond 64 times full scale.
    """
    path = pathlib.Path(path)
    waveform, rate_hz = _decode(path, max_seconds)
    if not waveform.size:
        raise AudioError(path, "no_samples", "the file holds no samples")
    if waveform.size < MIN_SECONDS * rate_hz:
        raise AudioError(
            path,
            "too_short",
            f"expected at least {MIN_SECONDS} s, received "
            f"{waveform.size / rate_hz:.3f} s",
        )
    if not np.isfinite(waveform).all():
        raise AudioError(path, "non_finite", "samples are NaN or infinite")
    peak = float(np.abs(waveform).max())
    if peak > MAX_ABSOLUTE_SAMPLE:
        raise AudioError(
            path,
            "out_of_range",
            f"expected samples within {MAX_ABSOLUTE_SAMPLE} times full scale, "
            f"received {peak:g}",
        )
    if rate_hz != sample_rate_hz:
        waveform = soxr.resample(waveform, rate_hz, sample_rate_hz, "HQ")
    if max_seconds is not None:
        waveform = waveform[: round(max_seconds * sample_rate_hz)]
    return np.ascontiguousarray(waveform, np.float32)


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """Crops a waveform, or pads it with zeros, at its end.

    Args:
        waveform: float array of shape (any,).
        num_samples: int. Length of the result.

    Returns:
        Array of shape (num_samples,) with the dtype of `waveform`.
    """
    missing = max(0, num_samples - len(waveform))
    return np.pad(waveform[:num_samples], (0, missing))
