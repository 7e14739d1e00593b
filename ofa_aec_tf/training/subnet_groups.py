"""The order in which a step visits its subnets, so that they share work.

A stage of a supernet depends on its own decisions and its inputs only. Subnets
that agree in all decisions up to a stage pass it with the same values, batch
moments included, and need it computed once.
"""

import itertools

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
        self._columns = [names.index(name) for name in owned]
        # How many decisions belong to a stage and those before it.
        self._ends = list(
            itertools.accumulate(len(stage.decisions) for stage in stages)
        )

    def sort(self, subnets, count):
        """Puts subnets that share stages next to each other.

        Args:
            subnets: int32 tensor of shape (num_subnets, num_decisions).
            count: scalar int32 tensor. The first so many are visited.

        Returns:
            `(subnets, keys)`: the subnets in order, those not visited last;
            and an int32 tensor of shape (num_stages, num_subnets) with equal
            values where two visited subnets share the stage and all before
            it.
        """
        num_subnets = tf.shape(subnets)[0]
        is_last = tf.cast(tf.range(num_subnets) >= count, tf.int32)
        digits = tf.gather(subnets, self._columns, axis=1)
        digits = tf.concat([is_last[:, None], digits], axis=1)
        # Their lexicographic order, by the first digit in which two differ. A
        # space may be too large to number its subnets by int64.
        first = _first_true(tf.not_equal(digits[:, None], digits[None]))
        own = tf.gather(digits, first, batch_dims=1)
        num_before = tf.math.count_nonzero(tf.transpose(own) < own, axis=1)
        order = tf.argsort(num_before, stable=True)
        digits = tf.gather(digits, order)[:, 1:]
        differs = tf.not_equal(digits[1:], digits[:-1])
        first = _first_true(
            tf.concat([differs, tf.ones_like(differs[:, :1])], axis=1)
        )
        is_new = tf.cast(first < tf.constant(self._ends)[:, None], tf.int32)
        keys = tf.pad(tf.cumsum(is_new, axis=1), [[0, 0], [1, 0]])
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


def _first_true(values):
    """Position of the first True along the last axis; 0 if there is none."""
    return tf.argmax(tf.cast(values, tf.int32), axis=-1, output_type=tf.int32)
