"""The objectives of a search: qualities to maximize, costs to minimize."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.nas import pareto

FLOAT_QUALITY = "mAP"
INT8_QUALITY = "int8_mAP"
QUALITIES = (FLOAT_QUALITY, INT8_QUALITY)


@dataclasses.dataclass(frozen=True)
class Objectives:
    """The axes of a Pareto front.

    Args:
        qualities: tuple of str, of `QUALITIES`. The first chooses the subnet
            of a budget.
        costs: tuple of str. Names of costs; empty for quality alone.
    """

    qualities: tuple[str, ...] = (FLOAT_QUALITY,)
    # Not peak memory, which would keep subnets that cost more of all else.
    costs: tuple[str, ...] = ("parameters", "macs")

    def __post_init__(self):
        unknown = sorted(set(self.qualities) - set(QUALITIES))
        if not self.qualities or unknown:
            raise ValueError(
                f"A search needs a quality of {list(QUALITIES)} among its "
                f"objectives. Received: {list(self.qualities)}"
            )
        names = [*self.qualities, *self.costs]
        if len(set(names)) != len(names):
            raise ValueError(f"Objectives must be distinct. Received: {names}")

    @property
    def quality(self) -> str:
        """The metric that chooses the subnet of a budget."""
        return self.qualities[0]

    def point(
        self,
        metrics: Mapping[str, float | None],
        costs: Mapping[str, int | float],
    ) -> pareto.Point:
        """The point of a subnet; further qualities are negative costs."""
        return pareto.Point(
            metrics[self.quality],
            (
                *(costs[name] for name in self.costs),
                *(-metrics[name] for name in self.qualities[1:]),
            ),
        )

    def to_json(self) -> list[str]:
        """The names, qualities first."""
        return [*self.qualities, *self.costs]


def parse_objectives(
    names: Sequence[str], cost_names: Sequence[str]
) -> Objectives:
    """The objectives that a user named.

    Args:
        names: sequence of str, of `QUALITIES` and costs, in any order.
        cost_names: sequence of str. The costs that are known.

    Raises:
        ValueError: if a name is unknown or repeated, or none is a quality.
    """
    known = [*QUALITIES, *cost_names]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"An objective is one of {known}. Received: {unknown}")
    return Objectives(
        tuple(name for name in names if name in QUALITIES),
        tuple(name for name in names if name not in QUALITIES),
    )
