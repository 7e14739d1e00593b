"""The frames of a file that are wanted, and those that were decoded."""

import collections
import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np

# Read before and after the wanted part, for the filter of the resampler: a part
# then equals the same part of the whole file, resampled.
_MARGIN_SECONDS = 0.1
MIN_READ_SECONDS = 0.001
# Frames to average at once.
BLOCK_FRAMES = 65_536
# Samples of all channels to read at once.
READ_SAMPLES = 2**20


@dataclasses.dataclass(frozen=True)
class Window:
    """The wanted part of a file.

    Args:
        sample_rate_hz: int. Rate that the part is resampled to.
        start_seconds: float, not negative.
        max_seconds: float or None. None is the rest of the file.
    """

    sample_rate_hz: int
    start_seconds: float
    max_seconds: float | None

    @property
    def end_seconds(self) -> float:
        """Where the part ends; infinity for the rest of the file."""
        if self.max_seconds is None:
            return math.inf
        return self.start_seconds + self.max_seconds

    def __post_init__(self):
        is_start = 0 <= self.start_seconds < math.inf
        max_seconds = self.max_seconds
        is_length = (
            max_seconds is None or MIN_READ_SECONDS <= max_seconds < math.inf
        )
        if not is_start or not is_length or self.sample_rate_hz < 1:
            raise ValueError(
                "Expected a positive `sample_rate_hz`, a finite "
                "`start_seconds` that is not negative and `max_seconds` of "
                f"None or at least {MIN_READ_SECONDS}. Received: "
                f"sample_rate_hz={self.sample_rate_hz}, "
                f"start_seconds={self.start_seconds}, "
                f"max_seconds={max_seconds}"
            )

    def frames(self, rate_hz: int) -> tuple[int, float]:
        """Frames to read: the wanted ones and margins around them.

        Args:
            rate_hz: int. Sample rate of the file.

        Returns:
            tuple of the first frame (int) and of the one after the last (int,
            or infinity). The first coincides with a sample at
            `sample_rate_hz`, so that resampling gives the same samples as if
            it had begun with the file.
        """
        step = rate_hz // math.gcd(rate_hz, self.sample_rate_hz)
        begin = max(0.0, self.start_seconds - _MARGIN_SECONDS) * rate_hz
        stop = (self.end_seconds + _MARGIN_SECONDS) * rate_hz
        return (
            math.floor(begin / step) * step,
            stop if math.isinf(stop) else round(stop),
        )

    def wanted_slice(self, file_rate_hz: int, rate_hz: int) -> slice:
        """Where the wanted part is in what was read, without the margins.

        Args:
            file_rate_hz: int. Sample rate of the file.
            rate_hz: int. Rate of the samples to cut: that of the file, or
                `sample_rate_hz` once they are resampled.

        Returns:
            slice of samples that begin with the first of `frames`.
        """
        first, _ = self.frames(file_rate_hz)
        begin = round(self.start_seconds * rate_hz)
        begin -= first * rate_hz // file_rate_hz
        if self.max_seconds is None:
            return slice(begin, None)
        return slice(begin, begin + round(self.max_seconds * rate_hz))


@dataclasses.dataclass(frozen=True)
class Decoded:
    """The frames of a window, as a decoder read them.

    Args:
        waveform: float32 array of shape (num_frames,), the mean of the
            channels from the first frame of the window on.
        rate_hz: int. Sample rate of the file.
        end_frame: int. Frame of the file at which the window or the file
            ended, whichever came first.
        num_announced: int or None. Frames of the whole file according to its
            header.
    """

    waveform: np.ndarray
    rate_hz: int
    end_frame: int
    num_announced: int | None


class Mono:
    """Averages the channels of consecutive blocks.

    Many frames are averaged at once, which is faster. The result is the same,
    bit for bit, whatever the blocks are.
    """

    def __init__(self):
        self._pending = []
        self._num_pending = 0
        self._means = collections.deque()
        self._num_averaged = 0

    def __len__(self):
        """Number of frames that are held."""
        return self._num_averaged + self._num_pending

    def _flush(self):
        if self._pending:
            self._hold(_mean(np.concatenate(self._pending, axis=1)))
        self._pending = []
        self._num_pending = 0

    def _hold(self, mean):
        self._means.append(mean)
        self._num_averaged += len(mean)

    def add(self, block: np.ndarray) -> None:
        """Appends a float32 array of shape (num_channels, any)."""
        if self._pending and len(self._pending[0]) != len(block):
            self._flush()
        if len(block) == 1:
            self._hold(block[0])
            return
        self._pending.append(block)
        self._num_pending += block.shape[1]
        if self._num_pending >= BLOCK_FRAMES:
            self._flush()

    def drop(self, num_frames: int) -> None:
        """Drops this many frames at the start, or all if there are fewer."""
        self._flush()
        while self._means and num_frames >= len(self._means[0]):
            length = len(self._means.popleft())
            num_frames -= length
            self._num_averaged -= length
        if self._means and num_frames > 0:
            self._means[0] = self._means[0][num_frames:]
            self._num_averaged -= num_frames

    def waveform(self, num_frames: float = math.inf) -> np.ndarray:
        """The first frames: float32, of shape (num_frames,) or shorter."""
        self._flush()
        parts = [np.zeros(0, np.float32)]
        for mean in self._means:
            if num_frames <= 0:
                break
            parts.append(mean[: int(min(num_frames, len(mean)))])
            num_frames -= len(mean)
        return parts[1] if len(parts) == 2 else np.concatenate(parts)


def _mean(block):
    """Mean of the channels. The bits of NumPy's depend on the length."""
    # Samples that are not finite are reported later.
    with np.errstate(all="ignore"):
        total = block[0].copy()
        for channel in block[1:]:
            total += channel
        total /= len(block)
    return total


def mono_parts(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Joins consecutive blocks to mono parts of some seconds.

    Args:
        blocks: iterable of float32 arrays of shape (num_channels, any). The
            number of channels may change.

    Yields:
        float32 arrays of shape (num_frames,), not empty; all but the last of
        at least `BLOCK_FRAMES`.
    """
    mono = Mono()
    for block in blocks:
        mono.add(block)
        if len(mono) >= BLOCK_FRAMES:
            yield mono.waveform()
            mono = Mono()
    if len(mono):
        yield mono.waveform()
