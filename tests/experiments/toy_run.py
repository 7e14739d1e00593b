"""A run of steps that take a moment each, for tests that kill it.

Its argument is the working directory. It writes `report.json` with the names of
the steps that are measured, again after each.
"""

import json
import pathlib
import sys

from ofa_aec_tf.experiments import tasks
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.tasks import Task
from ofa_aec_tf.runs import workdir
from tests.experiments.steps_test import make_step

SECONDS = 0.5


def planned(directory):
    """Two chains of three steps, of which each is measured."""
    data = Data(directory / "data", "abc")
    found = []
    for chain in "ab":
        needed = []
        for number in range(3):
            name = f"{chain}{number}"
            step = make_step(
                name, *needed, data=data, settings=(("seconds", str(SECONDS)),)
            )
            needed = [step]
            found.append(Task(name, step, lambda r, s=step: [_note(r, s)]))
    return found


def _note(runner, step):
    note = json.loads(runner.path(Output(step, "note.json")).read_text())
    return note["name"]


def main(directory):
    """Runs what is planned, two steps at a time."""

    def report(measured):
        workdir.write_json(directory / "report.json", measured)

    tasks.measure_all(planned(directory), StepRunner(directory, 2), report)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
