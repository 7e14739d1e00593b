"""The trials of a search, in a database that survives a killed run."""

import dataclasses
import pathlib
from collections.abc import Mapping

import optuna

from ofa_aec_tf.nas import pareto
from ofa_aec_tf.search_space import SearchSpace
from ofa_aec_tf.search_space import Subnet

STUDY_DATABASE = "study.db"
OBJECTIVE = "mAP"
_STUDY_NAME = "search"


@dataclasses.dataclass(frozen=True)
class Trial:
    """The evaluation of one subnet.

    Args:
        subnet: Subnet.
        costs: dict of numbers, as in Candidate.
        metrics: dict of JSON types with `mAP`; None if the trial failed.
        failure: str. Why it failed; None if it did not.
    """

    subnet: Subnet
    costs: Mapping[str, int | float]
    metrics: Mapping[str, float | None] | None
    failure: str | None = None

    def point(self, cost_names) -> pareto.Point:
        """This trial among others with regard to some of the costs."""
        return pareto.Point(
            self.metrics[OBJECTIVE],
            tuple(self.costs[name] for name in cost_names),
        )

    def to_json(self) -> dict:
        """A trial that did not fail, as a dict of JSON types."""
        return {
            "subnet": dict(self.subnet),
            "costs": dict(self.costs),
            "metrics": dict(self.metrics),
        }


class SearchStudy:
    """The trials of one supernet on one data set.

    A trial is written whole and when it has finished, so that a killed run
    leaves nothing half done.

    Args:
        workdir: path of a directory. Holds the database, and is created.
        space: SearchSpace of the supernet.
        identity: dict of JSON types. What the results depend on: supernet,
            data, calibration. Trials of another identity don't compare.

    Raises:
        ValueError: if `workdir` holds a study with another identity.
    """

    def __init__(
        self,
        workdir,
        space: SearchSpace,
        identity: Mapping[str, str | int],
    ):
        self._space = space
        self._distributions = {
            decision.name: optuna.distributions.CategoricalDistribution(
                decision.choices
            )
            for decision in space.decisions
        }
        path = pathlib.Path(workdir) / STUDY_DATABASE
        path.parent.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name=_STUDY_NAME,
            direction="maximize",
            load_if_exists=True,
        )
        stored = self._study.user_attrs.get("identity")
        if stored is None:
            self._study.set_user_attr("identity", dict(identity))
        elif stored != dict(identity):
            differing = sorted(
                key
                for key in set(stored) | set(identity)
                if stored.get(key) != identity.get(key)
            )
            raise ValueError(
                f"{path} has trials of another search: expected "
                f"{ {key: stored.get(key) for key in differing} }. Received: "
                f"{ {key: identity.get(key) for key in differing} }. Use "
                "another --workdir, or the values that the study began with."
            )

    def trials(self) -> list[Trial]:
        """All trials so far, failed ones too, in the order of evaluation."""
        return [
            Trial(
                self._space.subnet(trial.params),
                trial.user_attrs["costs"],
                trial.user_attrs.get("metrics"),
                trial.user_attrs.get("failure"),
            )
            for trial in self._study.get_trials(deepcopy=False)
        ]

    def add(self, trial: Trial) -> None:
        """Stores a finished trial.

        Args:
            trial: Trial of a subnet that has none yet.
        """
        attributes = {"costs": dict(trial.costs)}
        if trial.failure is None:
            state = optuna.trial.TrialState.COMPLETE
            value = trial.metrics[OBJECTIVE]
            attributes["metrics"] = dict(trial.metrics)
        else:
            state, value = optuna.trial.TrialState.FAIL, None
            attributes["failure"] = trial.failure
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value,
                params=dict(trial.subnet),
                distributions={
                    name: self._distributions[name] for name in trial.subnet
                },
                user_attrs=attributes,
            )
        )
