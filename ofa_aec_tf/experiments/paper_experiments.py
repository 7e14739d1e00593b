"""The experiments of the paper, as tasks.

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
# The experiments behind the paper's claims come first.
_CLAIMS = ("table1", "figure3", "figure4", "table2", "equal_steps")
_ABLATIONS = ("calibration", "sampling", "subnets_per_step", "stem", "methods")
# The variants of each ablation, as flags of `train` in addition to those of
# supernet.cfg.
_VARIANTS = {
    "sampling": {"uniform": {}, "sandwich": {"sampling_rule": "sandwich"}},
    "subnets_per_step": {
        "K=1": {"num_subnets": 1},
        "K=2": {"num_subnets": 2},
        "K=4": {},
        "K=8": {"num_subnets": 8},
    },
    "stem": {"static": {}, "elastic": {"elastic_stem": True}},
}


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
        seeds: sequence of int. For the experiments behind the claims.
        ablation_seeds: sequence of int. For the rest.
    """
    for names, own_seeds in ((_CLAIMS, seeds), (_ABLATIONS, ablation_seeds)):
        for name in names:
            if name not in experiments:
                continue
            for seed in own_seeds:
                yield from _SeededExperiment(
                    paper,
                    name,
                    seed,
                    # Search spaces that no claim is about need fewer seeds.
                    has_all_spaces=seed in ablation_seeds,
                    # There is one teacher for all seeds.
                    has_teacher=seed == own_seeds[0],
                ).tasks()


