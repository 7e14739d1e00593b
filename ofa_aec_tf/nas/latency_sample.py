"""Which subnets of a space to measure the latency of."""

from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.nas.budgets import LATENCY
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.candidates import feasible_candidates
from ofa_aec_tf.nas.latency_model import MIN_MEASURED_SUBNETS
from ofa_aec_tf.search_space.space import Subnet


def spread(candidates: Sequence[Candidate], number: int) -> list[Candidate]:
    """Some candidates from the fewest MACs to the most, evenly by rank.

    By rank, and not by the number of MACs, so that most are measured where
    most have to be predicted.

    Args:
        candidates: distinct Candidates.
        number: int. How many; all where there are no more. The first and the
            last are among them.
    """
    ranked = sorted(candidates, key=lambda c: c.costs["macs"])
    if len(ranked) <= number:
        return ranked
    ranks = np.linspace(0, len(ranked) - 1, max(number, 0)).round().astype(int)
    return [ranked[rank] for rank in ranks]


def subnets_to_measure(
    candidates: Sequence[Candidate],
    complete: bool,
    budgets: Sequence[Budget],
    max_measured: int,
) -> list[Subnet]:
    """The subnets whose latency decides a search, or some of very many.

    Args:
        candidates: distinct Candidates, whose latency is not known.
        complete: bool. Whether they are the whole space.
        budgets: sequence of Budget. What keeps all of one but its latency may
            be chosen; without budgets everything may.
        max_measured: int. If there are more, so many are spread over them.

    Returns:
        list of Subnet. Never fewer than latencies can be predicted from, if
        the space has as many.

    Raises:
        ValueError: if a budget is infeasible whatever the latencies.
    """
    needed = {} if budgets else {c.subnet: c for c in candidates}
    for budget in budgets:
        feasible = feasible_candidates(
            candidates, budget.without(LATENCY), complete
        )
        needed.update((c.subnet, c) for c in feasible)
    chosen = spread(list(needed.values()), max_measured)
    others = [c for c in candidates if c.subnet not in needed]
    chosen += spread(others, MIN_MEASURED_SUBNETS - len(chosen))
    return [c.subnet for c in chosen]
