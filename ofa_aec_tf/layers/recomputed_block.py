"""Gradient checkpointing: a block that recomputes its activations."""

import keras


class RecomputedBlock(keras.layers.Layer):
    """Runs a block again for its gradients, to save memory.

    Only the input of the block is kept in between. It is for training only:
    a saved model contains the layers of the block.

    Args:
        block: keras.Model with one input and one output of the same shape,
            and nothing random in it, which would differ the second time.

    Reference: https://arxiv.org/abs/1604.06174.
    """

    def __init__(self, block, **kwargs):
        super().__init__(**kwargs)
        self.block = block
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: the block is built already."""

    def call(self, inputs, training=None):
        # A function of the tensor alone: in a graph TensorFlow's custom
        # gradients take no keywords, which `keras.RematScope` passes.
        return keras.remat(lambda x: self.block(x, training=training))(inputs)

    def compute_output_spec(self, inputs, training=None):
        return keras.KerasTensor(inputs.shape, self.compute_dtype)
