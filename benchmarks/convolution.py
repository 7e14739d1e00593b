"""Times one convolution, direct and by Winograd's algorithm, and its errors.

python benchmarks/convolution.py --dtype=bfloat16

A row for each size: milliseconds forward, and forward and backward; relative
errors of outputs, input gradients and kernel gradients against the direct
convolution in float32. `layers/convolution.py` chooses by these figures. The
last line is a JSON object with the rows.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import numpy as np
import tensorflow as tf
import workload

from ofa_aec_tf.layers.convolution import convolve

_WHAT = "convolution"

# Those of CNN10 on 501 x 64, and narrower ones.
_SIZES = (
    "501x64x32x32,501x64x64x64,250x32x51x51,250x32x64x128,250x32x128x128,"
    "125x16x51x102,125x16x128x256,125x16x256x256,62x8x256x512,62x8x512x512"
)

measurement.define_what(_WHAT)
measurement.define_flags("dtype", "batch", "steps", "seed")
flags.DEFINE_list("sizes", _SIZES, "Height x width x input channels x filters.")


def _functions(use_winograd):
    """The convolution, and it with both gradients."""

    @tf.function(jit_compile=False)
    def forward(inputs, kernel):
        return convolve(inputs, kernel, use_winograd)

    @tf.function(jit_compile=False)
    def forward_backward(inputs, kernel, output_gradient):
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernel])
            outputs = convolve(inputs, kernel, use_winograd)
        return outputs, *tape.gradient(
            outputs, [inputs, kernel], output_gradients=output_gradient
        )

    return forward, forward_backward


def _error(value, reference):
    difference = tf.cast(value, tf.float32) - reference
    return float(tf.norm(difference) / tf.norm(reference))


def _measure(size, values):
    height, width, in_channels, filters = size
    rng = np.random.default_rng(values.seed)

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    # Like the output of the layer before: rectified.
    inputs = np.maximum(normal(values.batch, height, width, in_channels), 0)
    # On the scale of a trained kernel.
    kernel = tf.constant(
        normal(3, 3, in_channels, filters) * (2 / 9 / in_channels) ** 0.5
    )
    gradient = normal(values.batch, height, width, filters)
    exact = _functions(False)[1](tf.constant(inputs), kernel, gradient)
    arguments = (
        tf.cast(inputs, values.dtype),
        kernel,
        tf.cast(gradient, values.dtype),
    )
    row = {"size": "x".join(map(str, size))}
    for name, use_winograd in (("direct", False), ("winograd", True)):
        forward, forward_backward = _functions(use_winograd)
        row[name] = {
            "forward_ms": workload.milliseconds(
                forward, arguments[:2], values.steps
            ),
            "forward_backward_ms": workload.milliseconds(
                forward_backward, arguments, values.steps
            ),
            "relative_errors": [
                _error(value, reference)
                for value, reference in zip(forward_backward(*arguments), exact)
            ],
        }
    return row


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    sizes = measurement.sizes("sizes", "250x32x64x128")
    print(
        "size             direct ms        winograd ms      winograd errors\n"
        "                 fwd  fwd+bwd     fwd  fwd+bwd     out, input, kernel"
    )
    rows = []
    for size in sizes:
        row = _measure(size, values)
        rows.append(row)
        times = "  ".join(
            f"{row[name]['forward_ms']:6.1f} "
            f"{row[name]['forward_backward_ms']:8.1f}"
            for name in ("direct", "winograd")
        )
        errors = " ".join(
            f"{error:.1e}" for error in row["winograd"]["relative_errors"]
        )
        print(f"{row['size']:14} {times}    {errors}", flush=True)
    measurement.print_json(workload.layer_result(_WHAT, values, rows))


if __name__ == "__main__":
    command_line.run(main)
