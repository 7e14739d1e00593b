"""The order in which a step visits its subnets, so that they share work.

A stage of a supernet depends on its own decisions and its inputs only. Subnets
that agree in all decisions up to a stage pass it with the same values, batch
moments included, and need it computed once.
"""

import tensorflow as tf


class SubnetGroups:
    """Groups subnets by the stages they share.

    Args:
        space: SearchSpace.
        stages: sequence of Stage, from the input on. Their decisions are all
            those of the space.

    Raises:
        ValueError: if a decision belongs to no stage, or to several.
    """

    def __init__(self, space, stages):
        names = [decision.name for decision in space.decisions]
        owned = [name for stage in stages for name in stage.decisions]
        if sorted(owned) != sorted(names):
            raise ValueError(
                "Each decision of the space must belong to one stage. "
                f"Expected: {sorted(names)}. Received: {sorted(owned)}"
            )
        # Decisions as the digits of a number, those of early stages first:
        # sorted numbers put subnets that share stages next to each other.
        factors = [0] * len(names)
        factor = 1
        self._divisors = []
        for stage in reversed(stages):
            self._divisors.insert(0, factor)
            for name in reversed(stage.decisions):
                position = names.index(name)
                factors[position] = factor
                factor *= len(space.decisions[position].choices)
        self._factors = factors
        self._past_all = factor

    def sort(self, subnets, count):
        """Puts subnets that share stages next to each other.

        Args:
            subnets: int32 tensor of shape (num_subnets, num_decisions).
            count: scalar int32 tensor. The first so many are visited.

        Returns:
            `(subnets, keys)`: the subnets in order, those not visited last;
            and an int64 tensor of shape (num_stages, num_subnets) with equal
            values where two subnets share the stage and all before it.
        """
        factors = tf.constant(self._factors, tf.int64)
        numbers = tf.reduce_sum(tf.cast(subnets, tf.int64) * factors, axis=1)
        visited = tf.range(tf.shape(subnets)[0]) < count
        numbers = tf.where(visited, numbers, self._past_all)
        order = tf.argsort(numbers, stable=True)
        divisors = tf.constant(self._divisors, tf.int64)
        keys = tf.gather(numbers, order)[None] // divisors[:, None]
        return tf.gather(subnets, order), keys

    @staticmethod
    def group_size(keys, stage, first, last):
        """Subnets of [first, last) that share a stage with the first of them.

        Args:
            keys: as `sort` returns them.
            stage: int.
            first: scalar int32 tensor.
            last: scalar int32 tensor.

        Returns:
            Scalar int32 tensor, at least 1.
        """
        same = tf.equal(keys[stage, first:last], keys[stage, first])
        return tf.reduce_sum(tf.cast(same, tf.int32))
