"""Stored logits of teachers, for students to learn from.

A clip is augmented in a fixed number of ways, its views, each of which depends
only on the clip's id, the number of the view and a seed. A student that trains
on the same views gets the same input as its teachers.

    stored_logits.json    ModelInfo, with the teachers, seed, augmentation
    ids.json              ids of the clips, in the order of the rows
    view_000.npy ...      float32, (num_clips, num_teachers, num_classes)
"""

import dataclasses
import io
import math
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.checks.finite import check_finite
from ofa_aec_tf.checks.settings import Settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.open_files import OpenFiles
from ofa_aec_tf.runs import workdir

FILE_NAME = "stored_logits.json"
_IDS = "ids.json"


def view_path(directory, view: int) -> pathlib.Path:
    """The file of a view."""
    return pathlib.Path(directory) / f"view_{view:03d}.npy"


def write_view(directory, view: int, logits: np.ndarray) -> None:
    """Writes the logits of one view of all clips, atomically.

    Args:
        directory: path of a directory.
        view: int.
        logits: float32 array of shape (num_clips, num_teachers, num_classes).

    Raises:
        NotFiniteError: if they hold NaN or infinity.
    """
    check_finite(
        {f"view {view + 1}": logits},
        "What the teachers compute",
        "Use other teachers.",
    )
    content = io.BytesIO()
    np.save(content, logits.astype(np.float32))
    workdir.write_bytes(view_path(directory, view), content.getvalue())


@dataclasses.dataclass(frozen=True)
class StoredViews(Settings):
    """How clips were augmented, each by itself: not by mixup."""

    num_views: int = setting(
        8, "Ways in which each clip is augmented.", at_least=1
    )
    seed: int = setting(
        0, "Seed of the augmentation.", at_least=0, at_most=2**31 - 1
    )
    augmentation: AugmentationConfig = AugmentationConfig()

    def __post_init__(self):
        super().__post_init__()
        if self.augmentation.mixup_alpha > 0:
            raise ValueError(
                "Logits are stored clip by clip, and mixup mixes clips. Leave "
                "--mixup_alpha at 0, or let the teacher run on every batch, "
                "with --teacher of `train`. Received: "
                f"mixup_alpha={self.augmentation.mixup_alpha}"
            )

    @classmethod
    def from_json(cls, values) -> "StoredViews":
        """The views that `to_json` described."""
        return cls(
            values["num_views"],
            values["seed"],
            AugmentationConfig(**values["augmentation"]),
        )


class StoredLogits:
    """Stored logits to look up.

    Args:
        directory: path of a directory that `store_logits` has written.

    Raises:
        ValueError: if it is incomplete or damaged.
    """

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        path = directory / FILE_NAME
        if not path.is_file():
            raise ValueError(
                f"There are no complete stored logits in {directory}. Write "
                "them with `python -m ofa_aec_tf.store_logits`."
            )
        values, ids = map(workdir.read_json, (path, directory / _IDS))
        try:
            self.info = ModelInfo.from_json(values)
            self.views = StoredViews.from_json(self.info.details["views"])
            self.score_activation = self.info.details["score_activation"]
            if not json_kinds.is_names(ids):
                raise ValueError(f"{_IDS} lists no clips")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"The stored logits in {directory} cannot be read: {error!r}. "
                "Write them again."
            ) from error
        self._rows = {clip_id.encode(): row for row, clip_id in enumerate(ids)}
        self._open_files = OpenFiles()
        # For each view its file, and the offset of the logits in it. Memory
        # maps would keep all files open.
        self._places = []
        num_classes = len(self.info.class_map)
        for view in range(self.views.num_views):
            path = view_path(directory, view)
            logits = np.load(path, mmap_mode="r")
            if logits.ndim != 3 or logits.shape[::2] != (len(ids), num_classes):
                raise ValueError(
                    f"{path} must hold logits of "
                    f"{len(ids)} clips and {num_classes} classes. Received: "
                    f"shape {logits.shape}. Write them again."
                )
            self._places.append((path, logits.offset))
        self._row_shape = logits.shape[1:]
        self._dtype = logits.dtype

    def __del__(self):
        # Missing if the files were refused.
        if hasattr(self, "_open_files"):
            self._open_files.close()

    def _read_row(self, view, row):
        path, offset = self._places[view]
        num_bytes = math.prod(self._row_shape) * self._dtype.itemsize
        with self._open_files.opened(path) as descriptor:
            content = os.pread(descriptor, num_bytes, offset + row * num_bytes)
        return np.frombuffer(content, self._dtype).reshape(self._row_shape)

    @property
    def num_teachers(self) -> int:
        """The number of teachers."""
        return self._row_shape[0]

    def check(
        self,
        dataset: DatasetInfo,
        augmentation: AugmentationConfig,
        score_activation: str,
    ) -> None:
        """Refuses a training whose input would not be that of the teachers.

        Args:
            dataset: DatasetInfo of the training clips.
            augmentation: AugmentationConfig of the training.
            score_activation: one of `SCORE_ACTIVATIONS`, the student's.

        Raises:
            ValueError: naming what differs.
        """
        self.info.check_matches(dataset)
        stored_of = self.info.details["data_fingerprint"]
        if stored_of != dataset.fingerprint:
            # Ids may be the same: mixtures are numbered.
            raise ValueError(
                "Student and teacher must get the same input. The logits are "
                f"of the data {stored_of}. Received: the data "
                f"{dataset.fingerprint}. Store logits of these data."
            )
        stored = dataclasses.asdict(self.views.augmentation)
        asked = dataclasses.asdict(augmentation)
        different = [name for name in stored if stored[name] != asked[name]]
        if different:
            raise ValueError(
                "Student and teacher must get the same input. The logits were "
                f"stored with {_named(stored, different)}. Received: "
                f"{_named(asked, different)}"
            )
        if score_activation != self.score_activation:
            raise ValueError(
                f"The stored logits belong to a {self.score_activation}. "
                f"Received: score_activation={score_activation}"
            )

    def look_up(
        self, ids: Sequence[bytes], views: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The teachers' logits of some views.

        Args:
            ids: sequence of bytes, of the clips.
            views: sequence of int, one per clip.

        Returns:
            `(logits, is_taught)`: float32 array of shape (batch,
            num_teachers, num_classes), and bool array of shape (batch,),
            False for clips without stored logits, whose logits are 0.
        """
        logits = np.zeros((len(ids), *self._row_shape), np.float32)
        is_taught = np.zeros(len(ids), bool)
        for position, (clip_id, view) in enumerate(zip(ids, views)):
            row = self._rows.get(clip_id)
            if row is not None:
                logits[position] = self._read_row(view, row)
                is_taught[position] = True
        return logits, is_taught


def write_record(
    directory, info: ModelInfo, ids: Sequence[str], views: StoredViews
) -> None:
    """Writes ids and record, which complete the views.

    Args:
        directory: path of a directory with all views.
        info: ModelInfo, its details with `score_activation` and teachers.
        ids: sequence of str, of the clips.
        views: StoredViews.
    """
    directory = pathlib.Path(directory)
    workdir.write_json(directory / _IDS, list(ids))
    workdir.write_json(
        directory / FILE_NAME,
        info.with_details(views=views.to_json()).to_json(),
    )


def _named(values, names):
    return ", ".join(f"{name}={values[name]}" for name in names)
