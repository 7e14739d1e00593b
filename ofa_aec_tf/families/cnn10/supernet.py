"""The supernet of the CNN10 family."""

import functools

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.families.cnn10.family import KERNEL_SIZE
from ofa_aec_tf.families.cnn10.family import LAYERS_PER_BLOCK
from ofa_aec_tf.families.cnn10.family import POOL_SIZE
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.layers import ElasticConvBlock
from ofa_aec_tf.layers import ElasticDense
from ofa_aec_tf.models.logits import LOGITS_LAYER
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_EPSILON
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_MOMENTUM
from ofa_aec_tf.models.supernet import CalibrationStep
from ofa_aec_tf.models.supernet import Stage
from ofa_aec_tf.models.supernet import Supernet


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class Cnn10Supernet(Supernet):
    """All CNN10 networks of a `Cnn10Family` in one set of weights.

    Layers carry the names that `build_cnn10` gives them, so that a subnet's
    weights are found by name and cut by shape.

    Args:
        family, execution: as in Supernet.
        algorithm: as in ElasticConv2D.

    Reference: OFA-AEC, figure 2.
    """

    family_class = Cnn10Family

    def __init__(self, family, execution="slice", algorithm="auto", **kwargs):
        super().__init__(family, execution, **kwargs)
        family = self.family
        self.algorithm = algorithm
        policy = self.dtype_policy
        normalization = {
            "momentum": BATCH_NORMALIZATION_MOMENTUM,
            "epsilon": BATCH_NORMALIZATION_EPSILON,
            "execution": execution,
            "dtype": policy,
        }
        self.blocks = []
        in_channels = 1
        for block, channels in enumerate(family.channels, start=1):
            self.blocks.append(
                ElasticConvBlock(
                    channels,
                    in_channels,
                    num_layers=LAYERS_PER_BLOCK,
                    kernel_size=KERNEL_SIZE,
                    pool_size=POOL_SIZE,
                    algorithm=algorithm,
                    name=f"block{block}",
                    **normalization,
                )
            )
            in_channels = channels
        self.hidden = ElasticDense(
            family.hidden_units,
            in_channels,
            activation="relu",
            execution=execution,
            dtype=policy,
            name="hidden",
        )
        self.classifier = ElasticDense(
            family.num_classes,
            family.hidden_units,
            execution=execution,
            dtype="float32",
            name=LOGITS_LAYER,
        )

    @property
    def num_stem_blocks(self):
        """Blocks that all subnets share: block 1, unless it is elastic."""
        return 0 if self.family.elastic_stem else 1

    @property
    def _first_elastic_block(self):
        """The block whose first convolution is still part of the stem."""
        return self.blocks[self.num_stem_blocks]

    def stem(self, inputs, training=False, moments=None):
        x, reported = super().stem(inputs, training, moments)
        for block in self.blocks[: self.num_stem_blocks]:
            x, block_moments = block(x, training=training, moments=moments)
            reported.update(block_moments)
        return self._first_elastic_block.first_convolution(x), reported

    def stages(self):
        numbers = range(self.num_stem_blocks + 1, len(self.blocks) + 1)
        in_stem = {id(variable) for variable in self.stem_variables()}
        return tuple(
            Stage(
                self.family.block_decisions(number),
                functools.partial(self._run_stage, number),
                tuple(
                    variable
                    for layer in self._stage_layers(number)
                    for variable in layer.trainable_variables
                    if id(variable) not in in_stem
                ),
                self._block_steps(number),
            )
            for number in numbers
        )

    def stem_steps(self):
        steps = list(super().stem_steps())
        for number in range(1, self.num_stem_blocks + 1):
            steps += self._block_steps(number)
        return (*steps, CalibrationStep(self._first_convolution))

    def _first_convolution(self, features, subnet, moments):
        del subnet, moments
        return self._first_elastic_block.first_convolution(features), None

    def _block_steps(self, number):
        names = [layer.name for layer in self.blocks[number - 1].normalizations]
        return tuple(
            CalibrationStep(
                functools.partial(self._block_step, number, layer), name
            )
            for layer, name in enumerate([*names, None])
        )

    def _block_step(self, number, layer, features, subnet, moments):
        block = self.blocks[number - 1]
        active_filters, active_depth = self._active(number, subnet)
        return block.calibration_step(
            layer,
            features,
            active_filters,
            active_depth,
            moments,
            is_convolved=block is self._first_elastic_block,
        )

    def _stage_layers(self, number):
        """The block of that number, and after the last block the head."""
        layers = [self.blocks[number - 1]]
        if number == len(self.blocks):
            layers += [self.hidden, self.classifier]
        return layers

    def _run_stage(
        self, number, features, subnet, training=False, moments=None
    ):
        block, *head = self._stage_layers(number)
        active_filters, active_depth = self._active(number, subnet)
        x, reported = block(
            features,
            active_filters=active_filters,
            active_depth=active_depth,
            training=training,
            moments=moments,
            is_convolved=block is self._first_elastic_block,
        )
        if head:
            x = ops.mean(x, axis=2)
            x = ops.max(x, axis=1) + ops.mean(x, axis=1)
            for layer in head:
                x = layer(x)
        return x, reported

    def _active(self, block, subnet):
        """Filters of each layer and depth of a block, as tensors or None."""
        if subnet is None:
            return None, None
        family = self.family
        decisions = {
            decision.name: (position, decision.choices)
            for position, decision in enumerate(family.search_space().decisions)
        }
        filters = None
        if family.has_elastic_width(block):
            channels = family.channels[block - 1]
            per_layer = []
            for layer in range(1, LAYERS_PER_BLOCK + 1):
                name = family.width_decision(block, layer)
                position, ratios = decisions[name]
                choices = [family.num_filters(channels, r) for r in ratios]
                per_layer.append(tf.gather(choices, subnet[position]))
            filters = tf.stack(per_layer)
        depth = None
        if family.has_elastic_depth(block):
            position, choices = decisions[f"block{block}_depth"]
            depth = tf.gather(list(choices), subnet[position])
        return filters, depth

    def stem_variables(self):
        layers = [
            *self.blocks[: self.num_stem_blocks],
            self._first_elastic_block.convolutions[0],
        ]
        return super().stem_variables() + [
            v for layer in layers for v in layer.trainable_variables
        ]

    def weighted_layers(self):
        layers = [self.input_normalization]
        for block in self.blocks:
            layers += block.convolutions + block.normalizations
        return [*layers, self.hidden, self.classifier]

    def get_config(self):
        return {**super().get_config(), "algorithm": self.algorithm}
