"""Clips of a job: which source they come from, or what they are mixed of."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable

from data_pipeline.clips import mixtures
from data_pipeline.clips import synthetic_events
from data_pipeline.clips.class_names import clean
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources import division
from data_pipeline.sources.files.presence import check_files_are_there
from data_pipeline.sources.registry import SOURCES
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from ofa_aec_tf import audio
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data import dataset_info

_SYNTHETIC, _MIXTURE = "synthetic", "mixture"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice(settings.Settings):
    """Where the clips of a job come from, and what their labels mean."""

    source: str = setting(
        settings.REQUIRED,
        "; ".join(f"{name}: {each.summary}" for name, each in SOURCES.items())
        + f"; {_SYNTHETIC}: generated events mixed into multi-label clips; "
        f"{_MIXTURE}: events of --event_source mixed likewise.",
        choices=(*SOURCES, _SYNTHETIC, _MIXTURE),
    )
    classes: tuple[str, ...] | None = setting(
        None,
        "Classes in the order of the model's outputs. By default all labels, "
        "sorted (esc, audioset, fsd50k: in the order of the publishers).",
    )
    event_source: str | None = setting(
        None,
        f"Where the events of --source={_MIXTURE} come from.",
        choices=tuple(SOURCES),
        when={"source": (_MIXTURE,)},
    )
    label_type: str | None = setting(
        None,
        "By default single_label for "
        + ", ".join(
            name
            for name, each in SOURCES.items()
            if each.usual_label_type == dataset_info.SINGLE_LABEL
        )
        + ", else multi_label.",
        choices=(dataset_info.MULTI_LABEL, dataset_info.SINGLE_LABEL),
        when={"source": tuple(SOURCES)},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.source == _MIXTURE and not self.event_source:
            raise ValueError(f"--source={_MIXTURE} needs --event_source.")


# What may be given for each source.
_SETTINGS: dict[str, type] = {
    **SOURCES,
    _SYNTHETIC: mixtures.MixSettings,
    _MIXTURE: mixtures.MixSettings,
}


@dataclasses.dataclass(frozen=True)
class ChosenClips:
    """The clips of a job.

    Args:
        clips: iterable of Clip with splits, and of SkippedRow; read once.
        class_names: tuple of str, or None for all labels, sorted.
        label_type: `"multi_label"` or `"single_label"`.
        may_lose_classes: bool. Whether all clips of a class may be skipped.
        record: dict of JSON types. The flags, for people.
        source: Source that they come from. Its notes are complete once the
            clips have been read.
    """

    clips: Iterable[Clip | SkippedRow]
    class_names: tuple[str, ...] | None
    label_type: str
    may_lose_classes: bool
    record: dict
    source: Source

    def remarks(self) -> dict:
        """What the source tells, for `report.json`."""
        return {
            "rows": dict(sorted(self.source.notes.items())),
            "unused_columns": list(self.source.unused_columns),
            "remarks": list(self.source.remarks),
        }


class ChoiceFlags:
    """Defines the flags of all sources, and reads them."""

    def __init__(self):
        self._choice = setting_flags.define(Choice, shared={})
        self._holders: dict = {}
        self._sources = {
            name: setting_flags.define(
                each,
                # Required of their source only.
                defaults=dict.fromkeys(_required(each)),
                shared=self._holders,
            )
            for name, each in _SETTINGS.items()
        }

    def choose(self, clip_seconds: float) -> ChosenClips:
        """Opens what the flags choose.

        Args:
            clip_seconds: float. Length of every clip.

        Raises:
            ValueError: if flags do not fit together, or a source is not as
                expected.
        """
        choice = self._choice.values()
        self._check_given(choice)
        classes = tuple(clean(n, "--classes") for n in choice.classes or ())
        name = choice.event_source or choice.source
        reading, facts = None, {}
        source = Source(())
        if name in SOURCES:
            reading = self._sources[name].values(
                clip_seconds=clip_seconds,
                label_type=dataset_info.MULTI_LABEL
                if choice.event_source
                else choice.label_type,
            )
            source, facts = _read(reading)
        label_type = dataset_info.MULTI_LABEL
        clips, class_names = source.rows, source.class_names
        if choice.source in SOURCES:
            label_type = choice.label_type or reading.usual_label_type
        else:
            mix = self._sources[choice.source].values()
            clips, class_names = _mixed(mix, source if reading else None)
        return ChosenClips(
            clips,
            classes or class_names,
            label_type,
            choice.source in SOURCES and reading.may_lose_classes,
            {**self._record(choice), **facts},
            source,
        )

    def _check_given(self, choice: Choice) -> None:
        """Refuses flags of other sources, and requires those of this one."""
        flag, name = "source", choice.source
        if choice.event_source:
            flag, name = "event_source", choice.event_source
        known = _names(choice.source) | _names(name)
        for field, holder in self._holders.items():
            if holder.present and field not in known:
                others = [each for each in _SETTINGS if field in _names(each)]
                raise ValueError(
                    f"--{holder.name} is for --{flag}={'|'.join(others)}. "
                    f"Received: --{flag}={name}"
                )
        for field in _required(_SETTINGS[name]):
            if not self._holders[field].value:
                raise ValueError(
                    f"--{flag}={name} needs --{self._holders[field].name}."
                )

    def _record(self, choice: Choice) -> dict:
        """The flags that decided which clips there are, if not by default."""
        record = {"source": choice.source, **self._choice.changed()}
        if choice.source not in SOURCES:
            mix = self._sources[choice.source]
            record |= {**mix.changed(), "seed": mix["seed"].value}
        name = choice.event_source or choice.source
        return {**record, **self._sources[name].changed()}


def _names(source: str) -> set[str]:
    return {field.name for field in dataclasses.fields(_SETTINGS[source])}


def _required(settings_class: type) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(settings_class)
        if field.default is settings.REQUIRED
    ]


def _read(reading: FileSettings) -> tuple[Source, dict]:
    """Opens a source, and assigns its rows to splits.

    Returns:
        tuple of Source, and of a dict of JSON types for the record.
    """
    # Mistakes in flags, and a decoder that is not installed, are reported
    # before any file is read.
    audio.decoder_versions(reading.decoder)
    cutter = None
    if isinstance(reading, SegmentSettings):
        cutter = reading.cutter()
    source = reading.open()
    rows = (_with_decoder(row, reading.decoder) for row in source.rows)
    facts: dict = {}
    remarks: list[str] = []
    if not reading.has_splits:
        rows = list(rows)
        check_files_are_there(rows)
        rows, facts, remarks = division.divide(
            rows, reading, source.notes, reading.has_usual_folds
        )
    if cutter and reading.segment_seconds is not None:
        rows = cutter.cut_all(rows)
    return dataclasses.replace(
        source,
        rows=_count_no_labels(rows, source.notes),
        remarks=(*source.remarks, *remarks),
    ), facts


def _with_decoder(row, decoder: str):
    if isinstance(row, SkippedRow) or row.decoder == decoder:
        return row
    return dataclasses.replace(row, decoder=decoder)


def _count_no_labels(rows: Iterable, notes: Counter) -> Iterable:
    """Passes rows on, and counts negative clips."""
    count = 0
    for row in rows:
        count += not isinstance(row, SkippedRow) and not row.labels
        yield row
    if count:
        notes["no_labels"] = count


def _mixed(
    mix: mixtures.MixSettings, source: Source | None
) -> tuple[Iterable[Clip | SkippedRow], tuple[str, ...]]:
    """Plans mixtures of the events of a source, or of synthetic ones.

    Returns:
        tuple of the clips, and of their class names.
    """
    if source is None:
        clips = mixtures.plan_synthetic(mix.num_clips(), mix.seed)
        return clips, synthetic_events.EVENT_CLASSES
    rows = list(source.rows)
    events = [row for row in rows if not isinstance(row, SkippedRow)]
    skipped = [row for row in rows if isinstance(row, SkippedRow)]
    clips = mixtures.plan_from_rows(events, mix.num_clips(), mix.seed)
    labels = {name for row in events for name in row.labels}
    class_names = source.class_names or tuple(sorted(labels))
    return itertools.chain(skipped, clips), class_names
