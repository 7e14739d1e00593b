"""The compute type that `auto` chooses."""

import keras
import pytest
import tensorflow as tf

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.models.precision import resolve_precision
from ofa_aec_tf.runs import machine


@pytest.fixture(name="machine")
def fixture_machine(monkeypatch):
    """A machine with these CPU features and this GPU, if any."""

    def set_machine(features=(), compute_capability=None):
        gpus = [] if compute_capability is None else ["GPU:0"]
        monkeypatch.setattr(machine, "features", lambda: frozenset(features))
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda device_type=None: gpus
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: {"compute_capability": compute_capability},
        )

    return set_machine


@pytest.mark.parametrize(
    ("features", "fewest_filters", "expected"),
    [
        ({"fpu", "avx2", "avx512f"}, 64, "float32"),
        ({"fpu", "avx512_bf16"}, 64, "bfloat16"),
        ({"fpu", "amx_bf16"}, 16, "bfloat16"),
        ({"fpu", "avx512_bf16"}, 15, "float32"),
    ],
)
def test_auto_follows_cpu_and_width(
    machine, features, fewest_filters, expected
):
    machine(features)
    assert resolve_precision("auto", fewest_filters) == expected


@pytest.mark.parametrize(
    ("compute_capability", "expected"),
    [((9, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")],
)
def test_auto_follows_the_gpu(machine, compute_capability, expected):
    machine({"avx512_bf16"}, compute_capability)
    assert resolve_precision("auto", 64) == expected


def test_a_named_precision_is_taken_as_it_is(machine):
    machine()
    for precision in ("float32", "bfloat16", "float16"):
        assert resolve_precision(precision, 1) == precision
    with pytest.raises(ValueError, match="one of .*auto.*'half'"):
        resolve_precision("half", 64)


def test_narrowest_convolution_of_a_family_and_of_a_subnet():
    family = Cnn10Family(num_classes=5, channels=(16, 20, 40, 80))
    assert family.fewest_filters() == 16
    # 0.4 of 20 channels.
    assert family.fewest_filters(family.search_space().smallest()) == 8


def test_scope_ends_where_it_should():
    before = keras.config.dtype_policy().name
    with precision_scope("float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
    assert keras.config.dtype_policy().name == before
