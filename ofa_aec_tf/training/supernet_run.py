"""Training of a supernet, all subnets at once."""

from ofa_aec_tf.evaluation.batch_norm_calibration import calibrate
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.run import ClassifierRun
from ofa_aec_tf.training.subnet_sampler import SubnetSampler


class SupernetRun(ClassifierRun):
    """Trains a supernet, and validates its smallest and its largest subnet.

    Args:
        job: TrainingJob.
    """

    plateau_metrics = ("smallest_mAP", "largest_mAP")

    def __init__(self, job):
        super().__init__(job)
        teacher = job.teacher()
        config = job.config
        self.model = self._build()
        if job.inputs.initial is not None:
            source = networks.load_supernet(job.inputs.initial)
            self.model.set_weights(source.get_weights())
        space = job.family.search_space()
        sampler = SubnetSampler(
            space,
            config.num_subnets,
            config.sampling_rule,
            config.largest_steps,
            config.seed,
        )
        self.distiller = SupernetDistiller(
            self.model, sampler, teacher, config.loss
        )
        self._validated = {
            "smallest_": space.smallest(),
            "largest_": space.largest(),
        }
        self._calibration_batches = (
            job.calibration_batches() if job.has_validation else []
        )

    def _build(self):
        return networks.build_supernet(
            self.job.family, algorithm=self.job.config.convolution
        )

    def validate(self, batches):
        """Evaluates both subnets, each calibrated on training clips."""
        activation = self.job.family.score_activation
        metrics = {}
        for prefix, subnet in self._validated.items():
            moments = calibrate(self.model, subnet, self._calibration_batches)

            def predict(log_mel, subnet=subnet, moments=moments):
                logits = self.model.predict_logits(
                    log_mel.numpy(), subnet, moments
                )
                return ranking_logits(logits, activation)

            metrics |= self.classifier_metrics(predict, batches, prefix)
        return metrics

    def finished_model(self):
        """The supernet."""
        with precision_scope("float32"):
            saved = self._build()
        saved.set_weights(self.model.get_weights())
        return saved
