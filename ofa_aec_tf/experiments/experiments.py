"""The paper's experiments, each as steps and what they measure.

Reference: OFA-AEC, sections 3 and 4.
"""

import statistics
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.experiments import measuring
from ofa_aec_tf.experiments import plan as plans
from ofa_aec_tf.experiments import search_comparison
from ofa_aec_tf.experiments.measuring import Cell
from ofa_aec_tf.experiments.plan import Plan
from ofa_aec_tf.experiments.reports import measurements
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.nas import report

_TEST, _VALIDATION = "test", "validation"
_BASELINE_STAGES = ((measurements.SCRATCH, "scratch"), (measurements.KD, "kd"))


def cells(
    plan: Plan,
    experiments: Sequence[str],
    seeds: Sequence[int],
    ablation_seeds: Sequence[int],
) -> Iterator[Cell]:
    """What to measure, the claims of the paper first.

    Args:
        plan: Plan.
        experiments: sequence of str, of `measurements.EXPERIMENTS`.
        seeds: sequence of int. For what the paper's claims rest on.
        ablation_seeds: sequence of int. For the rest.
    """
    makers = {
        "table1": (_table1, seeds),
        "figure3": (_figure3, seeds),
        "figure4": (_figure4, seeds),
        "table2": (_table2, seeds),
        "equal_steps": (_equal_steps, seeds),
        "calibration": (_calibration, ablation_seeds),
        "sampling": (_sampling, ablation_seeds),
        "subnets_per_step": (_subnets_per_step, ablation_seeds),
        "stem": (_stem, ablation_seeds),
        "methods": (_methods, ablation_seeds),
    }
    wanted = [name for name in makers if name in experiments]
    for name in wanted:
        make, its_seeds = makers[name]
        for seed in its_seeds:
            # The spaces beside those of the claims need fewer seeds.
            extra = seed in ablation_seeds
            yield from make(plan, seed, extra, seed == its_seeds[0])


def _tested(title, plan, seed, experiment, rows) -> Cell:
    """Models on the test split.

    Args:
        title: str.
        plan: Plan.
        seed: int.
        experiment: str.
        rows: list of (series, budget, Output).
    """
    step = measuring.evaluation([model for _, _, model in rows], title)

    def measure(runner):
        for series, budget, model in rows:
            details, costs, metrics = measuring.evaluated(runner, step, model)
            yield Measurement(
                experiment,
                series,
                budget,
                seed,
                details.get("subnet"),
                costs,
                metrics,
                _TEST,
            )

    return Cell(title, step, measure)


def _table1(plan, seed, extra, is_first):
    rows = []
    if is_first:
        # One teacher, which no seed of the others changes.
        rows.append((measurements.TEACHER, "", plan.teacher()))
    for budget, model in plan.found(seed).items():
        if budget in plan.settings.baselines:
            rows += [
                (series, budget, plan.baseline(stage, budget, seed))
                for series, stage in _BASELINE_STAGES
            ]
        rows.append((measurements.OFA, budget, model))
    yield _tested(f"table 1 seed {seed}", plan, seed, "table1", rows)


def _equal_steps(plan, seed, extra, is_first):
    """The baselines of the smallest budget, for the steps of the supernet.

    The paper gives the supernet three times the steps of a baseline, and gets
    all budgets from it. The better baseline has those of long fine-tuning too,
    for the subnet that has them.
    """
    models = plan.found(seed)
    budget = next((b for b in models if b in plan.settings.baselines), None)
    if budget is None:
        return
    title = f"{budget} seed {seed}"
    longest = plan.num_steps("supernet") + plan.num_steps(
        f"finetune_{plans.LONG}"
    )
    finetuned = plan.finetuned(models[budget], plans.LONG, title, seed)
    rows = [
        (measurements.OFA, budget, models[budget]),
        (measurements.OFA_LONG, budget, finetuned),
    ]
    for series, stage in _BASELINE_STAGES:
        own = plan.num_steps(stage)
        numbers = [own, plan.num_steps("supernet")]
        if stage == "kd":
            numbers.append(longest)
        for number in dict.fromkeys(numbers):
            more = {} if number == own else {"num_steps": number}
            model = plan.baseline(stage, budget, seed, **more)
            rows.append((f"{series}, {number} steps", budget, model))
    yield _tested(f"equal steps seed {seed}", plan, seed, "equal_steps", rows)


