"""Which subnets a training step draws."""

import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.training.config import SAMPLING_RULES
from ofa_aec_tf.training.config import check_num_subnets


class SubnetSampler:
    """Draws subnets inside a graph, as a pure function of (seed, step).

    A resumed run and every replica of a distributed one draw the same.

    Args:
        space: SearchSpace.
        num_subnets: int. Subnets per step.
        rule: `"uniform"` (OFA-AEC) draws all of them at random; `"sandwich"`
            takes the largest and the smallest, and draws the others.
        largest_steps: int. First steps, which take the largest subnet alone.
        seed: int.

    Raises:
        ValueError: if the rule is unknown or needs more subnets.

    Reference: OFA-AEC, sections 2.3 and 3.3; sandwich rule: arXiv 1903.05134.
    """

    def __init__(self, space, num_subnets, rule, largest_steps, seed):
        check_choice("sampling_rule", rule, SAMPLING_RULES)
        check_num_subnets(rule, num_subnets)
        self.num_subnets = num_subnets
        self.rule = rule
        self.largest_steps = largest_steps
        self.seed = seed
        self._num_choices = [len(d.choices) for d in space.decisions]
        self._smallest = space.to_indices(space.smallest())
        self._largest = space.to_indices(space.largest())

    def sample(self, step):
        """The subnets of a step.

        Args:
            step: scalar int tensor.

        Returns:
            `(subnets, count)`: int32 tensor of shape (num_subnets,
            num_decisions) with choice indices, of which the first `count`
            rows, a scalar int32 tensor, are to be trained.
        """
        shape = (self.num_subnets, len(self._num_choices))
        uniform = tf.random.stateless_uniform(
            shape,
            tf.stack(
                [tf.constant(self.seed, tf.int32), tf.cast(step, tf.int32)]
            ),
        )
        drawn = tf.cast(
            uniform * tf.constant(self._num_choices, tf.float32), tf.int32
        )
        largest = tf.constant(self._largest)
        if self.rule == "sandwich":
            smallest = tf.constant(self._smallest)
            drawn = tf.concat([largest[None], drawn[2:], smallest[None]], 0)
        largest_only = step < self.largest_steps
        subnets = tf.where(largest_only, largest[None], drawn)
        return subnets, tf.where(largest_only, 1, self.num_subnets)
