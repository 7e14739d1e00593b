"""Multi-label clips mixed from events over a background.

Seed, split and index decide the plan of a mixture: its labels, places and
levels. The worker that writes its shard renders it.
"""

import dataclasses
from collections import Counter
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from data_pipeline.clips import synthetic_events
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import RenderedClip
from ofa_aec_tf import audio
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.dataset_info import SPLITS

MAX_EVENTS = 3
SNR_RANGE_DB = (-5.0, 15.0)
BACKGROUND_RANGE_DBFS = (-50.0, -25.0)
EVENT_SECONDS_RANGE = (1.0, 3.0)
MAX_RECORDING_SECONDS = 60.0

_SILENCE_RATIO = 1e-3
_FADE_SECONDS = 0.01
_MAX_PEAK = 0.98


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixSettings(settings.Settings):
    """How many clips to mix."""

    num_train: int = setting(2000, "Training clips to mix.", at_least=1)
    num_validation: int = setting(500, "Validation clips to mix.", at_least=0)
    num_test: int = setting(500, "Test clips to mix.", at_least=0)
    seed: int = setting(0, "Seed of the mixtures.", at_least=0)

    def num_clips(self) -> dict[str, int]:
        """Clips of each split."""
        counts = (self.num_train, self.num_validation, self.num_test)
        return dict(zip(SPLITS, counts))


@dataclasses.dataclass(frozen=True)
class PlacedEvent:
    """An event of a mixture.

    Args:
        labels: tuple of str. Its classes.
        path: str or None. Its recording; None for a synthetic event, whose
            only label is its kind.
        seed: int. Seed of a synthetic event.
        max_seconds: float. A longer event is cut.
        onset: float in [0, 1]. At 0 it begins with the clip, at 1 it ends with
            it.
        snr_db: float. Power relative to the background.
        start_seconds: float. Where to start in the recording.
        end_seconds: float or None. Where to end there at the latest.
        is_part: bool. Whether its labels are only those of a part of the
            recording, which is no longer than a clip.
        decoder: str. One of `ofa_aec_tf.audio.DECODERS`.
    """

    labels: tuple[str, ...]
    path: str | None
    seed: int
    max_seconds: float
    onset: float
    snr_db: float
    start_seconds: float = 0.0
    end_seconds: float | None = None
    is_part: bool = False
    decoder: str = "auto"


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A clip of events over a background, as planned.

    Args:
        clip_id: str.
        split: str.
        events: tuple of PlacedEvent.
        background: str, one of `synthetic_events.BACKGROUNDS`.
        background_seed: int.
        background_dbfs: float. Its level.
    """

    clip_id: str
    split: str
    events: tuple[PlacedEvent, ...]
    background: str
    background_seed: int
    background_dbfs: float

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of all its events, sorted."""
        return tuple(sorted({n for event in self.events for n in event.labels}))

    @property
    def audio_paths(self) -> tuple[str, ...]:
        """Its recordings."""
        return tuple(event.path for event in self.events if event.path)

    @property
    def decoders(self) -> tuple[str, ...]:
        """Their decoders."""
        return tuple(event.decoder for event in self.events if event.path)

    def to_json(self) -> dict:
        """Returns what decides the waveform, beside the bytes of the files."""
        values = dataclasses.asdict(self)
        del values["clip_id"], values["split"]
        for event in values["events"]:
            event["path"] = event["path"] is not None
        return values

    def render(self, sample_rate_hz: int, num_samples: int) -> RenderedClip:
        """Renders the mixture.

        Returns:
            RenderedClip within full scale, with the notes on its recordings.

        Raises:
            AudioError: if a recording cannot be used, or is silent.
        """
        background = synthetic_events.make_background(
            self.background, self.background_seed, sample_rate_hz, num_samples
        )
        mixed = background * 10 ** (self.background_dbfs / 20)
        notes: dict[str, None] = {}
        for event in self.events:
            waveform, event_notes = _event_waveform(
                event, sample_rate_hz, num_samples
            )
            notes.update(dict.fromkeys(event_notes))
            waveform = waveform[:num_samples]
            level_db = self.background_dbfs + event.snr_db
            waveform *= 10 ** (level_db / 20) / _root_mean_square(waveform)
            start = round(event.onset * (num_samples - len(waveform)))
            mixed[start : start + len(waveform)] += waveform
        peak = np.abs(mixed).max()
        mixed *= min(1, _MAX_PEAK / peak)
        return RenderedClip(mixed.astype(np.float32), tuple(notes))


def _root_mean_square(waveform):
    return np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))


