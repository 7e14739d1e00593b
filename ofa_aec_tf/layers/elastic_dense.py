"""Dense layer whose inputs and units are chosen at run time."""

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.layers import execution as executions


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class ElasticDense(keras.layers.Layer):
    """Dense layer with bias and elastic width.

    Args:
        units: int. Largest number of units.
        in_units: int. Largest number of inputs.
        activation: str or None. Name of a Keras activation that maps 0 to 0.
        execution: `"slice"` or `"mask"`.

    Call arguments:
        inputs: tensor of shape (batch, inputs). Under `slice` only its active
            inputs; under `mask` all, the inactive ones 0.
        active_units: scalar int32 tensor, or None for all.

    Output shape:
        (batch, active_units) under `slice`; (batch, units), exactly 0 from
        active_units on, under `mask`.
    """

    def __init__(
        self, units, in_units, activation=None, execution="slice", **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.in_units = in_units
        self.activation = keras.activations.get(activation)
        self.execution = check_choice(
            "execution", execution, executions.EXECUTIONS
        )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.in_units, self.units),
            initializer="glorot_uniform",
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros"
        )
        self.built = True

    def call(self, inputs, active_units=None):
        executions.check_last_dimension(self.name, inputs.shape, self.in_units)
        kernel = ops.convert_to_tensor(self.kernel)
        bias = ops.convert_to_tensor(self.bias)
        if self.execution == "slice":
            kernel = kernel[: tf.shape(inputs)[-1]]
            if active_units is not None:
                kernel, bias = kernel[:, :active_units], bias[:active_units]
        outputs = self.activation(ops.matmul(inputs, kernel) + bias)
        if self.execution == "mask" and active_units is not None:
            # After the activation: the bias of an inactive unit must not show.
            outputs = outputs * executions.channel_mask(
                active_units, self.units, outputs.dtype
            )
        return outputs

    def compute_output_spec(self, inputs, active_units=None):
        known = self.execution == "mask" or active_units is None
        return keras.KerasTensor(
            (*inputs.shape[:-1], self.units if known else None),
            self.compute_dtype,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "in_units": self.in_units,
            "activation": keras.activations.serialize(self.activation),
            "execution": self.execution,
        }
