"""Builders of Keras models: the counterpart of `Family`."""

import abc

from ofa_aec_tf.families.family import Family
from ofa_aec_tf.models import transfer


class Builders(abc.ABC):
    """Builds the networks of a family.

    The package of a family has a module `builders` with its subclass as
    `BUILDERS`.

    Args:
        family: Family.
    """

    def __init__(self, family: Family):
        self.family = family

    @abc.abstractmethod
    def build_network(self, subnet=None, **options):
        """The plain network of a subnet, with fresh weights.

        Args:
            subnet: Subnet of the family's space; None is the largest.
            **options: `block_dropout` and `head_dropout`, float, which are
                dropout rates in training; and those of the family's
                `training_options`.

        Returns:
            keras.Model of stock layers, from log-mel spectrograms in dB,
            float32 of shape (batch, num_frames, num_mel_bins), to scores,
            float32 of shape (batch, num_classes). It ends in the layers that
            `models.logits.classify` makes.
        """

    def build_training_twin(self, subnet=None, algorithm="auto", **options):
        """A network that trains faster, with the weights of the plain one.

        Weights have the same order. A family without faster layers trains as
        it is.

        Args:
            subnet: as for `build_network`.
            algorithm: how convolutions compute, as in ElasticConv2D.
            **options: as for `build_network`.

        Returns:
            keras.Model, as `build_network`, in the precision in scope.
        """
        del algorithm
        return self.build_network(subnet, **options)

    def build_inference_twin(self, subnet, network, algorithm="auto"):
        """A network that infers faster, with the weights of a plain one.

        Args:
            subnet: as for `build_network`.
            network: keras.Model of that subnet, as `build_network` builds it.
            algorithm: as for `build_training_twin`.

        Returns:
            keras.Model, as `build_network`, in the precision in scope. It is
            not trainable, and later changes of `network` do not reach it.
        """
        del algorithm
        twin = self.to_plain_network(network, subnet)
        twin.trainable = False
        return twin

    def to_plain_network(self, twin, subnet=None):
        """The plain network with the weights of a network that trained.

        Args:
            twin: keras.Model of `build_training_twin` or `build_network`.
            subnet: the subnet that it was built for.

        Returns:
            keras.Model of stock layers, without dropout.
        """
        plain = self.build_network(subnet)
        plain.set_weights(twin.get_weights())
        return plain

    def load_trained_weights(self, network, source):
        """Starts a network with all weights of another but the classifier's.

        Args:
            network: keras.Model of `build_network`.
            source: path of a `.keras` file with a record beside it, of a
                network of the same sizes.

        Raises:
            ValueError: if they are of a network of another kind or size.
        """
        transfer.load_trained_weights(network, source)

    def load_image_weights(self, network, source):
        """Starts a network with weights of an image model.

        The classifier and the normalization of the input stay as they are.
        A family implements it that says `image_weights`.

        Args:
            network: keras.Model of `build_network`.
            source: str. A file or a name, as `image_weights` describes it.

        Raises:
            ValueError: if there are no such weights, or they are of a network
                of another size.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `load_image_weights`."
        )


class ElasticBuilders(Builders):
    """Builds the networks and the supernets of an ElasticFamily."""

    @abc.abstractmethod
    def build_supernet(self, execution="slice", algorithm="auto", dtype=None):
        """A supernet with fresh weights.

        Args:
            execution: `"slice"` or `"mask"`.
            algorithm: how convolutions compute, as in ElasticConv2D.
            dtype: str. The dtype policy; None is the global one.

        Returns:
            models.supernet.Supernet, of a class that Keras can load by name.
        """
