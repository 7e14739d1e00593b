"""TensorFlow starts without a word, whichever module imports it."""

import subprocess
import sys

import pytest

from tests import commands

_COMMAND = """
from ofa_aec_tf.command_flags import command_line
import {module}
import tensorflow as tf

def main(_):
    assert tf.__spec__.loader.get_filename("tensorflow") == tf.__file__
    print(float(tf.reduce_sum(tf.ones(2))))

command_line.run(main)
"""


@pytest.mark.parametrize("module", ["tensorflow", "keras"])
def test_nothing_is_written_while_it_starts(module):
    result = subprocess.run(
        [sys.executable, "-c", _COMMAND.format(module=module)],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("2.0\n", "")
