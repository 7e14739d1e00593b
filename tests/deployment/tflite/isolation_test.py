"""Calls in child processes that end in every way."""

import os
import time

import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import isolation


def _add(first, second):
    return first + second


def _refuse():
    raise ValueError("not this one")


def _miss():
    os.open("/nowhere/at/all", os.O_RDONLY)


def _speak_and_crash():
    os.write(2, b"first words\nCheck failed: n < 3\n\n")
    os.abort()


def _loop():
    while True:
        time.sleep(0.01)


def _take_all_memory():
    return np.ones((8, 2**30), np.uint8).sum()


def test_what_a_function_returns_comes_back():
    assert isolation.call(_add, 2, 3) == 5


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_refuse, "^not this one$"),
        (_miss, "No such file or directory: '/nowhere/at/all'"),
        (lambda: {}["key"], "cannot be read: KeyError: 'key'"),
        (os.abort, r"crashed \(SIGABRT\)"),
        (_speak_and_crash, r"\(SIGABRT\), saying 'Check failed: n < 3'\. "),
        (lambda: os._exit(3), "ended with status 3"),
        (_take_all_memory, "MemoryError"),
    ],
    ids=["value", "system", "other", "crash", "words", "exit", "memory"],
)
def test_every_other_end_is_a_value_error(function, message):
    with pytest.raises(ValueError, match=message):
        isolation.call(function)


def test_an_endless_call_is_ended():
    with pytest.raises(ValueError, match=r"took more than 0\.2 s"):
        isolation.call(_loop, max_seconds=0.2)
