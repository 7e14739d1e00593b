"""The subnets that a search may evaluate, with their costs."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.nas import budget_search
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import Constraint
from ofa_aec_tf.nas.budgets import cost_names
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

# Listing a space of this size takes seconds, less than many evaluations.
MAX_ENUMERATED_SUBNETS = 100_000
MAX_DRAWS = 20_000
# If fewer random subnets keep a budget, more are searched for.
NUM_WITHIN_BUDGET = 256


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A subnet and its costs.

    Args:
        subnet: Subnet.
        costs: dict from `complexity.COST_NAMES` to int; also from
            `complexity.FILE_SIZE_NAMES` to int and from `budgets.LATENCY` to
            float, if these are known.
    """

    subnet: Subnet
    costs: Mapping[str, int | float]


def list_candidates(
    space: SearchSpace,
    costs_of: Callable[[Subnet], Mapping[str, int | float]],
    rng: np.random.Generator,
    max_enumerated: int = MAX_ENUMERATED_SUBNETS,
    max_draws: int = MAX_DRAWS,
) -> tuple[list[Candidate], bool]:
    """All subnets of a space, or a random part of a large one.

    Args:
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        rng: numpy.random.Generator.
        max_enumerated: int. Size of the largest space to list completely.
        max_draws: int. Draws from a larger space.

    Returns:
        `(candidates, complete)`: distinct Candidates, and whether they are
        the whole space. The smallest and the largest subnet are among them.
    """
    complete = space.num_subnets <= max_enumerated
    if complete:
        subnets = list(space.enumerate())
    else:
        drawn = {space.smallest(): None, space.largest(): None}
        for _ in range(max_draws):
            drawn.setdefault(space.sample(rng))
        subnets = list(drawn)
    return [Candidate(s, dict(costs_of(s))) for s in subnets], complete


def add_within_budgets(
    candidates: Sequence[Candidate],
    space: SearchSpace,
    costs_of: Callable[[Subnet], Mapping[str, int | float]],
    budgets: Sequence[Budget],
    rng: np.random.Generator,
    number: int = NUM_WITHIN_BUDGET,
) -> list[Candidate]:
    """Adds subnets within each budget to a part of a large space.

    Args:
        candidates: distinct Candidates, such as `list_candidates` draws.
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        budgets: sequence of Budget. Constraints on unknown costs are ignored.
        rng: numpy.random.Generator.
        number: int. Wanted subnets within each budget.

    Returns:
        list of distinct Candidates.

    Raises:
        ValueError: if no subnet within a budget was found, with the nearest
            subnets.
    """
    found = {candidate.subnet: candidate for candidate in candidates}
    known_costs = set(candidates[0].costs)
    for whole_budget in budgets:
        budget = whole_budget
        for cost in cost_names([whole_budget]) - known_costs:
            budget = budget.without(cost)
        num_feasible = sum(budget.feasible(c.costs) for c in found.values())
        search = budget_search.BudgetSearch(space, costs_of, budget, rng)
        within = iter(search)
        while num_feasible < number and (pair := next(within, None)):
            num_feasible += pair[0] not in found
            found.setdefault(pair[0], Candidate(*pair))
        if not num_feasible:
            for subnet, costs in budget_search.nearest_subnets(
                space, costs_of, budget, rng
            ):
                found.setdefault(subnet, Candidate(subnet, costs))
            raise ValueError(
                _infeasible_message(
                    list(found.values()), budget, search.is_complete
                )
            )
    return list(found.values())


def feasible_candidates(
    candidates: Sequence[Candidate], budget: Budget, complete: bool = True
) -> list[Candidate]:
    """The candidates within a budget.

    Args:
        candidates: distinct Candidates.
        budget: Budget.
        complete: bool. Whether the candidates are the whole space.

    Raises:
        ValueError: if there is none, with the nearest subnets.
    """
    feasible = [c for c in candidates if budget.feasible(c.costs)]
    if not feasible:
        raise ValueError(_infeasible_message(candidates, budget, complete))
    return feasible


def _infeasible_message(candidates, budget: Budget, complete: bool) -> str:
    tried = (
        "No subnet of the space"
        if complete
        else f"None of {len(candidates):,} subnets drawn from a large space"
    )
    parts = [f"{tried} keeps the budget `{budget}`."]
    if not complete:
        parts.append("There may be one, and nearer ones than these.")
    for constraint in budget.constraints:
        if any(constraint.feasible(c.costs) for c in candidates):
            continue
        below, above = _nearest(candidates, constraint)
        parts.append(
            f"Nearest below in {constraint.cost}: "
            f"{_describe(below, [constraint])}; "
            f"nearest above: {_describe(above, [constraint])}."
        )
    if len(budget.constraints) > 1:
        closest = min(candidates, key=lambda c: budget.distance(c.costs))
        parts.append(
            "Nearest to all constraints together: "
            f"{_describe(closest, budget.constraints)}."
        )
    parts.append("Change the budget to one that a subnet keeps.")
    return " ".join(parts)


def _nearest(candidates, constraint: Constraint):
    """The candidates nearest below and above a range; None where none is."""

    def excess(candidate):
        return constraint.excess(candidate.costs)

    below = [c for c in candidates if excess(c) < 0]
    above = [c for c in candidates if excess(c) > 0]
    return (
        max(below, key=excess, default=None),
        min(above, key=excess, default=None),
    )


def _describe(candidate: Candidate | None, constraints) -> str:
    if candidate is None:
        return "none"
    costs = ", ".join(
        f"{name}={candidate.costs[name]:,}"
        for name in dict.fromkeys(c.cost for c in constraints)
    )
    return f"{candidate.subnet} with {costs}"


def draw_population(
    candidates: Sequence[Candidate],
    population: int,
    rng: np.random.Generator,
) -> list[Candidate]:
    """Random distinct candidates; all of them if there are not enough.

    Args:
        candidates: distinct Candidates.
        population: int. Number to draw.
        rng: numpy.random.Generator.
    """
    num_drawn = min(population, len(candidates))
    chosen = rng.choice(len(candidates), size=num_drawn, replace=False)
    return [candidates[index] for index in sorted(chosen)]
