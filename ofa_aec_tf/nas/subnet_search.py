"""Search for the best subnet of each budget."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tqdm
from absl import logging

from ofa_aec_tf.choices import check_choice
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.candidates import draw_population
from ofa_aec_tf.nas.candidates import feasible_candidates
from ofa_aec_tf.nas.study import OBJECTIVE
from ofa_aec_tf.nas.study import SearchStudy
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space import Subnet

EXHAUSTIVE = "exhaustive"
RANDOM = "random"
METHODS = (EXHAUSTIVE, RANDOM)


def plan_evaluations(
    candidates: Sequence[Candidate],
    complete: bool,
    budgets: Sequence[Budget],
    method: str,
    population: int,
    rng: np.random.Generator,
) -> list[Candidate]:
    """Which subnets to evaluate, each once.

    Args:
        candidates: distinct Candidates.
        complete: bool. Whether they are the whole space.
        budgets: sequence of Budget. Without any, every candidate is feasible.
        method: `"exhaustive"`, all candidates that are feasible for a budget;
            or `"random"`, a random population for each budget.
        population: int. Size of each population.
        rng: numpy.random.Generator.

    Returns:
        list of Candidate.

    Raises:
        ValueError: if a budget is infeasible, or if an exhaustive search is
            asked for in a space too large to list.
    """
    check_choice("method", method, METHODS)
    if population < 1:
        raise ValueError(
            "`population` must be at least 1. "
            f"Received: population={population}"
        )
    # All before the first draw: an impossible budget shows at once.
    pools = [feasible_candidates(candidates, b, complete) for b in budgets]
    pools = pools or [list(candidates)]
    if method == EXHAUSTIVE:
        if not complete:
            raise ValueError(
                "The search space is too large to list, so there is no "
                f"exhaustive search in it. Use the method {RANDOM!r}. "
                f"Received: method={method!r}"
            )
    else:
        pools = [draw_population(pool, population, rng) for pool in pools]
    planned = {c.subnet: c for pool in pools for c in pool}
    return list(planned.values())


def evaluate_candidates(
    study: SearchStudy,
    planned: Sequence[Candidate],
    evaluate_subnet: Callable[[Subnet], Mapping[str, float | None]],
    recoverable_errors: tuple[type[Exception], ...] = (ValueError,),
    show_progress: bool = True,
) -> list[Trial]:
    """Evaluates what the study has no trial of yet.

    A subnet whose evaluation fails is stored with the reason, and the search
    goes on; any other exception ends it, with all finished trials stored.

    Args:
        study: SearchStudy.
        planned: sequence of Candidate.
        evaluate_subnet: function from a subnet to its metrics, with `mAP`.
        recoverable_errors: tuple of exception types that fail one trial only.
        show_progress: bool. Whether to show a progress bar.

    Returns:
        list of Trial: all of the study, those of earlier runs too.

    Raises:
        ValueError: if no trial of the study has succeeded.
    """
    known = {trial.subnet for trial in study.trials()}
    missing = [c for c in planned if c.subnet not in known]
    if len(missing) < len(planned):
        logging.info(
            "%d of %d subnets were evaluated before.",
            len(planned) - len(missing),
            len(planned),
        )
    with tqdm.tqdm(
        total=len(planned),
        initial=len(planned) - len(missing),
        unit="subnet",
        disable=not show_progress,
    ) as progress:
        for candidate in missing:
            trial = _evaluate(candidate, evaluate_subnet, recoverable_errors)
            study.add(trial)
            progress.update()
    trials = study.trials()
    failures = [trial.failure for trial in trials if trial.failure is not None]
    if len(failures) == len(trials):
        raise ValueError(
            f"None of {len(trials)} subnets could be evaluated. The first "
            f"failed with: {failures[0]}. Mend that and search in another "
            "--workdir."
        )
    return trials


def _evaluate(candidate, evaluate_subnet, recoverable_errors) -> Trial:
    try:
        metrics = evaluate_subnet(candidate.subnet)
        if metrics[OBJECTIVE] is None:
            raise ValueError(
                f"{OBJECTIVE} is not defined: no class has a positive clip."
            )
    except recoverable_errors as error:
        reason = f"{type(error).__name__}: {error}"
        logging.warning("Subnet %s failed: %s", candidate.subnet, reason)
        return Trial(candidate.subnet, candidate.costs, None, reason)
    return Trial(candidate.subnet, candidate.costs, metrics)


def best_trial(trials: Sequence[Trial], budget: Budget) -> Trial | None:
    """The trial of highest mAP within a budget; the cheapest among equals.

    Args:
        trials: sequence of Trial.
        budget: Budget.

    Returns:
        Trial, or None if no feasible subnet was evaluated with success.
    """
    feasible = [
        trial
        for trial in trials
        if trial.failure is None and budget.feasible(trial.costs)
    ]
    return min(
        feasible,
        key=lambda trial: (
            -trial.metrics[OBJECTIVE],
            *trial.costs.values(),
            str(trial.subnet),
        ),
        default=None,
    )
