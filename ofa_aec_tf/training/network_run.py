"""Training of one network: teachers, baselines, students, fine-tuning."""

import functools

import keras
import tensorflow as tf

from ofa_aec_tf.evaluation.batch_norm_calibration import NetworkCalibrator
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.distiller import NetworkDistiller
from ofa_aec_tf.training.run import ClassifierRun


class NetworkRun(ClassifierRun):
    """Trains the fast twin of a plain network, and saves the plain network.

    Args:
        job: TrainingJob.
    """

    plateau_metrics = ("mAP",)

    def __init__(self, job):
        super().__init__(job)
        teacher = job.teacher()
        config, inputs = job.config, job.inputs
        self._builders = networks.builders(job.family)
        self.model = self._builders.build_training_twin(
            job.subnet,
            config.convolution,
            block_dropout=config.block_dropout,
            head_dropout=config.head_dropout,
            **job.network_options,
        )
        if inputs.initial_weights is not None:
            networks.load_initial_weights(
                self.model, job.family, inputs.initial_weights, job.subnet
            )
        if inputs.initial is not None:
            source = load_keras_file(inputs.initial)
            self.model.set_weights(source.get_weights())
        network = logits_model(self.model)
        self.distiller = NetworkDistiller(
            network, teacher, config.loss, job.family.score_activation
        )
        # What is validated and saved: the network as it trains, or a plain
        # copy with batch normalization statistics of its own.
        self._calibrated = self._calibrator = None
        if config.calibrate_batch_norm:
            self._calibrated = self._plain_network()
            self._calibrator = NetworkCalibrator(
                self._calibrated, job.calibration_batches()
            )
            network = logits_model(self._calibrated)
        self._validated = network

    def _plain_network(self) -> keras.Model:
        with precision_scope("float32"):
            return self._builders.to_plain_network(self.model, self.job.subnet)

    def _calibrate(self):
        self._calibrated.set_weights(self.model.get_weights())
        self._calibrator.calibrate()

    @functools.cached_property
    def _predict(self):
        return tf.function(
            lambda log_mel: ranking_logits(
                self._validated(log_mel, training=False),
                self.job.family.score_activation,
            ),
            reduce_retracing=True,
            jit_compile=False,
        )

    def validate(self, batches):
        """Evaluates what would be saved now."""
        if self._calibrator is not None:
            self._calibrate()
        return self.classifier_metrics(self._predict, batches)

    def finished_model(self):
        """The plain network, of stock layers."""
        if self._calibrator is None:
            return self._plain_network()
        self._calibrate()
        return self._calibrated
