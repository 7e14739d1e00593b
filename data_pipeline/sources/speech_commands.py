"""Speech Commands, and sets of spoken words with the same layout."""

import dataclasses
import pathlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from data_pipeline.clips import class_names
from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files import audio_index
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from ofa_aec_tf.data import dataset_info

BACKGROUND = "background"

_BACKGROUND_FOLDER = "_background_noise_"
_SPEAKER_END = "_nohash_"
# In order of precedence: a file in both lists only tests.
LISTS = {
    splits.TEST: "testing_list.txt",
    splits.VALIDATION: "validation_list.txt",
}
# About the share of the words in each list.
_BACKGROUND_FRACTION = 0.1


@dataclasses.dataclass
class _Lists:
    """The files that do not train.

    Args:
        split_of: dict from the name of a file, in NFC, to its split.
        line_of: dict from the same to list and line.
        present: set of the splits that have a list with names.
    """

    split_of: dict[str, str]
    line_of: dict[str, str]
    present: set[str]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _read_lists(directory: pathlib.Path, notes: Counter[str]) -> _Lists:
    lists = _Lists({}, {}, set())
    for split, file in LISTS.items():
        path = directory / file
        if not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, 1):
            name = line.strip().replace("\\", "/").removeprefix("./")
            if not name:
                continue
            lists.present.add(split)
            first = lists.split_of.setdefault(_key(name), split)
            lists.line_of.setdefault(_key(name), f"{file}, line {number}")
            if first != split:
                notes["in_both_lists"] += 1
            elif lists.line_of[_key(name)] != f"{file}, line {number}":
                notes["repeated_row"] += 1
    return lists


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechCommandsSettings(SegmentSettings, FractionSettings, FileSettings):
    """Speech Commands, or a set with the same layout."""

    summary: ClassVar[str] = "Speech Commands as published, in --audio_dir"
    usual_label_type: ClassVar[str] = dataset_info.SINGLE_LABEL

    def open(self) -> Source:
        """Lists the directory.

        A folder is a word. `validation_list.txt` and `testing_list.txt` say
        which files validate and test; a file in both tests. The speaker, in
        front of `_nohash_` in a name, is the group. Each recording of
        `_background_noise_/` is cut into clips, which stay in one split. They
        have a class of their own, unless clips may have no labels.

        Returns:
            Source with the rows sorted by name; with splits if there is a
            list.

        Raises:
            ValueError: if there are no folders of audio.
        """
        root = AudioRoot(self.audio_dir, self.allow_symlinks)
        notes: Counter[str] = Counter()
        lists = _read_lists(root.path, notes)
        audio_files, others, unread = audio_index.list_files(root)
        rows: list[ClipRow | SkippedRow] = list(unread)
        background: list[ClipRow] = []
        labels = (BACKGROUND,) if self.is_single_label else ()
        for name in audio_files:
            row = _row(root, name, lists)
            if isinstance(row, ClipRow) and row.labels == (_BACKGROUND_FOLDER,):
                background.append(
                    dataclasses.replace(row, labels=labels, group=name)
                )
            else:
                rows.append(row)
        if not any(isinstance(row, ClipRow) for row in rows):
            raise ValueError(
                f"{root.path} must be laid out as Speech Commands: a folder of "
                "audio files for each word. Received: "
                f"{sorted(path.name for path in root.path.iterdir())[:10]}"
            )
        rows += _absent(root, lists, {_key(name) for name in audio_files})
        rows += [
            audio_index.not_audio(name)
            for name in others
            if name not in LISTS.values()
        ]
        rows += self.cutter().cut_all(_with_splits(background, lists.present))
        return Source(rows, notes=notes)


def _row(root: AudioRoot, name: str, lists: _Lists) -> ClipRow | SkippedRow:
    word, _, rest = name.partition("/")
    split = lists.split_of.get(_key(name))
    if lists.present and split is None:
        split = splits.TRAIN
    path = root.join(name, name, split)
    if isinstance(path, SkippedRow):
        return path
    if not rest:
        reason = "in no folder, whose name would be its word"
        return SkippedRow(name, name, "loose_file", reason)
    stem = pathlib.PurePosixPath(name).stem
    speaker, mark, _ = stem.partition(_SPEAKER_END)
    label = class_names.clean(word, f"the folder {word!r}")
    return ClipRow(name, path, (label,), split, group=speaker if mark else None)


def _absent(
    root: AudioRoot, lists: _Lists, found: set[str]
) -> Iterator[SkippedRow]:
    for name, split in lists.split_of.items():
        if name in found:
            continue
        path = root.join(name, name, split)
        if isinstance(path, SkippedRow):
            yield path
        else:
            reason = f"there is no such file; {lists.line_of[name]} names it"
            word, *_ = name.split("/")
            yield SkippedRow(name, name, "missing", reason, split, (word,))


def _with_splits(rows: list[ClipRow], present: set[str]) -> list[ClipRow]:
    """Assigns recordings of noise to splits, if the words have them."""
    if not present:
        return rows
    if len(rows) <= len(present):
        return [dataclasses.replace(row, split=splits.TRAIN) for row in rows]
    validation_fraction, test_fraction = (
        _BACKGROUND_FRACTION * (split in present)
        for split in (splits.VALIDATION, splits.TEST)
    )
    return splits.by_hash(rows, validation_fraction, test_fraction)
