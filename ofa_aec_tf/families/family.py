"""What all model families have in common."""

import dataclasses
from collections.abc import Mapping

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.models.score_activations import SCORE_ACTIVATIONS
from ofa_aec_tf.search_space import complexity
from ofa_aec_tf.search_space import space as search_spaces

_KINDS = {
    int: json_kinds.is_count,
    float: json_kinds.is_number,
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    tuple[int, ...]: json_kinds.is_counts,
    tuple[float, ...]: json_kinds.is_numbers,
}


class Family:
    """Base of the dataclasses that describe the networks of a family.

    A family has a `name`, as flags and records write it, a `title`, as
    messages do, and lists the layers of a subnet as `layer_costs`.
    """

    def complexity(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> complexity.Complexity:
        """Parameters, MACs and peaks of activations of a subnet.

        Args:
            subnet: Subnet of this family's space; None is the largest.
            num_frames: int. Frames of the input clip.
        """
        return complexity.total_complexity(
            self.layer_costs(subnet, num_frames), num_frames * self.num_mel_bins
        )

    def to_json(self) -> dict:
        """This family as a dict of JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping) -> "Family":
        """The family that `to_json` described.

        Raises:
            ValueError: if a key is unknown or missing, or its value is of
                another kind.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - expected)
        if unknown:
            raise ValueError(
                f"A family of {cls.title} has the keys {sorted(expected)}. "
                f"Received unknown: {unknown}"
            )
        json_kinds.check(
            values,
            {
                field.name: _KINDS[field.type]
                for field in dataclasses.fields(cls)
                if field.default is dataclasses.MISSING or field.name in values
            },
            "family.",
        )
        return cls(**values)


class SingleNetworkFamily(Family):
    """Base of families that are one network each: nothing is elastic."""

    def __post_init__(self):
        check_choice(
            "score_activation", self.score_activation, SCORE_ACTIVATIONS
        )

    def _check_positive(self, *names):
        for name in names:
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"`{name}` must be positive. "
                    f"Received: {name}={getattr(self, name)}"
                )

    def search_space(self) -> search_spaces.SearchSpace:
        """The space of the one subnet that decides nothing."""
        return search_spaces.SearchSpace(())
