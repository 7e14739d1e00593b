"""Device budgets: what a subnet may cost, in the words of users.

`phone:parameters<=1M,macs<=2.5G` is the budget `phone` with two constraints;
`paper:parameters=0.9M+-0.1M` allows 0.8 to 1.0 million parameters. If
latencies are known, `phone:latency_ms<=20` is a budget too.
"""

import dataclasses
import decimal
import math
import re
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.search_space.complexity import COST_NAMES
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES

LATENCY = "latency_ms"
ALL_COST_NAMES = (*COST_NAMES, *FILE_SIZE_NAMES, LATENCY)

_FACTORS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
}
# At most two digits in the exponent, since the result is written out.
_NUMBER = r"((?:\d+(?:\.\d*)?|\.\d+)(?:[eE]\d{1,2})?)\s*([A-Za-z]*)"
_AT_MOST = re.compile(rf"(\w+)\s*(?:<=|≤)\s*{_NUMBER}")
_AT_LEAST = re.compile(rf"(\w+)\s*(?:>=|≥)\s*{_NUMBER}")
_AROUND = re.compile(rf"(\w+)\s*=\s*{_NUMBER}\s*(?:\+-|±)\s*{_NUMBER}")
_NAME = re.compile(r"\w[\w.-]*")
_EXAMPLES = "`parameters<=60k`, `macs>=1G` or `parameters=0.9M+-0.1M`"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A range for one cost, both ends included.

    Args:
        cost: str. One of `ALL_COST_NAMES`.
        minimum: int; float for `LATENCY`.
        maximum: the same, or None for no limit.
    """

    cost: str
    minimum: int | float
    maximum: int | float | None

    def __post_init__(self):
        if self.cost not in ALL_COST_NAMES:
            raise ValueError(
                f"A constraint is about one of the costs {ALL_COST_NAMES}. "
                f"Received: {self.cost!r}"
            )
        if self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"The constraint on `{self.cost}` allows no value. Received: "
                f"minimum={self.minimum}, maximum={self.maximum}"
            )

    def feasible(self, costs: Mapping[str, int | float]) -> bool:
        """Whether a subnet with these costs is within the range."""
        return self.excess(costs) == 0

    def excess(self, costs: Mapping[str, int | float]) -> int | float:
        """Distance of the cost from the range: negative below it, 0 inside."""
        value = costs[self.cost]
        if value < self.minimum:
            return value - self.minimum
        if self.maximum is not None and value > self.maximum:
            return value - self.maximum
        return 0


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a subnet may cost on one device.

    Args:
        name: str.
        constraints: tuple of Constraint, all of which must hold.
        text: str. The constraints as the user wrote them.
    """

    name: str
    constraints: tuple[Constraint, ...]
    text: str

    def feasible(self, costs: Mapping[str, int | float]) -> bool:
        """Whether a subnet with these costs keeps all constraints."""
        return all(
            constraint.feasible(costs) for constraint in self.constraints
        )

    def distance(self, costs: Mapping[str, int | float]) -> float:
        """Sum of the distances from the ranges, relative to their bounds."""
        total = 0.0
        for constraint in self.constraints:
            excess = constraint.excess(costs)
            bound = constraint.minimum if excess < 0 else constraint.maximum
            total += abs(excess) / (bound or 1)
        return total

    def without(self, cost: str) -> "Budget":
        """The budget without its constraints on one cost.

        Args:
            cost: str. One of `ALL_COST_NAMES`.
        """
        kept = tuple(c for c in self.constraints if c.cost != cost)
        return dataclasses.replace(self, constraints=kept)

    def __str__(self) -> str:
        return f"{self.name}:{self.text}"


def _count(number: str, suffix: str, text: str) -> decimal.Decimal:
    if suffix not in _FACTORS:
        raise ValueError(
            f"A number may end in {[s for s in _FACTORS if s]}. Received: "
            f"{number}{suffix} in {text!r}"
        )
    # Decimal, so that 0.9M+-0.1M ends at exactly 1,000,000.
    return decimal.Decimal(number) * _FACTORS[suffix]