def _table2(plan, seed, extra, is_first):
    rows = []
    for budget, model in plan.found(seed).items():
        title = f"{budget} seed {seed}"
        rows += [
            (measurements.OFA, budget, model),
            (
                measurements.OFA_SHORT,
                budget,
                plan.finetuned(model, plans.SHORT, title, seed),
            ),
            (
                measurements.OFA_LONG,
                budget,
                plan.finetuned(model, plans.LONG, title, seed),
            ),
            (
                measurements.INIT_LONG,
                budget,
                plan.retrained(model, title, seed),
            ),
        ]
    yield _tested(f"table 2 seed {seed}", plan, seed, "table2", rows)


def _spaces(extra):
    """The main space and what the claims compare it with, or all."""
    for name, variant in plans.SPACES.items():
        if extra or name in (plans.MAIN_SPACE, "[X,X,X]"):
            # The main space is what supernet.cfg has.
            yield name, {} if name == plans.MAIN_SPACE else variant


def _figure3(plan, seed, extra, is_first):
    for name, variant in _spaces(extra):
        rows = [
            (name, budget, model)
            for budget, model in plan.found(seed, **variant).items()
        ]
        yield _tested(f"{name} seed {seed}", plan, seed, "figure3", rows)


def _figure4(plan, seed, extra, is_first):
    for name, variant in _spaces(extra):
        step = plan.searched(seed, **variant)
        yield Cell(
            f"subnets of {name} seed {seed}",
            step,
            _trials_measurer(step, plan.space(**variant), name, seed),
        )


def _trials(runner, step, space) -> Iterator[dict]:
    """Trials of a search that succeeded, as Measurement takes them."""
    return report.read_trials_table(
        runner.path(Output(step, report.TRIALS_TABLE)),
        space,
        measuring.COSTS,
        measuring.METRICS,
    )


def _trials_measurer(step, space, series, seed):
    """Measures all subnets within each budget of a search."""

    def measure(runner):
        for trial in _trials(runner, step, space):
            for budget in trial.pop("budgets"):
                yield Measurement(
                    "figure4",
                    series,
                    budget,
                    seed,
                    split=_VALIDATION,
                    **trial,
                )

    return measure


def _calibration(plan, seed, extra, is_first):
    """All subnets of a budget, with statistics made for the largest.

    All and not the one that was found: it was chosen by its own statistics.
    """
    own = plan.searched(seed)
    shared = plan.search(
        plan.supernet(seed),
        f"without calibration seed {seed}",
        budget=tuple(plan.feasible_budgets()),
        calibration="largest",
    )
    for series, step in (("calibrated", own), ("shared", shared)):
        yield Cell(
            f"{series} statistics seed {seed}",
            step,
            _budget_means_measurer(
                step, plan.space(), "calibration", series, seed
            ),
        )


def _budget_means_measurer(step, space, experiment, series, seed):
    """Measures the mean over all subnets within each budget of a search."""

    def measure(runner):
        by_budget: dict[str, list] = {}
        for trial in _trials(runner, step, space):
            for budget in trial["budgets"]:
                by_budget.setdefault(budget, []).append(trial)
        for budget, trials in by_budget.items():
            means = {
                kind: {
                    name: statistics.fmean(t[kind][name] for t in trials)
                    for name in trials[0][kind]
                }
                for kind in ("costs", "metrics")
            }
            yield Measurement(
                experiment,
                series,
                budget,
                seed,
                None,
                split=_VALIDATION,
                **means,
            )

    return measure


def _variants(plan, seed, experiment, variants):
    for series, variant in variants.items():
        rows = [
            (series, budget, model)
            for budget, model in plan.found(seed, **variant).items()
        ]
        yield _tested(
            f"{experiment} {series} seed {seed}", plan, seed, experiment, rows
        )


def _sampling(plan, seed, extra, is_first):
    yield from _variants(
        plan,
        seed,
        "sampling",
        {"uniform": {}, "sandwich": {"sampling_rule": "sandwich"}},
    )


def _subnets_per_step(plan, seed, extra, is_first):
    yield from _variants(
        plan,
        seed,
        "subnets_per_step",
        {
            f"K={number}": {} if number == 4 else {"num_subnets": number}
            for number in (1, 2, 4, 8)
        },
    )


def _stem(plan, seed, extra, is_first):
    yield from _variants(
        plan,
        seed,
        "stem",
        {"static": {}, "elastic": {"elastic_stem": True}},
    )


def _methods(plan, seed, extra, is_first):
    """Methods on the table of all subnets, at equal evaluations."""
    step = plan.search(plan.supernet(seed), f"all subnets seed {seed}")

    def measure(runner):
        trials = list(_trials(runner, step, plan.space()))
        yield from search_comparison.compare(
            plan.space(), plan.costs_function(), trials, seed, _VALIDATION
        )

    yield Cell(f"search methods seed {seed}", step, measure)
