"""Fixtures of the tests of reading audio files."""

import sys

import pytest


@pytest.fixture
def without_av(monkeypatch):
    """Lets PyAV look as if it were not installed."""
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(
        sys.modules, "ofa_aec_tf.audio.av_decoder", raising=False
    )