def _constraint(
    cost: str, minimum: decimal.Decimal | int, maximum: decimal.Decimal | None
) -> Constraint:
    if cost == LATENCY:
        return Constraint(
            cost, float(minimum), None if maximum is None else float(maximum)
        )
    # All other costs are whole numbers.
    return Constraint(
        cost,
        math.ceil(minimum),
        None if maximum is None else math.floor(maximum),
    )


def _parse_constraint(text: str) -> Constraint:
    if match := _AT_MOST.fullmatch(text):
        return _constraint(match[1], 0, _count(match[2], match[3], text))
    if match := _AT_LEAST.fullmatch(text):
        return _constraint(match[1], _count(match[2], match[3], text), None)
    if match := _AROUND.fullmatch(text):
        middle = _count(match[2], match[3], text)
        tolerance = _count(match[4], match[5], text)
        return _constraint(
            match[1], max(0, middle - tolerance), middle + tolerance
        )
    raise ValueError(
        f"Write a constraint as {_EXAMPLES}, numbers without commas, and "
        f"several constraints with commas between them. Received: {text!r}"
    )


def parse_budget(text: str) -> Budget:
    """Parses a budget.

    Args:
        text: str, `name:constraint[,constraint...]`. A constraint is
            `cost<=number`, `cost>=number` or `cost=number+-tolerance`;
            numbers may end in k, M, G, Ki, Mi or Gi.

    Returns:
        Budget.

    Raises:
        ValueError: if the name, a constraint, a cost or a suffix is unknown,
            or constraints on one cost exclude each other.
    """
    name, colon, constraints = (part.strip() for part in text.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(
            "Write a budget as `name:constraint[,constraint...]`, such as "
            f"`phone:parameters<=1M,macs<=2.5G`. Received: {text!r}"
        )
    parsed = tuple(
        _parse_constraint(part.strip()) for part in constraints.split(",")
    )
    for cost in dict.fromkeys(constraint.cost for constraint in parsed):
        _check_range(cost, [c for c in parsed if c.cost == cost], text)
    return Budget(name, parsed, constraints)


def _check_range(cost, constraints, text):
    minimum = max(constraint.minimum for constraint in constraints)
    maximum = min(
        (c.maximum for c in constraints if c.maximum is not None),
        default=math.inf,
    )
    if minimum > maximum:
        raise ValueError(
            f"The constraints on `{cost}` contradict each other: one needs at "
            f"least {minimum:,}, another allows at most {maximum:,}. "
            f"Received: {text!r}"
        )


def parse_budgets(
    texts: Sequence[str], has_latency: bool = False
) -> tuple[Budget, ...]:
    """Parses the budgets of a search.

    Args:
        texts: sequence of str, as `parse_budget` takes them.
        has_latency: bool. Whether the latencies of subnets are known.

    Raises:
        ValueError: as `parse_budget`, or if two have the same name, or one is
            about latency while latencies are unknown.
    """
    budgets = tuple(parse_budget(text) for text in texts)
    about_latency = [
        str(budget) for budget in budgets if LATENCY in cost_names([budget])
    ]
    if about_latency and not has_latency:
        raise ValueError(
            f"A budget of `{LATENCY}` needs measurements: name those of a "
            "device by --latency_table, make them on this machine by "
            "--measure_latency, or use another cost, one of "
            f"{[*COST_NAMES, *FILE_SIZE_NAMES]}. Received: {about_latency}"
        )
    # Case is ignored because budgets name directories of materialized subnets.
    names = [budget.name.casefold() for budget in budgets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "Budgets need distinct names, whatever their case. "
            f"Received twice: {repeated}"
        )
    return budgets


def cost_names(budgets: Sequence[Budget]) -> set[str]:
    """Names of the costs that budgets are about.

    Args:
        budgets: sequence of Budget.
    """
    return {
        constraint.cost
        for budget in budgets
        for constraint in budget.constraints
    }
