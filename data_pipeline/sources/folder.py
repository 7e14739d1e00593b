"""A directory with one sub-directory of audio for each class."""

import dataclasses
import os
import pathlib
import re
from collections import Counter
from typing import ClassVar

from data_pipeline.clips import class_names
from data_pipeline.clips import splits
from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources import speech_commands
from data_pipeline.sources.division import FoldSettings
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files.audio_index import may_be_audio
from data_pipeline.sources.files.file_tree import FileTree
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from ofa_aec_tf.data import dataset_info

_FOLD = re.compile(r"fold[-_ ]?([0-9]{1,9})", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FolderSettings(
    SegmentSettings, FractionSettings, FoldSettings, FileSettings
):
    """A directory with one subdirectory of audio for each class.

    If all folders with audio are named like splits, or like folds, the folders
    in them are the classes. Folders of classes may also hold those of splits.
    """

    summary: ClassVar[str] = "a subdirectory of --audio_dir for each class"
    usual_label_type: ClassVar[str] = dataset_info.SINGLE_LABEL

    def open(self) -> Source:
        """Lists the directory.

        The content of a file decides whether it is audio, unless its suffix
        says so. Everything that is not used is a SkippedRow, with a code of
        `NOT_CLIPS` if it was never meant as a clip.

        Returns:
            Source with the rows sorted by path.

        Raises:
            ValueError: if there is no audio in subdirectories, the name of a
                folder cannot be that of a class, or there are splits or folds
                without classes.
        """
        root = AudioRoot(self.audio_dir, self.allow_symlinks)
        parts = _parts(root.path)
        reader = _Reader(root, 2 if parts else 1)
        reader.read()
        if all(
            isinstance(row, SkippedRow) and row.code in NOT_CLIPS
            for row in reader.rows
        ):
            codes = Counter(row.code for row in reader.rows)
            raise ValueError(
                f"{root.path} must have a sub-directory of audio files for "
                f"each class. Received: none, but {dict(codes)}. For files in "
                "one directory use --source=csv with --labels_csv."
            )
        remarks = _remarks(root.path, parts)
        rows = reader.rows
        if not parts:
            rows, more = _with_inner_splits(rows)
            remarks += more
        rows = sorted(
            rows, key=lambda row: (row.clip_id.split(os.sep), row.clip_id)
        )
        return Source(rows, remarks=tuple(remarks))


def _folders(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path
        for path in directory.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def _split_of(folder: str) -> str | None:
    return splits.of_folders(f"{folder}/")


def _fold_of(folder: str) -> int | None:
    found = _FOLD.fullmatch(folder)
    return int(found[1]) if found else None


def _holds_audio(directory: pathlib.Path) -> bool:
    """Whether there is audio at any depth, without following links."""
    return any(
        may_be_audio(os.path.join(path, name))
        for path, _, names in os.walk(directory)
        for name in names
        if not name.startswith(".")
    )


def _parts(directory: pathlib.Path) -> list[str]:
    """Finds the folders of splits, or of folds, that hold the classes.

    Raises:
        ValueError: if they hold no classes.
    """
    folders = _folders(directory)
    for part_of, what in ((_split_of, "splits"), (_fold_of, "folds")):
        parts = [f for f in folders if part_of(f.name) is not None]
        others = [f for f in folders if part_of(f.name) is None]
        if not parts or any(map(_holds_audio, others)):
            continue
        names = [folder.name for folder in parts]
        if any(map(_folders, parts)):
            return names
        if len(parts) > 1:
            raise ValueError(
                f"The folders {', '.join(names)} of {directory} are named like "
                f"{what}, and hold no folders of classes. Make a folder for "
                "each class in them, or name the classes in a table: "
                "--source=csv with --labels_csv (as UrbanSound8K is "
                "published: --source=urbansound8k)."
            )
    return []


def _remarks(directory: pathlib.Path, parts: list[str]) -> list[str]:
    if parts:
        what = "splits" if _split_of(parts[0]) else "folds"
        return [
            f"the folders {', '.join(parts)} of {directory} are taken as "
            f"{what}, and the folders in them as classes"
        ]
    if any(
        (directory / name).is_file() for name in speech_commands.LISTS.values()
    ):
        return [
            f"{directory} looks like Speech Commands, of whose lists, speakers "
            "and background noise only --source=speech_commands knows"
        ]
    classes = [f for f in _folders(directory) if _holds_audio(f)]
    if len(classes) == 1 and _folders(classes[0]):
        return [
            f"the one folder {classes[0]} is taken as a class; if the folders "
            f"in it are the classes: --audio_dir={classes[0]}"
        ]
    return []


def _with_inner_splits(
    rows: list[ClipRow | SkippedRow],
) -> tuple[list[ClipRow | SkippedRow], list[str]]:
    """Uses folders like `dog/train/` as splits, and adds a remark."""
    found = {
        row.clip_id: splits.of_folders("/".join(row.clip_id.split(os.sep)[1:]))
        for row in rows
        if isinstance(row, ClipRow)
    }
    if len(set(found.values()) - {None}) < 2:
        return rows, []
    without = [clip_id for clip_id, split in found.items() if split is None]
    if without:
        return rows, [
            "folders in those of the classes are called as splits, and not "
            f"taken as such: {len(without)} clips are in none of them, such "
            f"as {without[0]}"
        ]
    with_splits = [
        dataclasses.replace(row, split=found[row.clip_id])
        if isinstance(row, ClipRow)
        else row
        for row in rows
    ]
    return with_splits, [
        "the folders in those of the classes are taken as splits"
    ]


class _Reader:
    """Makes rows of a directory; a class is `depth` folders below the root."""

    def __init__(self, root: AudioRoot, depth: int):
        self._root = root
        self._depth = depth
        self.rows: list[ClipRow | SkippedRow] = []
        # Of all clips that are not links.
        self._real_paths: set[str] = set()

    def read(self) -> None:
        """Lists the directory."""
        tree = FileTree(self._root)
        links = []
        for directory, entry in tree.files():
            name = os.path.join(directory, entry.name)
            if entry.is_symlink():
                links.append(name)
            else:
                self._add(name)
        self._real_paths = {
            os.path.realpath(row.path)
            for row in self.rows
            if isinstance(row, ClipRow)
        }
        # Links last, as their targets may be clips themselves.
        for name in links:
            self._add(name, is_link=True)
        self.rows += map(self._labelled, tree.skipped)
        self._add_empty_classes()

    def _add(self, name: str, is_link: bool = False) -> None:
        *folders, base = name.split(os.sep)
        path = str(self._root.path / name)
        if base.startswith("."):
            self._skip(name, "hidden", "a hidden file")
            return
        joined = self._root.join(name, name)
        if isinstance(joined, SkippedRow):
            self.rows.append(self._labelled(joined))
        elif is_link and os.path.realpath(path) in self._real_paths:
            self._skip(
                name,
                "repeated_link",
                "a link to a file that is read under its own name",
            )
        elif not may_be_audio(path):
            self._skip(name, "not_audio", "no audio, by its content")
        elif len(folders) < self._depth:
            self._skip(name, "loose_file", "in no folder of a class")
        else:
            self.rows.append(
                ClipRow(
                    name,
                    joined,
                    (self._label(folders),),
                    _split_of(folders[0]) if self._depth > 1 else None,
                    fold=_fold_of(folders[0]) if self._depth > 1 else None,
                )
            )

    def _labelled(self, row: SkippedRow) -> SkippedRow:
        """Adds the class to a row that is lost for it."""
        folders = row.filename.split(os.sep)
        if row.code in NOT_CLIPS or len(folders) < self._depth:
            return row
        return dataclasses.replace(row, labels=(self._label(folders),))

    def _skip(self, name: str, code: str, reason: str) -> None:
        self.rows.append(SkippedRow(name, name, code, reason))

    def _label(self, folders: list[str]) -> str:
        folder = os.sep.join(folders[: self._depth])
        where = f"the folder {str(self._root.path / folder)!r}"
        label = class_names.clean(folders[self._depth - 1], where)
        if not label:
            raise ValueError(f"{where}: it cannot name a class.")
        return label

    def _add_empty_classes(self) -> None:
        """Adds rows for folders of classes without any row."""
        seen = {
            tuple(row.clip_id.split(os.sep)[: self._depth])
            for row in self.rows
            if isinstance(row, ClipRow)
            or row.code not in ("not_audio", "hidden")
        }
        directories = [self._root.path]
        for _ in range(self._depth):
            directories = [f for d in directories for f in _folders(d)]
        for directory in directories:
            name = str(directory.relative_to(self._root.path))
            if tuple(name.split(os.sep)) not in seen:
                self._skip(name, "empty_class", "a folder without audio")
