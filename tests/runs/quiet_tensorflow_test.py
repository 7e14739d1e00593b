"""TensorFlow starts without a word, whichever module imports it."""

import subprocess
import sys

import pytest

from tests import commands

_COMMAND = """
import sys
from ofa_aec_tf.command_flags import command_line
{early}

def main(_):
    {late}
    tf = sys.modules["tensorflow"]
    assert tf.__spec__.loader.get_filename("tensorflow") == tf.__file__
    print(float(tf.reduce_sum(tf.ones(2))))

command_line.run(main)
"""


@pytest.mark.parametrize(
    ("early", "late"),
    [("import tensorflow", ""), ("import keras", ""), ("", "import keras")],
    ids=["tensorflow", "keras", "in main"],
)
def test_nothing_is_written_while_it_starts(early, late):
    result = subprocess.run(
        [sys.executable, "-c", _COMMAND.format(early=early, late=late)],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("2.0\n", "")
