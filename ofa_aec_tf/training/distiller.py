"""The training steps: one network, or a supernet with several subnets."""

import keras
import tensorflow as tf

from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.training.config import LABELS_ONLY
from ofa_aec_tf.training.config import TEACHER_ONLY
from ofa_aec_tf.training.losses import distillation_losses
from ofa_aec_tf.training.losses import teacher_scores
from ofa_aec_tf.training.subnet_groups import SubnetGroups

# Begins the error of a step whose teacher's logits are NaN or infinite.
TEACHER_IS_NOT_FINITE = "A teacher's logits are not finite"


class _Distiller(keras.Model):
    """Base of the models whose training step has a distillation loss.

    Args:
        teacher: NetworkTeacher, StoredTeacher or None. It is not trained and
            not tracked.
        config: LossConfig.
        score_activation: one of `SCORE_ACTIVATIONS`.

    Raises:
        ValueError: if the loss needs a teacher.
    """

    def __init__(self, teacher, config, score_activation, **kwargs):
        super().__init__(**kwargs)
        if teacher is None and config.label_weight < 1:
            raise ValueError(
                "Distillation needs a teacher. Pass one, or train on labels "
                f"alone with label_weight=1. Received: "
                f"label_weight={config.label_weight} and no teacher"
            )
        # In a closure, so that Keras does not count it as a layer of ours.
        self._teacher = lambda batch: teacher(batch)
        self.config = config
        self.score_activation = score_activation
        names = ["loss"]
        if config.label_weight > 0:
            names.append("label_loss")
        if config.label_weight < 1:
            names += ["distillation_loss", "kl_divergence"]
            if not teacher.knows_all:
                names.append("taught_share")
        self._trackers = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: the wrapped models are built already."""

    @property
    def metrics(self):
        return list(self._trackers.values())

    def _loss_of(self, batch):
        """The function from a student's logits to its losses on a batch.

        Teacher and student get the same input, augmentation included.
        """
        targets = is_taught = None
        if self.config.label_weight < 1:
            logits, is_taught = self._teacher(batch)
            logits = [
                tf.debugging.check_numerics(one, TEACHER_IS_NOT_FINITE)
                for one in logits
            ]
            targets = teacher_scores(logits, self.config, self.score_activation)
        return lambda logits: distillation_losses(
            batch["labels"],
            targets,
            logits,
            self.config,
            self.score_activation,
            is_taught,
        )

    def _scaled(self, loss):
        """The loss to take gradients of, scaled up for float16."""
        optimizer = getattr(self, "optimizer", None)
        return loss if optimizer is None else optimizer.scale_loss(loss)

    def _report(self, losses):
        for name, value in losses.items():
            self._trackers[name].update_state(value)
        return {name: t.result() for name, t in self._trackers.items()}


class NetworkDistiller(_Distiller):
    """Trains one network on labels, on a teacher, or on both.

    Args:
        network: keras.Model from log-mel spectrograms to logits.
        teacher: as in `_Distiller`.
        config: as in `_Distiller`.
        score_activation: as in `_Distiller`.
    """

    def __init__(
        self,
        network,
        teacher=None,
        config=LABELS_ONLY,
        score_activation=SIGMOID,
        **kwargs,
    ):
        super().__init__(teacher, config, score_activation, **kwargs)
        self.network = network

    def train_step(self, data):
        """One step of Adam; `data` is a batch of `make_train_dataset`."""
        loss_of = self._loss_of(data)
        with tf.GradientTape() as tape:
            losses = loss_of(self.network(data["log_mel"], training=True))
            scaled_loss = self._scaled(losses["loss"])
        variables = self.network.trainable_variables
        gradients = tape.gradient(scaled_loss, [v.value for v in variables])
        self.optimizer.apply(gradients, variables)
        return self._report(losses)


class SupernetDistiller(_Distiller):
    """Trains a supernet: several subnets per step, one update.

    The stem, and stages that subnets share together with all stages before,
    run forward and backward once per step. Subnets run one after another and
    add to one set of gradients, so that memory does not grow with their
    number.

    Args:
        supernet: Supernet.
        sampler: SubnetSampler.
        teacher: as in `_Distiller`.
        config: as in `_Distiller`.

    Reference: OFA-AEC, equation 2.
    """

    def __init__(
        self,
        supernet,
        sampler,
        teacher=None,
        config=TEACHER_ONLY,
        **kwargs,
    ):
        super().__init__(
            teacher, config, supernet.family.score_activation, **kwargs
        )
        self.supernet = supernet
        self.sampler = sampler
        self._stages = supernet.stages()
        self._groups = SubnetGroups(
            supernet.family.search_space(), self._stages
        )
        # The optimizer counts updates where it accumulates gradients.
        self._step = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            name="step",
        )

    def train_step(self, data):
        """One step of Adam; `data` is a batch of `make_train_dataset`."""
        subnets, count = self.sampler.sample(self._step.value)
        self._step.assign_add(1)
        losses, gradients = self.loss_and_gradients(data, subnets, count)
        self.optimizer.apply(gradients, self.supernet.trainable_variables)
        return self._report(losses)

    def loss_and_gradients(self, batch, subnets, count):
        """The mean loss of several subnets on a batch, and its gradients.

        Args:
            batch: dict of tensors, of `make_train_dataset`.
            subnets: int32 tensor of shape (num_subnets, num_decisions).
            count: scalar int32 tensor. How many subnets, from the first, to
                use.

        Returns:
            `(losses, gradients)`: dict of scalars, and a list of tensors in
            the order of the supernet's trainable variables.
        """
        loss_parts = self._loss_of(batch)
        subnets, keys = self._groups.sort(subnets, count)
        stem_variables = self.supernet.stem_variables()
        with tf.GradientTape() as stem_tape:
            features, _ = self.supernet.stem(batch["log_mel"], training=True)
        feature_total, totals, stage_totals = self._add_subnets(
            0,
            features,
            (subnets, keys, tf.constant(0), count),
            loss_parts,
            {name: tf.constant(0.0) for name in self._trackers},
            [
                [tf.zeros_like(variable.value) for variable in stage.variables]
                for stage in self._stages
            ],
        )
        scale = 1.0 / tf.cast(count, tf.float32)
        stem_gradients = stem_tape.gradient(
            features,
            [variable.value for variable in stem_variables],
            output_gradients=tf.cast(feature_total * scale, features.dtype),
        )
        gradients = {
            id(variable): gradient
            for variable, gradient in zip(stem_variables, stem_gradients)
        }
        for stage, stage_total in zip(self._stages, stage_totals):
            for variable, total in zip(stage.variables, stage_total):
                gradients[id(variable)] = total * scale
        return (
            {name: total * scale for name, total in totals.items()},
            [gradients[id(v)] for v in self.supernet.trainable_variables],
        )

    def _add_subnets(
        self, number, features, visit, loss_parts, totals, gradient_totals
    ):
        """Passes subnets with the same features through the remaining stages.

        Args:
            number: int. The first of these stages.
            features: its input.
            visit: `(subnets, keys, first, last)`, the subnets in order and
                the range of those that have these features.
            loss_parts: function from logits to a dict of scalars.
            totals: dict of scalars, the sums so far.
            gradient_totals: list of lists of tensors, the sums so far for the
                variables of each of these stages.

        Returns:
            `(feature_total, totals, gradient_totals)`: the gradient of the
            summed losses for `features`, in float32, and the new sums.
        """
        stage = self._stages[number]
        is_last = number == len(self._stages) - 1
        subnets, keys, first, last = visit

        def add_group(first, feature_total, totals, gradient_totals):
            size = self._groups.group_size(keys, number, first, last)
            with tf.GradientTape() as tape:
                tape.watch(features)
                outputs, _ = stage.run(features, subnets[first], training=True)
                if is_last:
                    parts = loss_parts(outputs)
                    outputs = self._scaled(parts["loss"])
            own_totals, *later_totals = gradient_totals
            if is_last:
                # The group is one subnet, drawn `size` times.
                output_gradient = tf.cast(size, tf.float32)
                totals = {
                    name: totals[name] + parts[name] * output_gradient
                    for name in totals
                }
            else:
                output_gradient, totals, later_totals = self._add_subnets(
                    number + 1,
                    outputs,
                    (subnets, keys, first, first + size),
                    loss_parts,
                    totals,
                    later_totals,
                )
            feature_gradient, *gradients = tape.gradient(
                outputs,
                [features, *(variable.value for variable in stage.variables)],
                output_gradients=tf.cast(output_gradient, outputs.dtype),
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return (
                first + size,
                feature_total + tf.cast(feature_gradient, tf.float32),
                totals,
                [
                    # Slices leave the shapes of their gradients open.
                    [
                        total + tf.ensure_shape(gradient, total.shape)
                        for total, gradient in zip(own_totals, gradients)
                    ],
                    *later_totals,
                ],
            )

        _, feature_total, totals, gradient_totals = tf.while_loop(
            lambda first, *_: first < last,
            add_group,
            (
                first,
                # In float32, as the other sums: bfloat16 has 8 bits.
                tf.zeros_like(features, tf.float32),
                totals,
                gradient_totals,
            ),
            parallel_iterations=1,
        )
        return feature_total, totals, gradient_totals
