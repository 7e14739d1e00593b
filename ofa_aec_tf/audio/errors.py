"""Errors of audio files, with stable codes."""

import numpy as np

MIN_FILE_RATE_HZ = 4000
MAX_FILE_RATE_HZ = 384_000
MIN_SECONDS = 0.05
MAX_ABSOLUTE_SAMPLE = 64.0


class AudioError(ValueError):
    """An audio file that cannot be used.

    Args:
        path: path of the file.
        code: str. Stable code of the fault, for counting: `missing`,
            `not_a_file`, `empty_file`, `unreadable`, `undecodable`,
            `bad_sample_rate`, `no_samples`, `too_short`, `non_finite` or
            `out_of_range`; only in mixtures `silent`; and from isolated
            rendering `crashed` or `timed_out`.
        reason: str. What is wrong, for messages.
    """

    def __init__(self, path, code: str, reason: str):
        # Unpickling calls this with `args`, so all arguments are passed on.
        super().__init__(str(path), code, reason)
        self.path = str(path)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({self.code})"


def check_sample_rate(path, rate_hz: int) -> None:
    """Refuses rates that no recording has.

    For a file that claims 1 Hz, a resampler would need gigabytes.

    Args:
        path: path of the file.
        rate_hz: int. Sample rate of the file.

    Raises:
        AudioError: `bad_sample_rate`.
    """
    if not MIN_FILE_RATE_HZ <= rate_hz <= MAX_FILE_RATE_HZ:
        raise AudioError(
            path,
            "bad_sample_rate",
            f"expected a sample rate in {MIN_FILE_RATE_HZ}..."
            f"{MAX_FILE_RATE_HZ} Hz, received {rate_hz} Hz",
        )


def check_samples(path, samples: np.ndarray) -> None:
    """Refuses samples that would give features that are not finite.

    Args:
        path: path of the file.
        samples: float32 array of shape (num_frames,), not empty.

    Raises:
        AudioError: `non_finite` or `out_of_range`.
    """
    # NaN if a sample is.
    peak = max(-float(samples.min()), float(samples.max()))
    if not np.isfinite(peak):
        raise AudioError(path, "non_finite", "samples are NaN or infinite")
    if peak > MAX_ABSOLUTE_SAMPLE:
        raise AudioError(
            path,
            "out_of_range",
            f"expected samples within {MAX_ABSOLUTE_SAMPLE} times full scale, "
            f"received {peak:g}",
        )


def rate_changes(path, decoder: str, rate_hz: int, new_rate_hz: int):
    """The error of a file whose sample rate changes."""
    return AudioError(
        path,
        "undecodable",
        f"{decoder}: the sample rate changes from {rate_hz} to {new_rate_hz} "
        "Hz inside the file",
    )


def no_samples(path) -> AudioError:
    """The error of a file with a header and no samples."""
    return AudioError(path, "no_samples", "the file holds no samples")
