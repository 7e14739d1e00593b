"""The paper's experiments, each as steps and what they measure.

Reference: OFA-AEC, sections 3 and 4.
"""

import statistics
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.experiments import paper_steps
from ofa_aec_tf.experiments import search_comparison
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments import tasks as tasks_lib
from ofa_aec_tf.experiments.paper_steps import PaperSteps
from ofa_aec_tf.experiments.reports import measurements
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.tasks import Task
from ofa_aec_tf.nas import report

_TEST, _VALIDATION = "test", "validation"
_BASELINE_STAGES = ((measurements.SCRATCH, "scratch"), (measurements.KD, "kd"))


def tasks(
    paper: PaperSteps,
    experiments: Sequence[str],
    seeds: Sequence[int],
    ablation_seeds: Sequence[int],
) -> Iterator[Task]:
    """What to measure, the claims of the paper first.

    Args:
        paper: PaperSteps.
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
            yield from make(paper, seed, extra, seed == its_seeds[0])


def _tested(title, paper, seed, experiment, rows) -> Task:
    """Models on the test split.

    Args:
        title: str.
        paper: PaperSteps.
        seed: int.
        experiment: str.
        rows: list of (series, budget, Output).
    """
    step = steps.evaluation(
        f"evaluation {title}", [model for _, _, model in rows]
    )

    def measure(runner):
        for series, budget, model in rows:
            details, costs, metrics = tasks_lib.evaluated(runner, step, model)
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

    return Task(title, step, measure)


def _table1(paper, seed, extra, is_first):
    rows = []
    if is_first:
        # One teacher, which no seed of the others changes.
        rows.append((measurements.TEACHER, "", paper.teacher()))
    for budget, model in paper.found(seed).items():
        if budget in paper.baselines:
            rows += [
                (series, budget, paper.baseline(stage, budget, seed))
                for series, stage in _BASELINE_STAGES
            ]
        rows.append((measurements.OFA, budget, model))
    yield _tested(f"table 1 seed {seed}", paper, seed, "table1", rows)


def _equal_steps(paper, seed, extra, is_first):
    """The baselines of the smallest budget, for the steps of the supernet.

    The paper gives the supernet three times the steps of a baseline, and gets
    all budgets from it. The better baseline has those of long fine-tuning too,
    for the subnet that has them.
    """
    models = paper.found(seed)
    budget = next((b for b in models if b in paper.baselines), None)
    if budget is None:
        return
    title = f"{budget} seed {seed}"
    longest = paper.num_steps("supernet") + paper.num_steps(
        f"finetune_{paper_steps.LONG}"
    )
    finetuned = paper.finetuned(models[budget], paper_steps.LONG, title, seed)
    rows = [
        (measurements.OFA, budget, models[budget]),
        (measurements.OFA_LONG, budget, finetuned),
    ]
    for series, stage in _BASELINE_STAGES:
        own = paper.num_steps(stage)
        numbers = [own, paper.num_steps("supernet")]
        if stage == "kd":
            numbers.append(longest)
        for number in dict.fromkeys(numbers):
            more = {} if number == own else {"num_steps": number}
            model = paper.baseline(stage, budget, seed, **more)
            rows.append((f"{series}, {number} steps", budget, model))
    yield _tested(f"equal steps seed {seed}", paper, seed, "equal_steps", rows)


def _table2(paper, seed, extra, is_first):
    rows = []
    for budget, model in paper.found(seed).items():
        title = f"{budget} seed {seed}"
        rows += [
            (measurements.OFA, budget, model),
            (
                measurements.OFA_SHORT,
                budget,
                paper.finetuned(model, paper_steps.SHORT, title, seed),
            ),
            (
                measurements.OFA_LONG,
                budget,
                paper.finetuned(model, paper_steps.LONG, title, seed),
            ),
            (
                measurements.INIT_LONG,
                budget,
                paper.retrained(model, title, seed),
            ),
        ]
    yield _tested(f"table 2 seed {seed}", paper, seed, "table2", rows)


def _spaces(extra):
    """The main space and what the claims compare it with, or all."""
    for name, variant in paper_steps.SPACES.items():
        if extra or name in (paper_steps.MAIN_SPACE, "[X,X,X]"):
            # The main space is what supernet.cfg has.
            yield name, {} if name == paper_steps.MAIN_SPACE else variant


def _figure3(paper, seed, extra, is_first):
    for name, variant in _spaces(extra):
        rows = [
            (name, budget, model)
            for budget, model in paper.found(seed, **variant).items()
        ]
        yield _tested(f"{name} seed {seed}", paper, seed, "figure3", rows)


def _figure4(paper, seed, extra, is_first):
    for name, variant in _spaces(extra):
        step = paper.searched(seed, **variant).step
        yield Task(
            f"subnets of {name} seed {seed}",
            step,
            _trials_measurer(step, paper.space(**variant), name, seed),
        )


def _trials(runner, step, space) -> Iterator[dict]:
    """Trials of a search that succeeded, as Measurement takes them."""
    return report.read_trials_table(
        runner.path(Output(step, report.TRIALS_TABLE)),
        space,
        tasks_lib.COSTS,
        tasks_lib.METRICS,
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


def _calibration(paper, seed, extra, is_first):
    """All subnets of a budget, with statistics made for the largest.

    All and not the one that was found: it was chosen by its own statistics.
    """
    own = paper.searched(seed).step
    shared = paper.search(
        paper.supernet(seed),
        f"without calibration seed {seed}",
        budget=paper.feasible_budgets(),
        calibration="largest",
    ).step
    for series, step in (("calibrated", own), ("shared", shared)):
        yield Task(
            f"{series} statistics seed {seed}",
            step,
            _budget_means_measurer(
                step, paper.space(), "calibration", series, seed
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


def _variants(paper, seed, experiment, variants):
    for series, variant in variants.items():
        rows = [
            (series, budget, model)
            for budget, model in paper.found(seed, **variant).items()
        ]
        yield _tested(
            f"{experiment} {series} seed {seed}", paper, seed, experiment, rows
        )


def _sampling(paper, seed, extra, is_first):
    yield from _variants(
        paper,
        seed,
        "sampling",
        {"uniform": {}, "sandwich": {"sampling_rule": "sandwich"}},
    )


def _subnets_per_step(paper, seed, extra, is_first):
    yield from _variants(
        paper,
        seed,
        "subnets_per_step",
        {
            f"K={number}": {} if number == 4 else {"num_subnets": number}
            for number in (1, 2, 4, 8)
        },
    )


def _stem(paper, seed, extra, is_first):
    yield from _variants(
        paper,
        seed,
        "stem",
        {"static": {}, "elastic": {"elastic_stem": True}},
    )


def _methods(paper, seed, extra, is_first):
    """Methods on the table of all subnets, at equal evaluations."""
    step = paper.search(paper.supernet(seed), f"all subnets seed {seed}").step

    def measure(runner):
        trials = list(_trials(runner, step, paper.space()))
        yield from search_comparison.compare(
            paper.space(), paper.costs_function(), trials, seed, _VALIDATION
        )

    yield Task(f"search methods seed {seed}", step, measure)
