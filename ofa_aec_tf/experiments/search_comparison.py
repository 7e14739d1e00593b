"""Compares search methods, given the scores of all subnets."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.nas import pareto
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

# A quarter of the paper's space.
NUM_EVALUATIONS = 32
POPULATION = 8
NUM_METHOD_SEEDS = 10
_OBJECTIVES = Objectives()
# The reference point lies beyond the largest subnet, so that it counts too.
_MARGIN = 1.01


def compare(
    space: SearchSpace,
    costs_of: Callable[[Subnet], Mapping[str, int]],
    trials: Sequence[Mapping],
    seed: int,
    split: str,
    num_evaluations: int = NUM_EVALUATIONS,
    population: int = POPULATION,
    num_method_seeds: int = NUM_METHOD_SEEDS,
) -> Iterator[Measurement]:
    """What each method finds with the same number of evaluations.

    Args:
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        trials: sequence of dicts with `subnet`, `costs` and `metrics`, of all
            subnets of the space. A missing one counts as failed.
        seed: int. Of the supernet. Each method has seeds of its own, which
            are counted on from `num_method_seeds` times this one.
        split: str. What the trials were measured on.
        num_evaluations: int. That each method has, but the exhaustive one.
        population: int. Of a generation, or a round.
        num_method_seeds: int. Searches by each method.

    Yields:
        Measurement of the best subnet found, with `evaluations` among the
        costs and `hypervolume` among the metrics, as a share of that of all.
    """
    table = {
        space.subnet(trial["subnet"]): Trial(
            space.subnet(trial["subnet"]), trial["costs"], trial["metrics"]
        )
        for trial in trials
    }
    pool = [Candidate(t.subnet, t.costs) for t in table.values()]
    worst_costs = tuple(
        _MARGIN * max(candidate.costs[name] for candidate in pool)
        for name in _OBJECTIVES.costs
    )
    whole = _hypervolume(table.values(), worst_costs)
    for number in range(num_method_seeds):
        method_seed = num_method_seeds * seed + number
        for method in search_methods.METHODS:
            num_asked, found = _found(
                space,
                costs_of,
                pool,
                table,
                method,
                method_seed,
                num_evaluations,
                population,
            )
            best = max(found, key=lambda trial: trial.metrics["mAP"])
            yield Measurement(
                "methods",
                method,
                "",
                method_seed,
                dict(best.subnet),
                {**best.costs, "evaluations": num_asked},
                {
                    **best.metrics,
                    "hypervolume": _hypervolume(found, worst_costs) / whole,
                },
                split,
            )


def _found(
    space, costs_of, pool, table, method, seed, num_evaluations, population
):
    """The number of trials that a method asks for, and the successful ones."""
    batches = search_methods.Proposals(
        space,
        costs_of,
        (),
        _OBJECTIVES,
        [pool],
        num_evaluations if method == search_methods.RANDOM else population,
        num_evaluations,
        seed,
    ).batches(method)
    asked: dict[Subnet, Trial] = {}
    results = None
    while True:
        try:
            batch = batches.send(results)
        except StopIteration:
            break
        results = {
            c.subnet: table.get(c.subnet, Trial(c.subnet, c.costs, None, "?"))
            for c in batch
        }
        asked.update(results)
    return len(asked), [t for t in asked.values() if t.failure is None]


def _hypervolume(trials, worst_costs) -> float:
    return pareto.hypervolume(
        [_OBJECTIVES.point(t.metrics, t.costs) for t in trials],
        pareto.Point(0.0, worst_costs),
    )
