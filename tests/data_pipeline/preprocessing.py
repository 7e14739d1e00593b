"""Runs of data_pipeline.preprocess, in processes of their own."""

import numpy as np
import soundfile

from tests import commands


def preprocess(output_dir, *beam_arguments, **flag_values):
    """Runs the command.

    Args:
        output_dir: its flag.
        beam_arguments: what follows `--`.
        flag_values: other flags, without those that are None.

    Returns:
        subprocess.CompletedProcess.
    """
    flag_values = {"output_dir": output_dir, "num_workers": 1, **flag_values}
    if beam_arguments:
        beam_arguments = ("--", *beam_arguments)
    return commands.run(
        "data_pipeline.preprocess",
        *(
            f"--{name}={value}"
            for name, value in flag_values.items()
            if value is not None
        ),
        *beam_arguments,
    )


def sounds(tmp_path, num_files=12):
    """A directory of sounds of a second with a table: half of them train.

    Returns:
        dict of the flags that preprocess it.
    """
    directory = tmp_path / "sounds"
    directory.mkdir()
    lines = ["filename,labels,split"]
    for index in range(num_files):
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, 16000)
        soundfile.write(directory / f"{index}.flac", noise, 16000)
        split = ("train", "train", "val", "test")[index % 4]
        lines.append(f"{index}.flac,{('dog', 'cat;dog')[index % 2]},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return {
        "source": "csv",
        "audio_dir": directory,
        "labels_csv": tmp_path / "labels.csv",
        "clip_seconds": 1,
    }
