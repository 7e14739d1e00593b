"""Finds the subnets within a budget in a space too large to list.

Random subnets have costs from the middle; few are near either end. Here, whole
parts of the space are excluded instead. Once it is decided which decisions
matter, a larger choice never makes a network cheaper, so that the smallest and
the largest choices bound the costs of all subnets that have some choices in
common. Latencies are not bounded so, and checked only of whole subnets.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from ofa_aec_tf.nas.budgets import LATENCY
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import Constraint
from ofa_aec_tf.search_space.space import Choice
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

Costs = Mapping[str, int | float]
# Subnets whose costs are found out: a few seconds.
MAX_COSTS = 10_000
_MAX_COSTS_OF_NEAREST = 2_000


@dataclasses.dataclass
class _Node:
    """The subnets that have some choices in common.

    Args:
        choices: dict, of the first decisions.
        children: the same with one choice more, as far as they have subnets
            that have not been seen; None before the first look.
        is_bounded: whether some of them may keep the budget, as far as bounds
            tell.
    """

    choices: dict[str, Choice]
    children: "list[_Node] | None" = None
    is_bounded: bool = False


class BudgetSearch:
    """Iterates over the subnets that keep a budget, in random order.

    Each comes once. All of them have come when `is_complete`; else the
    iteration has ended because it needed the costs of too many subnets.

    Args:
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        budget: Budget.
        rng: numpy.random.Generator.
        max_costs: int. Subnets whose costs may be found out.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs_of: Callable[[Subnet], Costs],
        budget: Budget,
        rng: np.random.Generator,
        max_costs: int = MAX_COSTS,
    ):
        self._space = space
        self._costs_of = costs_of
        self._budget = budget
        self._rng = rng
        self._max_costs = max_costs
        self._known: dict[Subnet, Costs] = {}
        self._smallest = {d.name: d.choices[0] for d in space.decisions}
        self._largest = {d.name: d.choices[-1] for d in space.decisions}
        required = {d.requires[0] for d in space.decisions if d.requires}
        self._num_required = len(required)
        # Costs are monotone only where it is known which decisions matter.
        # What then changes them most comes first: bounds are soon narrow.
        self._order = sorted(
            space.decisions,
            key=lambda d: (d.name not in required, -self._effect(d)),
        )
        self.is_complete = False

    def __iter__(self) -> Iterator[tuple[Subnet, Costs]]:
        path = [_Node({})]
        while len(self._known) < self._max_costs:
            node = path[-1]
            decision = self._next_decision(node.choices)
            if decision is None:
                subnet = self._space.subnet({**self._smallest, **node.choices})
                costs = self._costs(subnet)
                is_feasible = self._budget.feasible(costs)
                node.children = []
                if is_feasible:
                    yield subnet, costs
            elif node.children is None:
                node.children = [
                    _Node({**node.choices, decision.name: choice})
                    for choice in decision.choices
                ]
            if node.children:
                self._descend(path)
                continue
            # Nothing is left here: back to where something is.
            while path and not path[-1].children:
                done = path.pop()
                if path:
                    path[-1].children.remove(done)
            if not path:
                self.is_complete = True
                return
            if decision is None and is_feasible:
                # From the start: the next one shall be another kind.
                del path[1:]

    def _effect(self, decision) -> float:
        """The share of the largest subnet's costs that a decision decides."""
        largest, other = (
            self._costs(self._space.subnet({**self._largest, **changed}))
            for changed in ({}, {decision.name: decision.choices[0]})
        )
        return sum(
            1 - other[constraint.cost] / max(largest[constraint.cost], 1)
            for constraint in self._budget.constraints
        )

    def _next_decision(self, choices) -> Decision | None:
        for decision in self._order:
            if decision.name in choices:
                continue
            if decision.matters(choices):
                return decision
        return None

    def _descend(self, path):
        """Goes on to a child, or takes it away if it has no such subnets."""
        children = path[-1].children
        child = children[self._rng.integers(len(children))]
        if not child.is_bounded and self._is_excluded(child.choices):
            children.remove(child)
            return
        child.is_bounded = True
        path.append(child)

    def _is_excluded(self, choices) -> bool:
        """Whether bounds tell that no subnet with these choices is feasible."""
        if any(
            decision.name not in choices
            and self._next_decision(choices) is decision
            for decision in self._order[: self._num_required]
        ):
            return False
        low, high = (
            self._costs(self._space.subnet({**rest, **choices}))
            for rest in (self._smallest, self._largest)
        )
        return any(
            high[constraint.cost] < constraint.minimum
            or (
                constraint.maximum is not None
                and low[constraint.cost] > constraint.maximum
            )
            for constraint in self._budget.constraints
            if constraint.cost != LATENCY
        )

    def _costs(self, subnet) -> Costs:
        if subnet not in self._known:
            self._known[subnet] = dict(self._costs_of(subnet))
        return self._known[subnet]


def nearest_subnets(
    space: SearchSpace,
    costs_of: Callable[[Subnet], Costs],
    budget: Budget,
    rng: np.random.Generator,
) -> Iterator[tuple[Subnet, Costs]]:
    """Subnets just outside a budget that none keeps, ever nearer.

    For each constraint they come from below and from above: each is nearer
    than the one before, until none is or too many costs were found out. Then
    those that keep single constraints, and a descent over neighbours to what
    is nearest to all constraints together.

    Args:
        space, costs_of, budget, rng: as for BudgetSearch.
    """

    def first_within(constraint):
        single = dataclasses.replace(budget, constraints=(constraint,))
        return next(
            iter(
                BudgetSearch(
                    space, costs_of, single, rng, _MAX_COSTS_OF_NEAREST
                )
            ),
            None,
        )

    near = [(s, dict(costs_of(s))) for s in (space.smallest(), space.largest())]
    for constraint in budget.constraints:
        cost = constraint.cost
        if cost == LATENCY:
            continue
        low, high = 0, constraint.minimum - 1
        while low <= high and (
            found := first_within(Constraint(cost, low, high))
        ):
            near.append(found)
            low = found[1][cost] + 1
        if constraint.maximum is not None:
            low, high = constraint.maximum + 1, None
            while (high is None or low <= high) and (
                found := first_within(Constraint(cost, low, high))
            ):
                near.append(found)
                high = found[1][cost] - 1
        if found := first_within(constraint):
            near.append(found)
    yield from near
    closest = min(near, key=lambda pair: budget.distance(pair[1]))
    while True:
        neighbours = [
            (s, dict(costs_of(s))) for s in space.neighbours(closest[0])
        ]
        best = min(
            [closest, *neighbours], key=lambda pair: budget.distance(pair[1])
        )
        if best is closest:
            return
        closest = best
        yield closest
