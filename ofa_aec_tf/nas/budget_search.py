"""Finds subnets within a budget in a space too large to list.

Few random subnets are very cheap or very expensive. This search excludes whole
parts of the space instead. Once the decisions are made that others depend on, a
larger choice never makes a network cheaper. The smallest and the largest
remaining choices then bound the costs of all subnets with the same choices so
far. Latencies have no such bounds, and are checked for whole subnets only.
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
# Costs that a search computes at most, which takes some seconds.
MAX_COSTS = 10_000
_MAX_COSTS_OF_NEAREST = 2_000


@dataclasses.dataclass
class _Node:
    """A part of the space: all subnets with some choices in common.

    Args:
        choices: dict from the names of the first decisions to choices.
        children: nodes with one more choice that still have unvisited
            subnets; None if they have not been made yet.
        is_bounded: whether the bounds allow subnets within the budget.
    """

    choices: dict[str, Choice]
    children: "list[_Node] | None" = None
    is_bounded: bool = False


class BudgetSearch:
    """Iterates over the subnets that keep a budget, in random order.

    Each is yielded once. If `is_complete` at the end, all of them were;
    otherwise the iteration ended at `max_costs`.

    Args:
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        budget: Budget.
        rng: numpy.random.Generator.
        max_costs: int. How many costs may be computed.
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
        # Decisions that others depend on come first, because only then are
        # costs monotonic; then those with the largest effect, which narrow
        # the bounds most.
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
            # This part is exhausted: go back to one that is not.
            while path and not path[-1].children:
                done = path.pop()
                if path:
                    path[-1].children.remove(done)
            if not path:
                self.is_complete = True
                return
            if decision is None and is_feasible:
                # Start again, for variety.
                del path[1:]

    def _effect(self, decision) -> float:
        """How much of the largest subnet's costs depends on a decision."""
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
        """Enters a random child, or removes it if its bounds exclude it."""
        children = path[-1].children
        child = children[self._rng.integers(len(children))]
        if not child.is_bounded and self._is_excluded(child.choices):
            children.remove(child)
            return
        child.is_bounded = True
        path.append(child)

    def _is_excluded(self, choices) -> bool:
        """Whether the bounds exclude all subnets with these choices."""
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
    """Subnets outside an infeasible budget, increasingly near to it.

    For each constraint, subnets below and above its range are yielded, each
    nearer than the one before, until none is found within a limited number of
    costs. Subnets that keep a single constraint follow, and then a descent
    over neighbours towards all constraints together.

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
