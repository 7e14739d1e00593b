"""Builders of the EfficientNet family."""

from ofa_aec_tf.families.builders import Builders
from ofa_aec_tf.families.efficientnet import initial_weights
from ofa_aec_tf.families.efficientnet.network import build_efficientnet


class EfficientNetBuilders(Builders):
    """Builds EfficientNets."""

    def build_network(self, subnet=None, **options):
        return build_efficientnet(self.family, **options)

    def load_image_weights(self, network, source):
        initial_weights.load_efficientnet_weights(network, self.family, source)


BUILDERS = EfficientNetBuilders
