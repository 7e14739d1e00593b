"""What `train` and `store_logits` need to show their help."""

import subprocess
import sys

import pytest

from tests import commands

_CODE = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(sorted({"keras", "tensorflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize("command", ["train", "store_logits"])
def test_flags_are_defined_without_tensorflow(command):
    result = subprocess.run(
        [sys.executable, "-c", _CODE, f"ofa_aec_tf.{command}"],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"
