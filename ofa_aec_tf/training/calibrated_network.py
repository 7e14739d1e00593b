"""What a run saves, with batch normalization statistics of its own."""

from ofa_aec_tf.evaluation.batch_norm_calibration import NetworkCalibrator
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.precision import precision_scope


class CalibratedNetwork:
    """The plain network of a training twin, calibrated on training clips.

    Args:
        twin: keras.Model of `build_training_twin`, which trains.
        family: the model family.
        subnet: the subnet that the twin was built for.
        batches: list of float32 arrays of shape (batch, num_frames,
            num_mel_bins), from the training split.

    Attributes:
        network: keras.Model of stock layers, from log-mel spectrograms to
            scores; as of the last `update`.

    Raises:
        ValueError: if the network has no batch normalization.
    """

    def __init__(self, twin, family, subnet, batches):
        self._twin = twin
        with precision_scope("float32"):
            self.network = networks.builders(family).to_plain_network(
                twin, subnet
            )
        self._calibrator = NetworkCalibrator(self.network, batches)

    def update(self):
        """Takes the weights that the twin has now, and calibrates them."""
        self.network.set_weights(self._twin.get_weights())
        self._calibrator.calibrate()
