"""Clips of a data set: how long they are, and what decides their records."""

import dataclasses
from collections.abc import Sequence

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.class_map import ClassMap


@dataclasses.dataclass(frozen=True)
class PreprocessConfig(settings.Settings):
    """Everything but the clips that decides the content of the records.

    Args:
        class_map: ClassMap, which gives the order of the label indices; None
            until the labels of all clips are known.
        label_type: `"multi_label"` or `"single_label"`.
    """

    frontend: FrontendConfig
    clip_seconds: float = setting(
        10.0,
        "Length of every clip: longer ones are cropped, shorter ones padded.",
    )
    class_map: ClassMap | None = None
    label_type: str = dataset_info.MULTI_LABEL

    def __post_init__(self):
        label_types = (dataset_info.MULTI_LABEL, dataset_info.SINGLE_LABEL)
        if self.label_type not in label_types:
            raise ValueError(
                f"`label_type` must be one of {list(label_types)}. "
                f"Received: label_type={self.label_type!r}"
            )
        shortest_seconds = (
            self.frontend.window_samples / self.frontend.sample_rate_hz
        )
        if not shortest_seconds <= self.clip_seconds <= 3600:
            raise ValueError(
                "`clip_seconds` must be between one window of the front end "
                f"({shortest_seconds:g} s) and an hour. "
                f"Received: clip_seconds={self.clip_seconds}"
            )

    @property
    def num_samples(self) -> int:
        """Raw audio samples of every clip."""
        return self.frontend.num_samples(self.clip_seconds)

    @property
    def clip_shape(self) -> tuple[int, int]:
        """Shape of every log-mel spectrogram, `(num_frames, num_mel_bins)`."""
        return (
            self.frontend.num_frames(self.num_samples),
            self.frontend.num_mel_bins,
        )

    def with_classes(self, names: Sequence[str]) -> "PreprocessConfig":
        """This configuration, with these classes if it has none yet."""
        if self.class_map is not None:
            return self
        if not names:
            raise ValueError(
                "No clip has a label, so there are no classes. Check the "
                "labels, and with a table --labels_column; or name the classes "
                "with --classes."
            )
        return dataclasses.replace(self, class_map=ClassMap(tuple(names)))
