"""TFLite models of small functions, for tests of what is in a file."""

import tensorflow as tf


def convert(function, *shapes, dtype=tf.float32, custom=False):
    """TFLite bytes of a function of tensors of these shapes."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [
            tf.function(function).get_concrete_function(
                *(tf.TensorSpec(shape, dtype) for shape in shapes)
            )
        ]
    )
    converter.allow_custom_ops = custom
    return converter.convert()
