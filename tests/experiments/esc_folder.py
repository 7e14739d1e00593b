"""A small data set that is laid out as ESC-50, and flagfiles for it."""

import numpy as np
import soundfile

CLASSES = ("low", "middle", "high")
_FREQUENCIES_HZ = (300, 1500, 6000)
_RATE_HZ = 32000
_SECONDS = 0.5
_NETWORK = (
    "--channels=4,6,8,8",
    "--hidden_units=8",
    "--batch_size=4",
    "--steps_per_epoch=4",
    "--precision=float32",
    "--num_calibration_clips=6",
)
_FLAGFILES = {
    "preprocess": (
        "--source=esc",
        f"--clip_seconds={_SECONDS}",
        "--num_shards=1",
        "--num_workers=1",
        # Of other folds: it does not count.
        "--train_folds=1",
        "--validation_folds=2",
    ),
    "alone": (*_NETWORK, "--stage=teacher", "--num_steps=8"),
    "taught": (*_NETWORK, "--stage=kd", "--num_steps=8"),
    "supernet": (
        *_NETWORK,
        "--stage=supernet",
        "--num_steps=4",
        "--num_subnets=2",
    ),
    "finetuned": (*_NETWORK, "--stage=finetune", "--num_steps=4"),
    "leaking": (*_NETWORK, "--stage=kd", "--teacher=other.keras"),
    "stageless": _NETWORK,
}


def write_flagfiles(directory):
    """Writes flagfiles of preprocessing and of trainings that take seconds."""
    directory.mkdir(parents=True)
    for name, lines in _FLAGFILES.items():
        text = "\n".join(lines)
        (directory / f"{name}.cfg").write_text(f"{text}\n")
    return directory


def write_sounds(directory, num_folds=2, num_clips=2):
    """Writes tones in noise: of each class some clips in each fold.

    As in ESC-50, some recordings are in several folds: here, all of them.
    """
    (directory / "audio").mkdir(parents=True)
    (directory / "meta").mkdir()
    rng = np.random.default_rng(0)
    seconds = np.arange(int(_SECONDS * _RATE_HZ)) / _RATE_HZ
    lines = ["filename,fold,target,category,src_file"]
    for fold in range(1, num_folds + 1):
        for target, name in enumerate(CLASSES):
            for number in range(num_clips):
                tone = np.sin(2 * np.pi * _FREQUENCIES_HZ[target] * seconds)
                noise = rng.normal(size=seconds.size)
                file = f"{fold}-{number}-{target}.wav"
                soundfile.write(
                    directory / "audio" / file,
                    0.3 * tone + 0.05 * noise,
                    _RATE_HZ,
                )
                lines.append(f"{file},{fold},{target},{name},{target}{number}")
    (directory / "meta" / "esc.csv").write_text("\n".join(lines) + "\n")
    return directory
