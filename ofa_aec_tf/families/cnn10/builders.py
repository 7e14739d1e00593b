"""Builders of the CNN10 family."""

import functools

from ofa_aec_tf.families.builders import ElasticBuilders
from ofa_aec_tf.families.cnn10.network import build_cnn10
from ofa_aec_tf.families.cnn10.supernet import Cnn10Supernet
from ofa_aec_tf.models import twins


class Cnn10Builders(ElasticBuilders):
    """Builds CNN10s; their convolutions have faster counterparts."""

    def build_network(self, subnet=None, **options):
        family = self.family
        return build_cnn10(
            family.filters(subnet),
            family.num_classes,
            family.num_mel_bins,
            family.hidden_units,
            score_activation=family.score_activation,
            **options,
        )

    def build_training_twin(self, subnet=None, algorithm="auto", **options):
        layers = twins.training_layers(algorithm)
        return self.build_network(subnet, **layers, **options)

    def build_inference_twin(self, subnet, network, algorithm="auto"):
        build = functools.partial(self.build_network, subnet)
        return twins.build_inference_twin(build, network, algorithm)

    def build_supernet(self, execution="slice", algorithm="auto", dtype=None):
        return Cnn10Supernet(
            self.family, execution, algorithm, dtype=dtype, name="supernet"
        )


BUILDERS = Cnn10Builders