def _event_waveform(
    event: PlacedEvent, sample_rate_hz: int, clip_samples: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Makes the samples of an event, and the notes on its recording."""
    num_samples = round(event.max_seconds * sample_rate_hz)
    if event.path is None:
        waveform = synthetic_events.make_event(
            event.labels[0], event.seed, sample_rate_hz
        )
        return waveform[:num_samples], ()
    # Further on in the recording may be something else.
    max_seconds = MAX_RECORDING_SECONDS
    if event.is_part:
        max_seconds = clip_samples / sample_rate_hz
    if event.end_seconds is not None:
        max_seconds = min(max_seconds, event.end_seconds - event.start_seconds)
    recording = audio.read_audio(
        event.path,
        sample_rate_hz,
        max_seconds,
        event.start_seconds,
        event.decoder,
    )
    waveform = recording.waveform
    # Recordings are often padded with silence, which would be a label without a
    # sound.
    magnitude = np.abs(waveform)
    audible = np.flatnonzero(magnitude > _SILENCE_RATIO * magnitude.max())
    if not audible.size:
        raise audio.AudioError(
            event.path, "silent", "an event of a mixture needs sound"
        )
    waveform = waveform[audible[0] : audible[-1] + 1][:num_samples].copy()
    num_faded = min(round(_FADE_SECONDS * sample_rate_hz), len(waveform) // 2)
    fade = np.linspace(0, 1, num_faded, endpoint=False, dtype=np.float32)
    waveform[len(waveform) - num_faded :] *= fade[::-1]
    return waveform, recording.notes


def _place(
    row: ClipRow, shared_paths: Collection[str], **options
) -> PlacedEvent:
    return PlacedEvent(
        labels=row.labels,
        path=row.path,
        start_seconds=row.start_seconds,
        end_seconds=row.end_seconds,
        is_part=row.is_part or row.path in shared_paths,
        decoder=row.decoder,
        **options,
    )


def _plan_mixture(
    events_by_class: Mapping[str, Sequence[ClipRow | None]],
    shared_paths: Collection[str],
    backgrounds: Sequence[str],
    seed: int,
    split: str,
    index: int,
) -> Mixture:
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    names = sorted(events_by_class)
    num_events = min(rng.integers(1, MAX_EVENTS + 1), len(names))
    placed = []
    for name in rng.choice(names, num_events, replace=False).tolist():
        candidates = events_by_class[name]
        row = candidates[rng.integers(len(candidates))]
        options = {
            "seed": int(rng.integers(2**63)),
            "max_seconds": float(rng.uniform(*EVENT_SECONDS_RANGE)),
            "onset": float(rng.uniform()),
            "snr_db": float(rng.uniform(*SNR_RANGE_DB)),
        }
        if row is None:
            placed.append(PlacedEvent(labels=(name,), path=None, **options))
        else:
            placed.append(_place(row, shared_paths, **options))
    return Mixture(
        clip_id=f"mixture-{split}-{index:06d}",
        split=split,
        events=tuple(placed),
        background=backgrounds[rng.integers(len(backgrounds))],
        background_seed=int(rng.integers(2**63)),
        background_dbfs=float(rng.uniform(*BACKGROUND_RANGE_DBFS)),
    )


def plan_synthetic(num_clips: Mapping[str, int], seed: int) -> list[Mixture]:
    """Plans mixtures of synthetic events.

    Args:
        num_clips: dict from split name to its number of clips.
        seed: int, not negative.

    Returns:
        list of Mixture, split by split.
    """
    events: dict[str, list[None]] = {
        name: [None] for name in synthetic_events.EVENT_CLASSES
    }
    return [
        _plan_mixture(
            events, (), synthetic_events.BACKGROUNDS, seed, split, index
        )
        for split, number in num_clips.items()
        for index in range(number)
    ]


def plan_from_rows(
    rows: Sequence[ClipRow], num_clips: Mapping[str, int], seed: int
) -> list[Mixture]:
    """Plans mixtures of recorded events over pink noise.

    Args:
        rows: sequence of ClipRow with splits, which is also that of the
            mixtures that a row is used in.
        num_clips: dict from split name to its number of clips.
        seed: int, not negative.

    Returns:
        list of Mixture, split by split.

    Raises:
        ValueError: if a split has no events.
    """
    by_split: dict[str, dict[str, list[ClipRow]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in sorted(rows, key=lambda row: row.clip_id):
        for name in row.labels:
            by_split[row.split][name].append(row)
    num_rows = Counter(row.path for row in rows)
    shared_paths = {path for path, number in num_rows.items() if number > 1}
    mixtures = []
    for split, number in num_clips.items():
        if number and split not in by_split:
            raise ValueError(
                f"No event is in the split {split!r}, so that no mixture can "
                f"be made for it. Give it folds, or use --num_{split}=0."
            )
        mixtures += [
            _plan_mixture(
                by_split[split], shared_paths, ("pink",), seed, split, index
            )
            for index in range(number)
        ]
    return mixtures
