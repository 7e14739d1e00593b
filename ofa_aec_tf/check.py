"""Checks exported files as they lie on a disk, before an app ships them.

python -m ofa_aec_tf.check exported a.tflite

A directory stands for all `.tflite` files in and below it. Each must be whole,
have builtin operators, finite weights and finite scores on extreme sounds, and
take and give what apps expect; one that takes samples must have its metadata
and a label for each score. Where `export.json` lies beside it, its sha256 and
its labels must be those of the export. Every file is checked in a process of
its own, and its verdict is printed at once; the exit status is 2 if one fails.
"""

import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.deployment.export import exported_files


def main(arguments):
    """Runs the command on files and directories."""
    paths = exported_files.find_files(
        [pathlib.Path(path_flags.local_path(text)) for text in arguments]
    )
    num_bad = 0
    for path in paths:
        verdict = exported_files.verdict(path)
        num_bad += verdict != exported_files.OK
        print(f"{path}: {verdict}", flush=True)
    if num_bad:
        raise ValueError(
            f"{num_bad} of {len(paths)} files must not be shipped; the lines "
            "above say why."
        )


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
