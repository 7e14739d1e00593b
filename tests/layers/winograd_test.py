"""Winograd's convolution equals the direct one."""

import ml_dtypes
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ofa_aec_tf.layers import winograd

TILES = [(4, 4), (4, 2), (2, 2)]


def direct(inputs, kernel):
    """Correlation in float64, one pair of channels after the other."""
    outputs = np.zeros((*inputs.shape[:3], kernel.shape[3]))
    for clip, image in enumerate(inputs.astype(np.float64)):
        for i in range(kernel.shape[2]):
            for o in range(kernel.shape[3]):
                outputs[clip, :, :, o] += scipy.signal.correlate2d(
                    image[..., i], kernel[:, :, i, o], mode="same"
                )
    return outputs


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def relative_error(value, reference):
    difference = np.asarray(value, np.float64) - reference
    return np.linalg.norm(difference) / np.linalg.norm(reference)


@pytest.mark.parametrize("num_outputs", [2, 4])
def test_matrices_compute_a_correlation(num_outputs):
    input_, kernel_, output = winograd.minimal_filtering(num_outputs)
    inputs, kernel = random(num_outputs + 2), random(3, seed=1)
    outputs = output @ ((kernel_ @ kernel) * (input_ @ inputs))
    np.testing.assert_allclose(
        outputs, np.correlate(inputs, kernel, mode="valid"), rtol=1e-6
    )


def test_matrices_of_two_outputs_are_the_published_ones():
    # Lavin and Gray, equation 5 ff., up to the sign of two points.
    input_, kernel_, output = winograd.minimal_filtering(2)
    np.testing.assert_array_equal(
        np.abs(input_), [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    )
    np.testing.assert_array_equal(
        np.abs(kernel_), [[1, 0, 0], [0.5] * 3, [0.5] * 3, [0, 0, 1]]
    )
    np.testing.assert_array_equal(np.abs(output), [[1, 1, 1, 0], [0, 1, 1, 1]])


def test_transforms_of_the_bfloat16_tile_are_exact_in_bfloat16():
    rows, columns = map(winograd.minimal_filtering, (4, 2))
    for part in (0, 2):
        matrix = np.kron(rows[part], columns[part])
        rounded = matrix.astype(ml_dtypes.bfloat16).astype(np.float64)
        np.testing.assert_array_equal(matrix, rounded)


@pytest.mark.parametrize("tile", TILES)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 13),
    width=st.integers(1, 9),
    in_channels=st.integers(1, 5),
    filters=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_outputs_are_those_of_direct_correlation(
    tile, batch, height, width, in_channels, filters
):
    inputs = random((batch, height, width, in_channels))
    kernel = random((3, 3, in_channels, filters), seed=1)
    outputs = winograd.winograd_conv2d(inputs, tf.constant(kernel), *tile)
    np.testing.assert_allclose(
        outputs, direct(inputs, kernel), rtol=1e-4, atol=2e-5
    )


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("shape", [(2, 8, 8, 6, 5), (2, 13, 7, 3, 4)])
def test_gradients_are_those_of_direct_convolution(tile, shape):
    batch, height, width, in_channels, filters = shape
    inputs = tf.constant(random((batch, height, width, in_channels)))
    kernel = tf.constant(random((3, 3, in_channels, filters), seed=1))
    weights = random((batch, height, width, filters), seed=2)

    def gradients(convolve):
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            loss = tf.reduce_sum(convolve(inputs, kernel) * weights)
        return tape.gradient(loss, [inputs, kernel])

    expected = gradients(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"))
    actual = gradients(lambda x, k: winograd.winograd_conv2d(x, k, *tile))
    for ours, plain in zip(actual, expected):
        assert relative_error(ours, plain.numpy()) < 2e-6


def test_float32_rounds_little_more_than_direct_convolution():
    inputs = np.maximum(random((2, 16, 16, 128)), 0)
    kernel = random((3, 3, 128, 8), seed=1)
    exact = direct(inputs, kernel)
    ours = relative_error(
        winograd.winograd_conv2d(inputs, tf.constant(kernel), 4, 4), exact
    )
    plain = relative_error(tf.nn.conv2d(inputs, kernel, 1, "SAME"), exact)
    assert ours < 2e-6
    # The direct one rounds less, the fewer terms a machine adds up at a time.
    assert ours < 10 * plain


def test_bfloat16_stays_within_two_percent():
    inputs = tf.cast(np.maximum(random((2, 16, 16, 128)), 0), tf.bfloat16)
    kernel = random((3, 3, 128, 8), seed=1)
    outputs = winograd.winograd_conv2d(inputs, tf.constant(kernel), 4, 2)
    assert outputs.dtype == tf.bfloat16
    exact = direct(tf.cast(inputs, tf.float32).numpy(), kernel)
    assert relative_error(tf.cast(outputs, tf.float32), exact) < 2e-2


def test_channels_of_any_number_run_in_one_trace():
    traces = []
    kernel = tf.constant(random((3, 3, 6, 7)))

    @tf.function
    def convolve(inputs, active_in, active_out):
        traces.append(None)
        return winograd.winograd_conv2d(
            inputs[..., :active_in], kernel[:, :, :active_in, :active_out], 4, 4
        )

    inputs = random((1, 9, 6, 6))
    for active_in, active_out in ((2, 7), (6, 1), (5, 3)):
        outputs = convolve(
            inputs, tf.constant(active_in), tf.constant(active_out)
        )
        expected = tf.nn.conv2d(
            inputs[..., :active_in],
            kernel[:, :, :active_in, :active_out],
            1,
            "SAME",
        )
        np.testing.assert_allclose(outputs, expected, atol=2e-5)
    assert len(traces) == 1
