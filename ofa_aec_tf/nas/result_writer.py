"""Writes the results of a search, while it runs and when it has finished."""

import dataclasses
import pathlib
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import keras

from ofa_aec_tf.nas import html_report
from ofa_aec_tf.nas import plot
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import study
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.nas.subnet_costs import SubnetCosts
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

# The share of a search's time that writing unfinished results may take.
_WRITING_SHARE = 0.05


def check_writable(directory) -> None:
    """Refuses a working directory that results cannot be written to.

    Args:
        directory: path; it need not exist.

    Raises:
        ValueError: naming the first of the files that cannot be written.
    """
    for name in (
        report.TRIALS_TABLE,
        report.PARETO_REPORT,
        plot.PARETO_PLOT,
        html_report.HTML_REPORT,
        study.STUDY_DATABASE,
    ):
        workdir.check_writable(pathlib.Path(directory) / name)


@dataclasses.dataclass(frozen=True)
class Question:
    """What a search looks for, and among which subnets.

    Args:
        space: SearchSpace.
        budgets: sequence of Budget.
        objectives: Objectives.
        candidates: sequence of distinct Candidates.
        complete: bool. Whether they are the whole space.
    """

    space: SearchSpace
    budgets: Sequence[Budget]
    objectives: Objectives
    candidates: Sequence[Candidate]
    complete: bool


class ResultWriter:
    """Writes the trials of a search, its front and its reports.

    Args:
        directory: path of the working directory.
        title: str. Of the plot and the page.
        question: Question.
        costs_of: SubnetCosts.
        materialize: function from a Subnet to its trained keras.Model.
        split: str. The split that subnets are compared on.
        coverage: dict, as `metrics.coverage` returns it for that split.
        method: str. The search method.
        identity: dict of JSON types. What the trials depend on.
    """

    def __init__(
        self,
        directory,
        title: str,
        question: Question,
        costs_of: SubnetCosts,
        materialize: Callable[[Subnet], keras.Model],
        split: str,
        coverage: Mapping,
        method: str,
        identity: Mapping,
    ):
        self._directory = pathlib.Path(directory)
        self._title = title
        self._question = question
        self._costs_of = costs_of
        self._materialize = materialize
        self._split = split
        self._coverage = {
            name: value
            for name, value in coverage.items()
            if isinstance(value, int)
        }
        self._method = method
        self._identity = identity
        self._next_time = 0.0

    def write_now_and_then(self, shared: study.SearchStudy) -> None:
        """Writes unfinished results, unless that would take much of the time.

        Args:
            shared: SearchStudy.
        """
        start = time.monotonic()
        if start < self._next_time:
            return
        self.write_unfinished(shared.trials())
        end = time.monotonic()
        self._next_time = end + (end - start) / _WRITING_SHARE

    def write_unfinished(self, trials: Sequence[Trial]) -> None:
        """Writes all but the plot while more trials are to come."""
        if any(trial.failure is None for trial in trials):
            self._write(self._with_costs(trials), {}, is_finished=False)

    def write(self, trials: Sequence[Trial], further: Mapping) -> dict:
        """Writes everything, with budgets checked by the real files.

        Args:
            trials: sequence of Trial.
            further: dict of JSON types to add to the report.

        Returns:
            dict, the content of `pareto.json`.
        """
        trials = self._with_final_sizes(trials)
        results = self._write(trials, further, is_finished=True)
        plot.plot_search(
            self._directory / plot.PARETO_PLOT,
            trials,
            self._question.budgets,
            self._question.objectives,
            self._title,
        )
        return results

    def _with_costs(self, trials):
        # Earlier runs may have had other latencies and sizes, or none.
        return [
            dataclasses.replace(trial, costs=self._costs_of(trial.subnet))
            for trial in trials
        ]

    def _with_final_sizes(self, trials):
        """The trials, with real sizes of those that the budgets choose.

        A size that is larger than predicted may break a budget, which then
        chooses the next best trial, whose size has to be found out, too.
        """
        while True:
            trials = self._with_costs(trials)
            chosen = [
                report.best_trial(
                    trials, budget, self._question.objectives.quality
                )
                for budget in self._question.budgets
            ]
            unknown = {
                trial.subnet: None
                for trial in chosen
                if trial and not self._costs_of.has_final_size(trial.subnet)
            }
            if not unknown:
                return trials
            for subnet in unknown:
                self._costs_of.set_final_size(subnet, self._materialize(subnet))

    def _write(self, trials, further, is_finished):
        question = self._question
        results = report.pareto_report(
            trials,
            question.budgets,
            question.candidates,
            question.complete,
            self._split,
            question.objectives,
        )
        # `materialize` needs the identity: the same supernet and statistics.
        results |= {
            **self._coverage,
            "is_finished": is_finished,
            "method": self._method,
            "identity": self._identity,
            **further,
        }
        self._costs_of.add_sources(results)
        workdir.write_text(
            self._directory / report.TRIALS_TABLE,
            report.trials_table(
                trials, question.budgets, question.space, question.objectives
            ),
        )
        workdir.write_json(self._directory / report.PARETO_REPORT, results)
        html_report.write_report(
            self._directory / html_report.HTML_REPORT,
            results,
            trials,
            question.budgets,
            self._title,
            {
                "split": self._split,
                **self._coverage,
                "method": self._method,
                **self._identity,
                "versions": run_record.versions(),
            },
            results.get("predictor"),
        )
        return results
