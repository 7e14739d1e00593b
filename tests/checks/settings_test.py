"""Settings that are read from the texts of flags."""

import dataclasses

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting


@dataclasses.dataclass(frozen=True)
class _Example(settings.Settings):
    num_classes: int
    width: int | None = setting(None, "How wide.", flag="net_width")
    ratios: tuple[float, ...] = setting((1.0,), "Ratios.")
    loud: bool = setting(False, "Whether it is loud.")
    mode: str = setting("plain", "Which.", choices=("plain", "fancy"))


def test_texts_are_read_by_the_type_of_the_field():
    texts = {
        "net_width": "8",
        "ratios": "0.5,1",
        "loud": "",
        "mode": "fancy",
        "num_classes": "3",
        "other": "x",
    }
    assert settings.read(_Example, texts) == {
        "width": 8,
        "ratios": (0.5, 1.0),
        "loud": True,
        "mode": "fancy",
    }


def test_what_is_not_there_is_left_out():
    assert settings.read(_Example, {"loud": "false"}) == {"loud": False}
