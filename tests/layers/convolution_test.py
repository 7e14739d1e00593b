"""The choice of a convolution's algorithm."""

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.layers import ElasticConv2D
from ofa_aec_tf.layers import convolution
from ofa_aec_tf.runs import machine


@pytest.fixture(name="cpu")
def fixture_cpu(monkeypatch):
    """A machine with the given CPU features and no GPU."""
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda device_type=None: []
    )

    def set_features(*names):
        monkeypatch.setattr(machine, "features", lambda: frozenset(names))

    set_features()
    return set_features


@pytest.mark.parametrize(
    "in_channels, filters, dtype, expected",
    [
        (64, 64, "float32", True),
        (1, 512, "float32", False),
        (64, 32, "float32", False),
        (64, 64, "bfloat16", False),
        (64, 128, "bfloat16", True),
        (128, 64, "bfloat16", True),
        (512, 512, "float16", False),
    ],
)
def test_auto_takes_winograd_where_channels_suffice(
    cpu, in_channels, filters, dtype, expected
):
    assert (
        convolution.uses_winograd("auto", 3, in_channels, filters, dtype)
        is expected
    )


@pytest.mark.parametrize(
    "in_channels, filters, dtype, expected",
    [
        (64, 64, "float32", False),
        (64, 128, "float32", True),
        (64, 128, "bfloat16", False),
        (128, 128, "bfloat16", True),
    ],
)
def test_inference_needs_more_channels(
    cpu, in_channels, filters, dtype, expected
):
    assert (
        convolution.uses_winograd(
            "auto", 3, in_channels, filters, dtype, inference=True
        )
        is expected
    )


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_constant_convolution_equals_the_plain_one(algorithm, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 6, 5)).astype("f")
    kernel = rng.standard_normal((3, 3, 5, 4)).astype("f")
    convolve = convolution.constant_convolution(kernel, dtype, algorithm)
    outputs = tf.function(convolve)(tf.cast(x, dtype))
    assert outputs.dtype == dtype
    expected = tf.nn.conv2d(x, kernel, 1, "SAME")
    tolerance = 1e-5 if dtype == "float32" else 0.02
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float32),
        expected,
        atol=tolerance * float(tf.reduce_max(tf.abs(expected))),
    )


def test_auto_leaves_bfloat16_to_matrix_units(cpu):
    cpu("avx512_bf16", "amx_bf16")
    assert not convolution.uses_winograd("auto", 3, 512, 512, "bfloat16")
    assert convolution.uses_winograd("auto", 3, 512, 512, "float32")


def test_auto_leaves_everything_to_a_gpu(monkeypatch):
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda device_type=None: ["GPU:0"]
    )
    assert not convolution.uses_winograd("auto", 3, 512, 512, "float32")


def test_a_named_algorithm_is_taken_where_it_can_be(cpu):
    assert convolution.uses_winograd("winograd", 3, 2, 2, "float32")
    assert not convolution.uses_winograd("winograd", 5, 512, 512, "float32")
    assert not convolution.uses_winograd("direct", 3, 512, 512, "float32")


def test_layer_computes_the_same_with_each_algorithm():
    x = np.random.default_rng(0).standard_normal((2, 9, 6, 5)).astype("f")
    layers = {
        algorithm: ElasticConv2D(7, 5, algorithm=algorithm)
        for algorithm in ("direct", "winograd")
    }
    layers["direct"].set_weights(layers["winograd"].get_weights())
    outputs = {
        algorithm: layer(x, active_filters=tf.constant(4))
        for algorithm, layer in layers.items()
    }
    np.testing.assert_allclose(
        outputs["winograd"], outputs["direct"], atol=1e-5
    )
    # Not the same numbers: the other algorithm did run.
    assert np.any(outputs["winograd"] != outputs["direct"])


def test_layer_refuses_an_unknown_algorithm():
    with pytest.raises(ValueError, match="must be one of .*'fft'"):
        ElasticConv2D(7, 5, algorithm="fft")
