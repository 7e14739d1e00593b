"""A preprocessed data set: its record, and its clips as arrays."""

import pathlib
from collections.abc import Iterator

import numpy as np

from ofa_aec_tf import audio
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo

_NO_AUGMENTATION = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)


class PreprocessedData:
    """Reads the clips of a data set, for code that takes arrays.

    Args:
        data_dir: path of a directory of data_pipeline.preprocess.
        skip_corrupt: bool. As in RandomAccessReader.

    Attributes:
        data_dir, skip_corrupt: as above.
        info: DatasetInfo.

    Raises:
        ValueError: if there is no data set.
    """

    def __init__(self, data_dir, skip_corrupt: bool = False):
        self.data_dir = data_dir
        self.info = DatasetInfo.read(data_dir)
        self.skip_corrupt = skip_corrupt

    def load(
        self, split: str, max_clips: int | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Clips of a split, for code that goes over them many times.

        Args:
            split: str.
            max_clips: int or None. At most so many clips.
            seed: int or None. With it, a random choice of them, else the
                first.

        Returns:
            float32 array of shape (num_clips, num_frames, num_mel_bins).

        Raises:
            ValueError: for a damaged record or a missing shard.
        """
        log_mel, _ = self.load_labelled(split, max_clips, seed)
        return log_mel

    def load_labelled(
        self, split: str, max_clips: int | None = None, seed: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Clips of a split, as of `load`, with their labels.

        Returns:
            (log_mel, labels), arrays of shapes (num_clips, num_frames,
            num_mel_bins) and (num_clips, num_classes).
        """
        log_mel, labels, _ = input_pipeline.load_split(
            self.data_dir,
            self.info,
            split,
            max_clips=max_clips,
            seed=seed,
            skip_corrupt=self.skip_corrupt,
        )
        return log_mel, labels

    def batches(
        self, split: str, batch_size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The clips of a split in order.

        Args:
            split: str.
            batch_size: int. The last batch may be smaller.

        Returns:
            Iterator of (log_mel, labels), float32 arrays of shapes (batch,
            num_frames, num_mel_bins) and (batch, num_classes).
        """
        return input_pipeline.eval_batches(
            self.data_dir, self.info, split, batch_size, self.skip_corrupt
        )

    def training_batches(
        self, batch_size: int, num_steps: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Shuffled batches of the training split, without augmentation.

        Args:
            batch_size: int.
            num_steps: int. Number of batches.
            seed: int. Seed of their order.

        Yields:
            (log_mel, labels), as of `batches`.
        """
        dataset = input_pipeline.make_train_dataset(
            self.data_dir,
            self.info,
            batch_size,
            first_step=0,
            last_step=num_steps,
            seed=seed,
            augmentation=_NO_AUGMENTATION,
            skip_corrupt=self.skip_corrupt,
        )
        with input_pipeline.reading_errors():
            for batch in dataset:
                yield batch["log_mel"].numpy(), batch["labels"].numpy()

    def recordings(
        self, split: str, audio_dir
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The audio files of the clips of a split, in order.

        Args:
            split: str.
            audio_dir: path of the directory that clip ids are relative to.

        Yields:
            (waveforms, labels) of one clip at a time, float32 arrays of
            shapes (1, num_samples) and (1, num_classes).

        Raises:
            ValueError: if a file cannot be read.
        """
        frontend, seconds = self.info.frontend, self.info.clip_seconds
        num_samples = frontend.num_samples(seconds)
        clips = input_pipeline.make_eval_dataset(
            self.data_dir,
            self.info,
            split,
            batch_size=1,
            skip_corrupt=self.skip_corrupt,
        )
        with input_pipeline.reading_errors():
            for clip in clips:
                path = pathlib.Path(audio_dir, clip["id"].numpy()[0].decode())
                try:
                    waveform = audio.load_audio(
                        path, frontend.sample_rate_hz, seconds
                    )
                except audio.AudioError as error:
                    raise ValueError(
                        "The recording of a clip cannot be read. "
                        f"{error}. --audio_dir must have the files that the "
                        "clip ids name."
                    ) from error
                waveform = audio.fit_length(waveform, num_samples)
                yield waveform[np.newaxis], clip["labels"].numpy()
