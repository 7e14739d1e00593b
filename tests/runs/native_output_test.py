import os
import signal
import subprocess
import sys

import pytest
from absl import logging

from ofa_aec_tf.runs import native_output


def test_output_past_python_stays_off_the_screen(capfd):
    with native_output.to_debug_log():
        os.write(1, b"native out\n")
        os.write(2, b"native err\n")
    assert capfd.readouterr() == ("", "")


def test_output_before_and_after_is_kept_in_order(capfd):
    print("before")
    with native_output.to_debug_log():
        os.write(1, b"hidden\n")
    print("after")
    print("error", file=sys.stderr)
    assert capfd.readouterr() == ("before\nafter\n", "error\n")


def test_hidden_lines_go_to_the_debug_log(monkeypatch):
    lines = []
    monkeypatch.setattr(
        logging, "debug", lambda form, *values: lines.append(form % values)
    )
    with native_output.to_debug_log():
        os.write(2, b"first\nse\xffcond\n")
    assert lines == ["first", "se\ufffdcond"]


def test_exceptions_pass_and_the_screen_comes_back(capfd):
    with pytest.raises(RuntimeError, match="inside"):
        with native_output.to_debug_log():
            raise RuntimeError("inside")
    print("after")
    assert capfd.readouterr().out == "after\n"


def test_a_process_that_aborts_shows_what_was_captured():
    code = (
        "import os\n"
        "from ofa_aec_tf.runs import native_output\n"
        "with native_output.to_debug_log():\n"
        "    os.write(1, b'native out\\n')\n"
        "    os.write(2, b'check failed: rank\\n')\n"
        "    os.abort()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == -signal.SIGABRT
    assert result.stdout == ""
    assert result.stderr == "native out\ncheck failed: rank\n"
