"""Times batch normalization in training, by the number of channels.

python benchmarks/batch_normalization.py --dtype=bfloat16

A row for each size: milliseconds forward and backward of TensorFlow's fused
operation as it is, and of the layer, which pads channels to whole vectors for
it and cuts them off again. Normalization is followed by ReLU, as in a network.
The last line is a JSON object with the rows.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import tensorflow as tf
import workload

from ofa_aec_tf.layers import ElasticBatchNormalization

_WHAT = "batch_normalization"

# Widths 0.4, 0.6, 0.8 and 1 of CNN10's blocks 2 to 4 on 501 x 64.
_SIZES = (
    "250x32x51,250x32x77,250x32x102,250x32x128,"
    "125x16x102,125x16x154,125x16x205,125x16x256,"
    "62x8x205,62x8x307,62x8x410,62x8x512"
)

measurement.define_what(_WHAT)
measurement.define_flags("dtype", "batch", "steps", "seed")
flags.DEFINE_list("sizes", _SIZES, "Height x width x channels.")


def _forward_backward(normalize):
    """The gradient by the inputs of normalization and ReLU."""

    @tf.function(jit_compile=False)
    def forward_backward(inputs, output_gradient):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.nn.relu(normalize(inputs))
        return tape.gradient(outputs, inputs, output_gradients=output_gradient)

    return forward_backward


def _measure(size, values):
    channels = size[-1]
    arguments = tuple(
        tf.cast(
            tf.random.stateless_normal(
                (values.batch, *size), (values.seed, number)
            ),
            values.dtype,
        )
        for number in range(2)
    )
    layer = ElasticBatchNormalization(channels=channels)
    # Variable in a graph, as in a supernet: nothing is folded.
    active = tf.Variable(channels)

    def operation(inputs):
        outputs, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs, layer.gamma.value, layer.beta.value, epsilon=layer.epsilon
        )
        return outputs

    def elastic(inputs):
        return layer(inputs, active_channels=active, training=True)

    row = {"size": "x".join(map(str, size))}
    for name, normalize in (("operation_ms", operation), ("layer_ms", elastic)):
        row[name] = workload.milliseconds(
            _forward_backward(normalize), arguments, values.steps
        )
    return row


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    rows = []
    print("size           operation ms   layer ms")
    for size in measurement.sizes("sizes", "250x32x102"):
        row = _measure(size, values)
        rows.append(row)
        print(
            f"{row['size']:14} {row['operation_ms']:12.1f} "
            f"{row['layer_ms']:10.1f}",
            flush=True,
        )
    measurement.print_json(workload.layer_result(_WHAT, values, rows))


if __name__ == "__main__":
    command_line.run(main)
