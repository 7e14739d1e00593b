"""Times the input pipeline: TFRecords to training batches.

python benchmarks/input_pipeline.py --batch=32 --frames=1001 --cores=1

It writes a synthetic data set to a temporary directory and reads it from the
page cache: as training does, with all augmentation and with none; with classes
balanced; and in order, as evaluation does. The last line is a JSON object:
`clips_per_second` is of training with augmentation; `without_augmentation`,
`class_balanced` and `in_order`, all without, have the same fields.
"""

import math
import os
import pathlib
import sys
import tempfile

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

_WHAT = "input_pipeline"
_CLASSES_PER_CLIP = 2

measurement.define_what(_WHAT)
measurement.define_flags("batch", "frames", "steps", "seed")
_CORES = flags.DEFINE_integer("cores", 1, "Cores to run on.", lower_bound=1)
_NUM_CLIPS = flags.DEFINE_integer(
    "num_clips", 256, "Clips of the data set.", lower_bound=1
)
_BATCHES_PER_STEP = flags.DEFINE_integer(
    "batches_per_step",
    16,
    "Batches that are timed together: some are ready ahead of time.",
    lower_bound=1,
)


def _pin_to_cores(count):
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError(
            "This system cannot pin a process to cores. Run it on Linux. "
            f"Received: --cores={count} on {sys.platform}"
        )
    available = sorted(os.sched_getaffinity(0))
    if count > len(available):
        raise ValueError(
            f"This process may run on {len(available)} cores. "
            f"Received: --cores={count}"
        )
    os.sched_setaffinity(0, available[:count])


def _write_dataset(directory, num_clips, num_frames, seed):
    """Writes a data set of noise with a training split only."""
    import numpy as np

    from ofa_aec_tf.audio.frontend import FrontendConfig
    from ofa_aec_tf.data import dataset_info
    from ofa_aec_tf.data.class_map import ClassMap
    from ofa_aec_tf.data.records import RecordFileWriter
    from ofa_aec_tf.data.records import encode_record

    frontend = FrontendConfig()
    num_classes = measurement.NUM_CLASSES
    rng = np.random.default_rng(seed)
    class_counts = np.zeros(num_classes, int)
    all_labels = []
    name = "train-00000-of-00001.tfrecord"
    with RecordFileWriter(directory / name) as writer:
        for number in range(num_clips):
            log_mel = rng.normal(-50, 10, (num_frames, frontend.num_mel_bins))
            labels = rng.choice(num_classes, _CLASSES_PER_CLIP, replace=False)
            class_counts[labels] += 1
            all_labels.append(labels.tolist())
            writer.write(encode_record(f"clip-{number}", log_mel, labels))
        side_car = writer.finish(labels=all_labels)
    shard = dataset_info.ShardInfo(
        name,
        side_car["num_records"],
        side_car["num_bytes"],
        side_car["sha256"],
    )
    num_samples = (num_frames - 1) * frontend.hop_samples
    return dataset_info.DatasetInfo(
        frontend=frontend,
        clip_seconds=num_samples / frontend.sample_rate_hz,
        class_map=ClassMap(tuple(f"class {n}" for n in range(num_classes))),
        label_type=dataset_info.MULTI_LABEL,
        splits={
            "train": dataset_info.SplitInfo(
                (shard,), tuple(class_counts.tolist())
            )
        },
        mel_mean_db=(-50.0,) * frontend.num_mel_bins,
        mel_std_db=(10.0,) * frontend.num_mel_bins,
        source={"kind": "noise"},
        num_dead_letters=0,
    )


def _num_batches():
    num_steps = measurement.NUM_WARMUP_STEPS + flags.FLAGS.steps
    return num_steps * _BATCHES_PER_STEP.value


def _train_batches(directory, info, augmentation, sampling):
    from ofa_aec_tf.data import input_pipeline

    values = flags.FLAGS
    return input_pipeline.make_train_dataset(
        directory,
        info,
        values.batch,
        0,
        _num_batches(),
        values.seed,
        augmentation,
        sampling=sampling,
    )


def _eval_batches(directory, info):
    from ofa_aec_tf.data import input_pipeline

    batch = flags.FLAGS.batch
    num_clips = _NUM_CLIPS.value // batch * batch
    if not num_clips:
        raise ValueError(
            "--num_clips must be at least --batch. Received: "
            f"--num_clips={_NUM_CLIPS.value} and --batch={batch}"
        )
    # Whole batches only, since each counts as many clips.
    return input_pipeline.make_eval_dataset(
        directory, info, "train", batch, num_clips
    ).repeat(math.ceil(_num_batches() * batch / num_clips))


def _speed(dataset):
    """The summary of reading batches, each time several."""
    values = flags.FLAGS
    batches = iter(dataset)

    def read_batches():
        for _ in range(_BATCHES_PER_STEP.value):
            next(batches)

    seconds = measurement.time_steps(read_batches, values.steps)
    # To its end: an iterator must not be deleted while it reads ahead.
    for _ in batches:
        pass
    return measurement.summary(
        [step_seconds / _BATCHES_PER_STEP.value for step_seconds in seconds],
        values.batch,
    )


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    # TensorFlow starts as many threads as it has cores, once it is imported.
    _pin_to_cores(_CORES.value)
    from ofa_aec_tf.data.augmentation_config import AugmentationConfig
    from ofa_aec_tf.data.sampling import CLASS_BALANCED
    from ofa_aec_tf.data.sampling import UNIFORM

    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        info = _write_dataset(
            directory, _NUM_CLIPS.value, values.frames, values.seed
        )
        plain = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)
        augmented = AugmentationConfig(time_roll=True, mixup_alpha=1.0)
        speeds = {
            name: _speed(dataset)
            for name, dataset in (
                (
                    "with_augmentation",
                    _train_batches(directory, info, augmented, UNIFORM),
                ),
                (
                    "without_augmentation",
                    _train_batches(directory, info, plain, UNIFORM),
                ),
                (
                    CLASS_BALANCED,
                    _train_batches(directory, info, plain, CLASS_BALANCED),
                ),
                ("in_order", _eval_batches(directory, info)),
            )
        }
    for name, speed in speeds.items():
        print(
            f"{name}: {speed['clips_per_second']:.4g} clips/s on "
            f"{_CORES.value} core(s)"
        )
    measurement.print_json(
        {
            "engine": measurement.engine(),
            "what": _WHAT,
            "dtype": "float32",
            "batch": values.batch,
            "frames": values.frames,
            **speeds.pop("with_augmentation"),
            **speeds,
            "cores": _CORES.value,
            "peak_rss_mib": measurement.peak_rss_mib(),
        }
    )


if __name__ == "__main__":
    command_line.run(main)
