"""Command: lists the recipes, the flagfiles that come with the package.

python -m ofa_aec_tf.recipes [WORD...]
python -m ofa_aec_tf.train --flagfile=ofa:teacher.cfg ...

WORDs limit the list to names that contain all of them. A command reads a
recipe as `--flagfile=ofa:NAME`, wherever the package is installed.
"""

import pathlib
import shutil

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import recipes

_OUTPUT_DIR = path_flags.define_path(
    "output_dir",
    None,
    "Copy the recipes to this new directory, to change them there. All are "
    "copied, because recipes include each other.",
)


def main(arguments):
    """Runs the command."""
    if _OUTPUT_DIR.value is not None:
        output_dir = pathlib.Path(_OUTPUT_DIR.value)
        if output_dir.exists():
            raise ValueError(f"{output_dir} exists. Name a new directory.")
        shutil.copytree(recipes.directory(), output_dir)
        print(f"wrote {output_dir}")
        return
    found = {
        name: text
        for name, text in recipes.descriptions().items()
        if all(word in name for word in arguments)
    }
    if not found:
        raise ValueError(
            f"No recipe has {' and '.join(arguments)} in its name. Without a "
            "word all are listed."
        )
    columns = max(map(len, found))
    for name, text in found.items():
        print(f"{name:<{columns}}  {text}")


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
