"""Builders of the AST family."""

from ofa_aec_tf.families.ast import initial_weights
from ofa_aec_tf.families.ast.network import build_ast
from ofa_aec_tf.families.builders import Builders
from ofa_aec_tf.models import transfer


class AstBuilders(Builders):
    """Builds ASTs."""

    def build_network(self, subnet=None, **options):
        return build_ast(self.family, **options)

    def load_trained_weights(self, network, source):
        adapters = {initial_weights.POSITIONS: initial_weights.fit_positions}
        transfer.load_trained_weights(network, source, adapters)

    def load_image_weights(self, network, source):
        initial_weights.load_ast_weights(network, self.family, source)


BUILDERS = AstBuilders