class _SeededExperiment:
    """One experiment with one seed.

    Args:
        paper: PaperSteps.
        experiment: str.
        seed: int.
        has_all_spaces: bool. Whether to compare all search spaces, or only
            those that the claims are about.
        has_teacher: bool. Whether to measure the teacher too.
    """

    def __init__(self, paper, experiment, seed, has_all_spaces, has_teacher):
        self._paper = paper
        self._experiment = experiment
        self._seed = seed
        self._has_all_spaces = has_all_spaces
        self._has_teacher = has_teacher

    def tasks(self) -> Iterator[Task]:
        """What to measure."""
        if self._experiment in _VARIANTS:
            return self._found_by(_VARIANTS[self._experiment])
        make = {
            "table1": self._table1,
            "figure3": lambda: self._found_by(self._spaces()),
            "figure4": self._figure4,
            "table2": self._table2,
            "equal_steps": self._equal_steps,
            "calibration": self._calibration,
            "methods": self._methods,
        }
        return make[self._experiment]()

    def _title(self, *words):
        return " ".join((*words, f"seed {self._seed}"))

    def _measurement(self, series, budget, split, subnet=None, **values):
        return Measurement(
            self._experiment,
            series,
            budget,
            self._seed,
            subnet=subnet,
            split=split,
            **values,
        )

    def _tested(self, title, rows) -> Iterator[Task]:
        """Models on the test split: rows of (series, budget, Output)."""
        step = steps.evaluation(
            f"evaluation {title}", [model for _, _, model in rows]
        )

        def measure(runner):
            for series, budget, model in rows:
                details, costs, metrics = tasks_lib.evaluated(
                    runner, step, model
                )
                yield self._measurement(
                    series,
                    budget,
                    _TEST,
                    details.get("subnet"),
                    costs=costs,
                    metrics=metrics,
                )

        yield Task(title, step, measure)

    def _found_by(self, variants) -> Iterator[Task]:
        """The best subnet for each budget, of several supernets."""
        for series, variant in variants.items():
            found = self._paper.found(self._seed, **variant)
            rows = [(series, budget, model) for budget, model in found.items()]
            yield from self._tested(self._title(self._experiment, series), rows)

    def _spaces(self) -> dict[str, dict]:
        """Search spaces by name: all, or those that the claims are about."""
        return {
            # The main space is what supernet.cfg has.
            name: {} if name == paper_steps.MAIN_SPACE else variant
            for name, variant in paper_steps.SPACES.items()
            if self._has_all_spaces
            or name in (paper_steps.MAIN_SPACE, "[X,X,X]")
        }

    def _table1(self):
        paper, seed = self._paper, self._seed
        rows = []
        if self._has_teacher:
            rows.append((measurements.TEACHER, "", paper.teacher()))
        for budget, model in paper.found(seed).items():
            if budget in paper.baselines:
                rows += [
                    (series, budget, paper.baseline(stage, budget, seed))
                    for series, stage in _BASELINE_STAGES
                ]
            rows.append((measurements.OFA, budget, model))
        return self._tested(self._title("table 1"), rows)

    def _table2(self):
        paper, seed = self._paper, self._seed
        rows = []
        for budget, model in paper.found(seed).items():
            title = self._title(budget)
            short, long = (
                paper.finetuned(model, length, title, seed)
                for length in (paper_steps.SHORT, paper_steps.LONG)
            )
            rows += [
                (measurements.OFA, budget, model),
                (measurements.OFA_SHORT, budget, short),
                (measurements.OFA_LONG, budget, long),
                (
                    measurements.INIT_LONG,
                    budget,
                    paper.retrained(model, title, seed),
                ),
            ]
        return self._tested(self._title("table 2"), rows)

    def _equal_steps(self):
        """The baselines of the smallest budget, trained longer.

        In the paper the supernet, which serves all budgets, is trained for
        three times as many steps as a baseline. Here the baselines get as many
        steps as the supernet, and the better one also as many as the supernet
        and long fine-tuning together.
        """
        paper, seed = self._paper, self._seed
        models = paper.found(seed)
        budget = next((b for b in models if b in paper.baselines), None)
        if budget is None:
            return
        finetuned = paper.finetuned(
            models[budget], paper_steps.LONG, self._title(budget), seed
        )
        rows = [
            (measurements.OFA, budget, models[budget]),
            (measurements.OFA_LONG, budget, finetuned),
        ]
        of_supernet = paper.num_steps("supernet")
        longest = of_supernet + paper.num_steps(f"finetune_{paper_steps.LONG}")
        for series, stage in _BASELINE_STAGES:
            own = paper.num_steps(stage)
            more = [longest] if stage == "kd" else []
            for number in dict.fromkeys((own, of_supernet, *more)):
                flags = {} if number == own else {"num_steps": number}
                model = paper.baseline(stage, budget, seed, **flags)
                rows.append((f"{series}, {number} steps", budget, model))
        yield from self._tested(self._title("equal steps"), rows)

    def _trials(self, runner, step, **variant) -> list[dict]:
        """The successful trials of a search."""
        return list(
            report.read_trials_table(
                runner.path(Output(step, report.TRIALS_TABLE)),
                self._paper.space(**variant),
                tasks_lib.COSTS,
                tasks_lib.METRICS,
            )
        )

    def _figure4(self):
        """All subnets within each budget, in each search space."""
        for name, variant in self._spaces().items():
            step = self._paper.searched(self._seed, **variant).step

            def measure(runner, step=step, name=name, variant=variant):
                for trial in self._trials(runner, step, **variant):
                    for budget in trial.pop("budgets"):
                        yield self._measurement(
                            name, budget, _VALIDATION, **trial
                        )

            yield Task(self._title("subnets of", name), step, measure)

    def _calibration(self):
        """The mean over a budget's subnets, with and without own statistics.

        It is over all subnets because the one that was found was chosen by
        its score with its own statistics.
        """
        own = self._paper.searched(self._seed)
        shared = self._paper.search(
            self._paper.supernet(self._seed),
            self._title("without calibration"),
            budget=self._paper.feasible_budgets(),
            calibration="largest",
        )
        for series, search in (("calibrated", own), ("shared", shared)):

            def measure(runner, series=series, step=search.step):
                by_budget: dict[str, list] = {}
                for trial in self._trials(runner, step):
                    for budget in trial["budgets"]:
                        by_budget.setdefault(budget, []).append(trial)
                for budget, trials in by_budget.items():
                    yield self._measurement(
                        series,
                        budget,
                        _VALIDATION,
                        costs=_means([t["costs"] for t in trials]),
                        metrics=_means([t["metrics"] for t in trials]),
                    )

            yield Task(self._title(series, "statistics"), search.step, measure)

    def _methods(self):
        """Search methods, given the scores of all subnets."""
        paper = self._paper
        step = paper.search(
            paper.supernet(self._seed), self._title("all subnets")
        ).step

        def measure(runner):
            yield from search_comparison.compare(
                paper.space(),
                paper.costs_function(),
                self._trials(runner, step),
                self._seed,
                _VALIDATION,
            )

        yield Task(self._title("search methods"), step, measure)


def _means(rows) -> dict[str, float]:
    """The means of dicts of numbers, key by key."""
    return {
        name: statistics.fmean(row[name] for row in rows) for name in rows[0]
    }
