"""What `search` writes, while it works and when it has finished."""

import dataclasses
import pathlib
import time

from ofa_aec_tf.nas import html_report
from ofa_aec_tf.nas import plot
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import study
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

# Of the time of a search, what writing its results may take.
_WRITING_SHARE = 0.05


def check_writable(directory) -> None:
    """Refuses a working directory that results could not be written to.

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


class SearchResults:
    """Writes the trials of a search, its front and its reports.

    Args:
        directory: path of the working directory.
        budgets: sequence of Budget.
        space: SearchSpace.
        objectives: Objectives.
        candidates: `(candidates, complete)`, as `list_candidates` returns.
        split: str. The split that subnets are compared on.
        coverage: dict, as `metrics.coverage` returns it for that split.
        costs_of: SearchCosts.
        settings: dict of JSON types, `method` and `identity`.
        title: str. Of the plot and the page.
    """

    def __init__(
        self,
        directory,
        budgets,
        space,
        objectives,
        candidates,
        split,
        coverage,
        costs_of,
        settings,
        title,
    ):
        self._directory = pathlib.Path(directory)
        self._budgets = budgets
        self._space = space
        self._objectives = objectives
        self._candidates = candidates
        self._split = split
        self._coverage = {
            name: value
            for name, value in coverage.items()
            if isinstance(value, int)
        }
        self._costs_of = costs_of
        self._settings = settings
        self._title = title
        self._next_time = 0.0

    def write_now_and_then(self, shared) -> None:
        """Writes what there is, as often as it takes little of the time.

        Args:
            shared: SearchStudy.
        """
        start = time.monotonic()
        if start < self._next_time:
            return
        self.write_unfinished(shared.trials())
        end = time.monotonic()
        self._next_time = end + (end - start) / _WRITING_SHARE

    def write_unfinished(self, trials) -> None:
        """Writes all but the plot, for trials of which more are to come."""
        if any(trial.failure is None for trial in trials):
            self._write(trials, {}, is_finished=False)

    def write(self, trials, further) -> dict:
        """Writes everything.

        Args:
            trials: list of Trial.
            further: dict of JSON types. More for the report.

        Returns:
            dict, the content of `pareto.json`.
        """
        results, trials = self._write(trials, further, is_finished=True)
        plot.plot_search(
            self._directory / plot.PARETO_PLOT,
            trials,
            self._budgets,
            self._objectives,
            self._title,
        )
        return results

    def _write(self, trials, further, is_finished):
        # Earlier runs may have had other latencies, or none.
        trials = [
            dataclasses.replace(trial, costs=self._costs_of(trial.subnet))
            for trial in trials
        ]
        results = report.pareto_report(
            trials,
            self._budgets,
            *self._candidates,
            self._split,
            self._objectives,
        )
        # The settings are for whoever cuts out the subnets: the same supernet
        # and statistics.
        results |= {
            **self._coverage,
            "is_finished": is_finished,
            **self._settings,
            **further,
        }
        self._costs_of.add_latencies(results)
        workdir.write_text(
            self._directory / report.TRIALS_TABLE,
            report.trials_table(
                trials, self._budgets, self._space, self._objectives
            ),
        )
        workdir.write_json(self._directory / report.PARETO_REPORT, results)
        measured = {
            "split": self._split,
            **self._coverage,
            "method": self._settings["method"],
            **self._settings["identity"],
            "versions": run_record.versions(),
        }
        html_report.write_report(
            self._directory / html_report.HTML_REPORT,
            results,
            trials,
            self._budgets,
            self._title,
            measured,
            results.get("predictor"),
        )
        return results, trials
