"""FSD50K: Freesound clips with 200 classes."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from typing import ClassVar

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.audio_files import AudioFiles
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import table_file
from data_pipeline.sources.tables.label_names import LabelNames
from data_pipeline.sources.tables.label_names import unknown_label_row

_VOCABULARY = "FSD50K.ground_truth/vocabulary.csv"
_DEV = "FSD50K.ground_truth/dev.csv"
_EVALUATION = "FSD50K.ground_truth/eval.csv"
_DEV_AUDIO = "FSD50K.dev_audio"
_EVALUATION_AUDIO = "FSD50K.eval_audio"
_LAYOUT = (_VOCABULARY, _DEV, _EVALUATION, _DEV_AUDIO, _EVALUATION_AUDIO)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fsd50kSettings(SegmentSettings, FileSettings):
    """FSD50K.

    `audio_dir` holds `FSD50K.ground_truth/`, `FSD50K.dev_audio/` and
    `FSD50K.eval_audio/`.
    """

    summary: ClassVar[str] = "FSD50K in --audio_dir"
    has_splits: ClassVar[bool] = True

    def open(self) -> Source:
        """Reads the tables.

        A clip that is named again is skipped as `duplicate_id`, unless the
        rows are equal; likewise one of the development set that is in the
        evaluation set.

        Returns:
            Source with the splits of the publishers, and with the class names
            in the order of the vocabulary. A clip id is the file name without
            its suffix.

        Raises:
            ValueError: if the directory has another layout; while the rows are
                read, naming the line, if a table is malformed.
        """
        directory = pathlib.Path(self.audio_dir)
        missing = [name for name in _LAYOUT if not (directory / name).exists()]
        if missing:
            raise ValueError(
                f"{directory} must be laid out as FSD50K is published, with "
                f"{', '.join(_LAYOUT)}. Missing: {', '.join(missing)}"
            )
        vocabulary = directory / _VOCABULARY
        names = LabelNames(
            (
                # The name is before the identifier, and there is no header.
                (line, [cells[0], *reversed(cells[1:])])
                for line, cells in table_file.read_cells(vocabulary)
            ),
            vocabulary,
        )
        notes: Counter[str] = Counter()
        dev, evaluation = (
            _Table(
                directory / name,
                AudioFiles(AudioRoot(directory / audio, self.allow_symlinks)),
                names,
                notes,
            )
            for name, audio in (
                (_DEV, _DEV_AUDIO),
                (_EVALUATION, _EVALUATION_AUDIO),
            )
        )
        return Source(_all_rows(dev, evaluation), names.class_names, notes)


def _all_rows(
    dev: "_Table", evaluation: "_Table"
) -> Iterator[ClipRow | SkippedRow]:
    # Clips of the evaluation set are left out of the development set.
    evaluated = {
        values["fname"].strip()
        for _, values in table_file.read_table(evaluation.path, ("fname",))
    }
    yield from dev.rows(None, evaluated)
    yield from evaluation.rows(splits.TEST, ())


@dataclasses.dataclass
class _Table:
    """dev.csv or eval.csv."""

    path: pathlib.Path
    files: AudioFiles
    names: LabelNames
    notes: Counter[str]

    def rows(
        self, split: str | None, evaluated: Collection[str]
    ) -> Iterator[ClipRow | SkippedRow]:
        """Yields its rows, without those of `evaluated` clips."""
        columns = ("fname", "mids") + (() if split else ("split",))
        seen: dict[str, tuple] = {}
        for line, values in table_file.read_table(self.path, columns):
            where = f"{self.path}, line {line}"
            clip_id = values["fname"].strip()
            mids = cell_values.parse_labels(values["mids"], separator=",")
            row_split = split or splits.canonical(values["split"], where)
            content = mids, row_split
            if clip_id in evaluated:
                reason = f"{where}: the evaluation set has the same clip"
            elif clip_id not in seen:
                seen[clip_id] = content
                yield self._row(clip_id, mids, row_split)
                continue
            elif seen[clip_id] == content:
                self.notes["repeated_row"] += 1
                continue
            else:
                reason = f"{where}: there before, with other labels or split"
            yield SkippedRow(
                clip_id, f"{clip_id}.wav", "duplicate_id", reason, row_split
            )

    def _row(
        self, clip_id: str, mids: tuple[str, ...], split: str
    ) -> ClipRow | SkippedRow:
        filename = f"{clip_id}.wav"
        labels = self.names.known(mids, self.notes)
        if mids and not labels:
            return unknown_label_row(clip_id, filename, mids, split)
        row = ClipRow(clip_id, "", labels, split)
        return self.files.locate(filename, row, self.notes)
