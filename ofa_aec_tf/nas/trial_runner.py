"""Evaluates the subnets that a search method asks for."""

import time
from collections.abc import Callable
from collections.abc import Mapping

import tqdm
from absl import logging

from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import FLOAT_QUALITY
from ofa_aec_tf.nas.search_methods import Batches
from ofa_aec_tf.nas.study import SearchStudy
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.space import Subnet

# How often to look whether other processes have finished theirs.
_POLL_SECONDS = 0.5


def run_trials(
    study: SearchStudy,
    batches: Batches,
    evaluate_subnet: Callable[[Subnet], Mapping[str, float | None]],
    order: Callable[[Subnet], object] | None = None,
    recoverable_errors: tuple[type[Exception], ...] = (ValueError,),
    show_progress: bool = True,
    on_trial: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Evaluates what a method asks for, unless the study has a trial of it.

    If the evaluation of a subnet fails, the reason is stored and the search
    goes on. Any other exception ends it; finished trials stay stored.
    Processes with the same study and method share the work.

    Args:
        study: SearchStudy.
        batches: generator of `search_methods`.
        evaluate_subnet: function from a subnet to its metrics, with `mAP`.
        order: function from a Subnet to a sort key, by which a batch is
            evaluated; None for the method's own order.
        recoverable_errors: tuple of exception types that fail one trial only.
        show_progress: bool. Whether to show a progress bar.
        on_trial: function that is called whenever a trial has been stored.

    Returns:
        list of Trial: all trials of the study, including earlier runs'.

    Raises:
        ValueError: if no trial of the study has succeeded.
    """
    num_known = 0
    with tqdm.tqdm(
        total=0, unit="subnet", disable=not show_progress
    ) as progress:
        results: Mapping[Subnet, Trial] | None = None
        while True:
            try:
                batch = batches.send(results)
            except StopIteration:
                break
            if order is not None:
                batch = sorted(batch, key=lambda c: order(c.subnet))
            num_stored = _count_stored(study, batch)
            num_known += num_stored
            progress.total += len(batch)
            progress.update(num_stored)
            results = _evaluate_batch(
                study,
                batch,
                evaluate_subnet,
                recoverable_errors,
                progress,
                on_trial,
            )
    if num_known:
        logging.info("%d subnets were evaluated before.", num_known)
    trials = study.trials()
    failures = [trial.failure for trial in trials if trial.failure is not None]
    if len(failures) == len(trials):
        raise ValueError(
            f"None of {len(trials)} subnets could be evaluated. The first "
            f"failed with: {failures[0]}. Fix that and search again with "
            "--retry_failed."
        )
    return trials


def _count_stored(study, batch) -> int:
    results = study.results()
    return sum(candidate.subnet in results for candidate in batch)


def _evaluate_batch(
    study, batch, evaluate_subnet, recoverable_errors, progress, on_trial
) -> dict[Subnet, Trial]:
    results = study.results()
    waiting = [c for c in batch if c.subnet not in results]
    while waiting:
        # What another process has claimed is looked at in the next round.
        others = []
        for candidate in waiting:
            claim = study.claim(candidate)
            if claim is None:
                others.append(candidate)
                continue
            try:
                # It may have been evaluated before the claim.
                if candidate.subnet not in study.results():
                    study.add(
                        _evaluate(
                            candidate, evaluate_subnet, recoverable_errors
                        )
                    )
            finally:
                study.release(claim)
            progress.update()
            on_trial()
        results = study.results()
        waiting = [c for c in others if c.subnet not in results]
        progress.update(len(others) - len(waiting))
        if waiting:
            time.sleep(_POLL_SECONDS)
    results = study.results()
    return {c.subnet: results[c.subnet] for c in batch}


def _evaluate(candidate: Candidate, evaluate_subnet, recoverable_errors):
    try:
        metrics = evaluate_subnet(candidate.subnet)
        if metrics[FLOAT_QUALITY] is None:
            raise ValueError(
                f"{FLOAT_QUALITY} is not defined: no class has a positive clip."
            )
    except recoverable_errors as error:
        reason = f"{type(error).__name__}: {error}"
        logging.warning("Subnet %s failed: %s", candidate.subnet, reason)
        return Trial(candidate.subnet, candidate.costs, None, reason)
    return Trial(candidate.subnet, candidate.costs, metrics)
