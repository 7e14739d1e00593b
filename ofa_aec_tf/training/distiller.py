"""The training steps: one network, or a supernet with several subnets."""

import keras
import tensorflow as tf

from ofa_aec_tf.training.losses import distillation_losses


class _Distiller(keras.Model):
    """What both kinds of training share.

    Args:
        teacher: callable from log-mel spectrograms to logits, or None. It is
            not trained and not tracked: its weights stay as they are.
        label_weight: float in [0, 1], as in `distillation_losses`.

    Raises:
        ValueError: if the weight is out of range or needs a teacher.
    """

    def __init__(self, teacher, label_weight, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= label_weight <= 1:
            raise ValueError(
                "`label_weight` must be in [0, 1]. "
                f"Received: label_weight={label_weight}"
            )
        if teacher is None and label_weight < 1:
            raise ValueError(
                "Distillation needs a teacher. Pass one, or train on labels "
                f"alone with label_weight=1. Received: "
                f"label_weight={label_weight} and no teacher"
            )
        # In a closure, so that Keras does not count it as a layer of ours.
        self._teacher_logits = lambda log_mel: teacher(log_mel)
        self.label_weight = label_weight
        names = ["loss"]
        if label_weight > 0:
            names.append("label_loss")
        if label_weight < 1:
            names.append("distillation_loss")
        self._trackers = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: the wrapped models are built already."""

    @property
    def metrics(self):
        return list(self._trackers.values())

    def _teacher_scores(self, log_mel):
        """The teacher's probabilities for the very batch that is learned."""
        if self.label_weight == 1:
            return None
        logits = tf.cast(self._teacher_logits(log_mel), tf.float32)
        return tf.stop_gradient(tf.sigmoid(logits))

    def _report(self, losses):
        for name, value in losses.items():
            self._trackers[name].update_state(value)
        return {name: t.result() for name, t in self._trackers.items()}


class NetworkDistiller(_Distiller):
    """Trains one network on labels, on a teacher, or on both.

    Args:
        network: keras.Model from log-mel spectrograms to logits.
        teacher: as in `_Distiller`.
        label_weight: as in `_Distiller`.
    """

    def __init__(self, network, teacher=None, label_weight=1.0, **kwargs):
        super().__init__(teacher, label_weight, **kwargs)
        self.network = network

    def train_step(self, data):
        """One Adam update; `data` is a batch of `make_train_dataset`."""
        log_mel, labels = data["log_mel"], data["labels"]
        teacher_scores = self._teacher_scores(log_mel)
        with tf.GradientTape() as tape:
            logits = self.network(log_mel, training=True)
            losses = distillation_losses(
                labels, teacher_scores, logits, self.label_weight
            )
        variables = self.network.trainable_variables
        gradients = tape.gradient(losses["loss"], [v.value for v in variables])
        self.optimizer.apply(gradients, variables)
        return self._report(losses)


class SupernetDistiller(_Distiller):
    """Trains a supernet: several subnets a step, one update.

    The stem, which all subnets share, runs forward and backward once a step.
    Subnets run one after the other and add to one set of gradients, so that
    memory does not grow with their number.

    Args:
        supernet: Supernet.
        sampler: SubnetSampler.
        teacher: as in `_Distiller`.
        label_weight: as in `_Distiller`.

    Reference: OFA-AEC, equation 2.
    """

    def __init__(
        self, supernet, sampler, teacher=None, label_weight=0.0, **kwargs
    ):
        super().__init__(teacher, label_weight, **kwargs)
        self.supernet = supernet
        self.sampler = sampler

    def train_step(self, data):
        """One Adam update; `data` is a batch of `make_train_dataset`."""
        log_mel, labels = data["log_mel"], data["labels"]
        subnets, count = self.sampler.sample(self.optimizer.iterations.value)
        losses, gradients = self.loss_and_gradients(
            log_mel, labels, subnets, count
        )
        self.optimizer.apply(gradients, self.supernet.trainable_variables)
        return self._report(losses)

    def loss_and_gradients(self, log_mel, labels, subnets, count):
        """Mean loss of some subnets on a batch, and its gradients.

        Args:
            log_mel: float32 tensor of shape (batch, num_frames, num_mel_bins).
            labels: float32 tensor of shape (batch, num_classes).
            subnets: int32 tensor of shape (num_subnets, num_decisions).
            count: scalar int32 tensor. The first so many subnets are used.

        Returns:
            `(losses, gradients)`: dict of scalars, and a list of tensors in
            the order of the supernet's trainable variables.
        """
        teacher_scores = self._teacher_scores(log_mel)
        stem_variables = [v.value for v in self.supernet.stem_variables()]
        stem_names = {id(v) for v in stem_variables}
        variables = [v.value for v in self.supernet.trainable_variables]
        body_variables = [v for v in variables if id(v) not in stem_names]
        with tf.GradientTape() as stem_tape:
            features, _ = self.supernet.stem(log_mel, training=True)

        def add_subnet(number, totals, feature_total, gradient_totals):
            with tf.GradientTape() as tape:
                tape.watch(features)
                logits, _ = self.supernet.body(
                    features, subnets[number], training=True
                )
                losses = distillation_losses(
                    labels, teacher_scores, logits, self.label_weight
                )
            feature_gradient, *gradients = tape.gradient(
                losses["loss"],
                [features, *body_variables],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return (
                number + 1,
                {name: totals[name] + losses[name] for name in totals},
                feature_total + tf.cast(feature_gradient, tf.float32),
                [a + b for a, b in zip(gradient_totals, gradients)],
            )

        _, totals, feature_total, gradient_totals = tf.while_loop(
            lambda number, *_: number < count,
            add_subnet,
            (
                tf.constant(0),
                {name: tf.constant(0.0) for name in self._trackers},
                # In float32, as the other sums: bfloat16 has 8 bits.
                tf.zeros_like(features, tf.float32),
                [tf.zeros_like(v) for v in body_variables],
            ),
            parallel_iterations=1,
        )
        scale = 1.0 / tf.cast(count, tf.float32)
        stem_gradients = stem_tape.gradient(
            features,
            stem_variables,
            output_gradients=tf.cast(feature_total * scale, features.dtype),
        )
        by_variable = {id(v): g for v, g in zip(stem_variables, stem_gradients)}
        for variable, total in zip(body_variables, gradient_totals):
            by_variable[id(variable)] = total * scale
        return (
            {name: total * scale for name, total in totals.items()},
            [by_variable[id(v)] for v in variables],
        )
