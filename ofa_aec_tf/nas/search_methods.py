"""Which subnets a search evaluates, and in which order.

A method is a generator of batches: it yields Candidates and is sent their
trials. It depends only on a seed and on the trials it is sent. A search that
was killed therefore repeats its steps on the stored trials, and several
processes take the same steps together.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import optuna

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.nas.accuracy_predictor import MIN_TRIALS
from ofa_aec_tf.nas.accuracy_predictor import AccuracyPredictor
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.candidates import draw_population
from ofa_aec_tf.nas.candidates import feasible_candidates
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

AUTO = "auto"
EXHAUSTIVE = "exhaustive"
RANDOM = "random"
NSGA2 = "nsga2"
TPE = "tpe"
PREDICTOR = "predictor"
METHODS = (EXHAUSTIVE, RANDOM, NSGA2, TPE, PREDICTOR)
_TPE_BATCH = 8
# Of a subnet that could not be evaluated: larger than any distance.
_FAILED_VIOLATION = 1e9

Batches = Generator[list[Candidate], Mapping[Subnet, Trial], None]


def feasible_pools(
    candidates: Sequence[Candidate],
    complete: bool,
    budgets: Sequence[Budget],
) -> list[list[Candidate]]:
    """The candidates within each budget; one pool of all without budgets.

    Raises:
        ValueError: if a budget is infeasible.
    """
    pools = [feasible_candidates(candidates, b, complete) for b in budgets]
    return pools or [list(candidates)]


def resolve_method(
    method: str,
    pools: Sequence[Sequence[Candidate]],
    complete: bool,
    max_evaluations: int,
) -> str:
    """The method that `"auto"` stands for.

    Args:
        method: one of `METHODS`, or `"auto"`.
        pools: as `feasible_pools` returns them.
        complete: bool. Whether they are from the whole space.
        max_evaluations: int. The most subnets to evaluate exhaustively.

    Raises:
        ValueError: if the method is unknown, or exhaustive in a space too
            large to list.
    """
    check_choice("method", method, (AUTO, *METHODS))
    if method == AUTO:
        small = complete and len(_union(pools)) <= max_evaluations
        return EXHAUSTIVE if small else NSGA2
    if method == EXHAUSTIVE and not complete:
        raise ValueError(
            "The search space is too large for an exhaustive search. "
            f"Use the method {NSGA2!r}. "
            f"Received: method={method!r}"
        )
    return method


def _union(pools) -> list[Candidate]:
    return list({c.subnet: c for pool in pools for c in pool}.values())


def exhaustive(pools: Sequence[Sequence[Candidate]]) -> Batches:
    """All candidates that keep a budget."""
    yield _union(pools)


@dataclasses.dataclass(frozen=True)
class Proposals:
    """What each method proposes.

    Args:
        space: SearchSpace.
        costs_of: function from a subnet to its costs by name.
        budgets: sequence of Budget. Subnets that keep one are feasible.
        objectives: Objectives.
        pools: as `feasible_pools` returns them.
        population: int. Subnets for each budget with `"random"` and in each
            round of `"predictor"`, or in a generation of `"nsga2"`.
        max_evaluations: int. Distinct subnets to evaluate; no limit for
            exhaustive and random search.
        seed: int.
    """

    space: SearchSpace
    costs_of: Callable[[Subnet], Mapping[str, int | float]]
    budgets: Sequence[Budget]
    objectives: Objectives
    pools: Sequence[Sequence[Candidate]]
    population: int
    max_evaluations: int
    seed: int

    def batches(self, method: str) -> Batches:
        """The batches of one of `METHODS`."""
        check_choice("method", method, METHODS)
        return getattr(self, method)()

    def exhaustive(self) -> Batches:
        """All candidates that keep a budget."""
        return exhaustive(self.pools)

    def random(self) -> Batches:
        """A random population for each budget, without duplicates.

        Reference: OFA-AEC, section 2.4.
        """
        rng = np.random.default_rng(self.seed)
        yield _union(
            [draw_population(pool, self.population, rng) for pool in self.pools]
        )

    def nsga2(self) -> Batches:
        """NSGA-II (Deb et al., 2002): a generation at a time."""
        return self._run(
            optuna.samplers.NSGAIISampler(
                population_size=self.population, seed=self.seed
            ),
            self.population,
        )

    def tpe(self) -> Batches:
        """Tree-structured Parzen estimators (Bergstra et al., 2011)."""
        return self._run(
            optuna.samplers.TPESampler(
                seed=self.seed,
                n_startup_trials=self.population,
                constant_liar=True,
            ),
            _TPE_BATCH,
        )

    def _run(self, sampler, batch_size) -> Batches:
        num_costs = len(self.objectives.costs)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            sampler=sampler,
            directions=["maximize"] * len(self.objectives.qualities)
            + ["minimize"] * num_costs,
        )
        rng = np.random.default_rng(self.seed)
        share = -(-self.population // len(self.pools))
        first = _union(
            [draw_population(pool, share, rng) for pool in self.pools]
        )
        self._enqueue(study, first[: self.population])
        everything = _union(self.pools)
        evaluated: dict[Subnet, Trial] = {}
        while len(evaluated) < self.max_evaluations:
            asked = [self._ask(study) for _ in range(batch_size)]
            remaining = self.max_evaluations - len(evaluated)
            new = {
                candidate.subnet: candidate
                for _, candidate in asked
                if self._violation(candidate.costs) == 0
                and candidate.subnet not in evaluated
            }
            batch = list(new.values())[:remaining]
            if batch:
                evaluated.update((yield batch))
            for trial, candidate in asked:
                self._tell(study, trial, candidate, evaluated)
            if not batch:
                # The sampler repeats itself, as it may with tight budgets.
                unknown = [c for c in everything if c.subnet not in evaluated]
                if not unknown:
                    return
                self._enqueue(study, draw_population(unknown, batch_size, rng))

    def _enqueue(self, study, drawn):
        for candidate in drawn:
            indices = self.space.to_indices(candidate.subnet)
            study.enqueue_trial(
                {
                    decision.name: int(index)
                    for decision, index in zip(self.space.decisions, indices)
                }
            )

    def _ask(self, study):
        """A trial of the sampler, and its subnet.

        It makes all decisions, even those that do not matter for the subnet:
        samplers learn little if the decisions differ between trials.
        """
        trial = study.ask()
        subnet = self.space.from_indices(
            [
                trial.suggest_int(decision.name, 0, len(decision.choices) - 1)
                for decision in self.space.decisions
            ]
        )
        return trial, Candidate(subnet, dict(self.costs_of(subnet)))

    def _violation(self, costs) -> float:
        if not self.budgets:
            return 0.0
        return min(budget.distance(costs) for budget in self.budgets)

    def _tell(self, study, trial, candidate, evaluated):
        result = evaluated.get(candidate.subnet)
        metrics = None if result is None else result.metrics
        violation = self._violation(candidate.costs)
        if metrics is None:
            # Infeasible, failed, or beyond the last evaluation.
            metrics = dict.fromkeys(self.objectives.qualities, 0.0)
            violation = violation or _FAILED_VIOLATION
        trial.set_constraint("budget", violation)
        study.tell(
            trial,
            [
                *(metrics[name] for name in self.objectives.qualities),
                *(candidate.costs[name] for name in self.objectives.costs),
            ],
        )

    def predictor(self) -> Batches:
        """A random population for each budget, then the predicted best."""
        rng = np.random.default_rng(self.seed)
        evaluated: dict[Subnet, Trial] = {}
        while len(evaluated) < self.max_evaluations:
            succeeded = [t for t in evaluated.values() if t.failure is None]
            predictor = None
            # With too few trials, the choice is random.
            if len(succeeded) >= MIN_TRIALS:
                predictor = AccuracyPredictor(
                    self.space, self.objectives.quality
                ).fit(succeeded)
            batch: dict[Subnet, Candidate] = {}
            for pool in self.pools:
                rest = [
                    c
                    for c in pool
                    if c.subnet not in evaluated and c.subnet not in batch
                ]
                if predictor is None or not rest:
                    chosen = draw_population(rest, self.population, rng)
                else:
                    predicted = predictor.predict([c.subnet for c in rest])
                    best = np.argsort(-predicted, kind="stable")
                    chosen = [rest[i] for i in best[: self.population]]
                batch.update((c.subnet, c) for c in chosen)
            if not batch:
                return
            remaining = self.max_evaluations - len(evaluated)
            evaluated.update((yield list(batch.values())[:remaining]))
