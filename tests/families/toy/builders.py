"""The networks and the supernet of the toy family."""

import functools

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.families.builders import ElasticBuilders
from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.layers import ElasticDense
from ofa_aec_tf.models.logits import classify
from ofa_aec_tf.models.network_input import normalized_input
from ofa_aec_tf.models.supernet import CalibrationStep
from ofa_aec_tf.models.supernet import Stage
from ofa_aec_tf.models.supernet import Supernet
from tests.families.toy.family import DEPTHS
from tests.families.toy.family import KERNEL_SIZES
from tests.families.toy.family import ToyFamily

_LARGEST = KERNEL_SIZES[-1]


def build_toy(family, convolutions, block_dropout=0.0, head_dropout=0.0):
    """The plain network with these convolutions."""
    inputs, x = normalized_input(family.num_mel_bins)
    for stage in convolutions:
        for name, filters, size, stride in stage:
            x = keras.layers.Conv2D(
                filters, size, stride, "same", use_bias=False, name=name
            )(x)
            x = keras.layers.BatchNormalization(
                epsilon=1e-5, name=f"{name}_bn"
            )(x)
            x = keras.layers.ReLU(name=f"{name}_relu")(x)
        x = keras.layers.Dropout(block_dropout)(x) if block_dropout else x
    x = keras.layers.GlobalAveragePooling2D(name="mean_pool")(x)
    x = keras.layers.Dropout(head_dropout)(x) if head_dropout else x
    outputs = classify(x, family.num_classes, family.score_activation)
    return keras.Model(inputs, outputs, name="toy")


class _Convolution(keras.layers.Layer):
    """Takes the centre of its kernel, and the first of its filters."""

    def __init__(self, filters, in_channels, stride, execution, **kwargs):
        super().__init__(**kwargs)
        self.stride, self.execution, self.built = stride, execution, True
        self.kernel = self.add_weight(
            shape=(_LARGEST, _LARGEST, in_channels, filters),
            initializer="glorot_uniform",
        )

    def call(self, inputs, size, filters):
        kernel = ops.convert_to_tensor(self.kernel)
        if self.execution == "mask":
            offsets = tf.abs(tf.range(_LARGEST) - _LARGEST // 2)
            mask = tf.cast(offsets <= size // 2, kernel.dtype)
            kernel *= mask[:, None, None, None] * mask[None, :, None, None]
        else:
            taps = slice((_LARGEST - size) // 2, (_LARGEST + size) // 2)
            kernel = kernel[taps, taps, : tf.shape(inputs)[-1], :filters]
        return tf.nn.conv2d(inputs, kernel, self.stride, "SAME")


@keras.saving.register_keras_serializable(package="toy")
class ToySupernet(Supernet):
    """All networks of a ToyFamily."""

    family_class = ToyFamily

    def __init__(self, family, execution="slice", **kwargs):
        super().__init__(family, execution, **kwargs)
        family = self.family
        decisions = family.search_space().decisions
        self._choices = {
            d.name: (position, list(d.choices))
            for position, d in enumerate(decisions)
        }
        how = {"execution": execution, "dtype": self.dtype_policy}
        self.convolutions, self.normalizations = {}, {}
        channels = 1
        for stage in family.convolutions():
            for name, filters, _, stride in stage:
                self.convolutions[name] = _Convolution(
                    filters, channels, stride, name=name, **how
                )
                self.normalizations[name] = ElasticBatchNormalization(
                    channels=filters, name=f"{name}_bn", **how
                )
                channels = filters
        self.classifier = ElasticDense(
            family.num_classes,
            channels,
            execution=execution,
            dtype="float32",
            name="logits",
        )

    def _chosen(self, name, subnet):
        position, choices = self._choices[name]
        if subnet is None:
            return tf.constant(choices[-1])
        return tf.gather(choices, subnet[position])

    def _convolve(self, name, x, subnet):
        return self.convolutions[name](
            x,
            self._chosen(f"{name}_kernel", subnet),
            self._chosen(f"{name}_filters", subnet),
        )

    def _normalize(self, name, x, subnet, **options):
        x, moments = self.normalizations[name](
            x,
            self._chosen(f"{name}_filters", subnet),
            return_moments=True,
            **options,
        )
        return ops.relu(x), moments

    def _if_active(self, stage, layer, subnet, run, x):
        """`run()` where the stage is so deep; else `x`, and no moments."""
        if layer <= DEPTHS[0]:
            return run()
        is_active = self._chosen(f"stage{stage}_depth", subnet) >= layer
        channels = self.family.stage_filters[stage - 1]
        idle = (x, (tf.zeros(channels), tf.ones(channels)))
        if self.execution == "slice":
            return tf.cond(is_active, run, lambda: idle)
        return tf.nest.map_structure(
            lambda *values: tf.where(is_active, *values), run(), idle
        )

    def stages(self):
        layers = range(1, DEPTHS[-1] + 1)
        stages = []
        for stage in range(1, len(self.family.stage_filters) + 1):
            start = f"stage{stage}_"
            owners = [n for n in self.convolutions if n.startswith(start)]
            own = [self.convolutions[name] for name in owners]
            own += [self.normalizations[name] for name in owners]
            if stage == len(self.family.stage_filters):
                own.append(self.classifier)
            steps = [
                CalibrationStep(
                    functools.partial(self._step, stage, layer),
                    f"stage{stage}_conv{layer}_bn" if layer in layers else None,
                )
                for layer in (*layers, len(layers) + 1)
            ]
            stages.append(
                Stage(
                    tuple(n for n in self._choices if n.startswith(start)),
                    functools.partial(self._run, stage),
                    tuple(
                        v for layer in own for v in layer.trainable_variables
                    ),
                    tuple(steps),
                )
            )
        return tuple(stages)

    def _run(self, stage, x, subnet, training=False, moments=None):
        reported = {}
        for layer in range(1, DEPTHS[-1] + 1):
            name = f"stage{stage}_conv{layer}"

            def run(x=x, name=name):
                return self._normalize(
                    name,
                    self._convolve(name, x, subnet),
                    subnet,
                    training=training,
                    moments=moments and moments[f"{name}_bn"],
                )

            x, own = self._if_active(stage, layer, subnet, run, x)
            reported[f"{name}_bn"] = own
        if stage == len(self.family.stage_filters):
            x = self.classifier(ops.mean(x, axis=(1, 2)))
        return x, reported

    def _step(self, stage, layer, x, subnet, moments):
        before, name = (f"stage{stage}_conv{n}" for n in (layer - 1, layer))

        def normalize():
            return self._normalize(before, x, subnet, moments=moments)

        def measure():
            outputs = self._convolve(name, x, subnet)
            _, own = self._normalize(name, outputs, subnet, training=True)
            return outputs, own

        if layer > 1:
            x, _ = self._if_active(stage, layer - 1, subnet, normalize, x)
        if layer > DEPTHS[-1]:
            return x, None
        return self._if_active(stage, layer, subnet, measure, x)

    def weighted_layers(self):
        return [
            self.input_normalization,
            *self.convolutions.values(),
            *self.normalizations.values(),
            self.classifier,
        ]


class ToyBuilders(ElasticBuilders):
    """Builds toy networks."""

    def build_network(self, subnet=None, **options):
        convolutions = self.family.convolutions(subnet)
        return build_toy(self.family, convolutions, **options)

    def build_supernet(self, execution="slice", algorithm="auto", dtype=None):
        return ToySupernet(self.family, execution, dtype=dtype, name="supernet")


BUILDERS = ToyBuilders
