"""A cross-validation: trainings that may teach each other, fold by fold."""

import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.experiments import measuring
from ofa_aec_tf.experiments.measuring import Cell
from ofa_aec_tf.experiments.reports.fold_results import FoldResult
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.stages import STAGES

_FORM = re.compile(
    r"(?P<name>[^:+=]+):(?P<flagfile>[^:]+)"
    r"(:teacher=(?P<teachers>[^:=]+))?(:subnets=(?P<subnets>[^:]+))?"
)
_ENSEMBLE_FORM = re.compile(r"(?P<name>[^:+=]+):(?P<members>[^:]+)")
_SUPERNET, _FINETUNE = "supernet", "finetune"
_MAY_LEARN, _MUST_LEARN = ("kd", _SUPERNET), ("kd",)
_ENDS = ("largest", "smallest")
_SUBNET = "subnet.keras"
# Such files may be of other folds, and have heard what tests.
_OTHER_MODELS = ("teacher", "stored_logits", "initial")
# What they take is harmless, but for a file that some training left.
_MAY_BE_OTHER_MODELS = ("initial_weights", "subnet")
_DIGEST_CHARACTERS = 8


@dataclasses.dataclass(frozen=True)
class Run:
    """A training, done for each fold and each seed.

    Args:
        name: str.
        flagfile: path of a flagfile of ofa_aec_tf.train.
        teachers: tuple of str. Runs whose networks of the same fold and seed
            teach; from the mean of their scores, where they are several.
        subnets: tuple of str. What is cut out of a supernet, as
            `SearchSpace.parse` reads it; by default its ends.
        stage: str. Of the flagfile.

    Raises:
        ValueError: if there is no such flagfile, its stage has no teacher or
            needs one, or subnets are named of what is no supernet.
    """

    name: str
    flagfile: pathlib.Path
    teachers: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    stage: str | None = dataclasses.field(init=False, default=None)

    def __post_init__(self):
        for text in flagfiles.read(self.flagfile):
            flag, _, value = text.lstrip("-").partition("=")
            if flag == "stage":
                object.__setattr__(self, "stage", value)
            if flag in _OTHER_MODELS or (
                flag in _MAY_BE_OTHER_MODELS and _is_of_ours(value)
            ):
                raise ValueError(
                    f"{self.flagfile} must not have --{flag}: a model from "
                    "elsewhere may have heard the clips that test. Name an "
                    "earlier run with :teacher=NAME."
                )
        stage = self.stage
        stages = [name for name in STAGES if name != _FINETUNE]
        if stage not in stages:
            raise ValueError(
                f"{self.flagfile} must have a --stage of {', '.join(stages)}. "
                f"Received: {stage}"
            )
        if self.teachers and stage not in _MAY_LEARN:
            raise ValueError(
                f"{self.name!r} has teachers, which are for --stage="
                f"{'|'.join(_MAY_LEARN)}. Received: --stage={stage} in "
                f"{self.flagfile}"
            )
        if stage in _MUST_LEARN and not self.teachers:
            raise ValueError(
                f"{self.name!r} needs :teacher=NAME, an earlier run, because "
                f"{self.flagfile} has --stage={stage}."
            )
        if self.subnets and not self.is_supernet:
            raise ValueError(
                f"{self.name!r} names subnets, which a supernet has. Received: "
                f"--stage={stage} in {self.flagfile}"
            )
        if len(set(self.subnets)) < len(self.subnets):
            raise ValueError(
                f"Name each subnet of {self.name!r} once. Received: "
                f"{'+'.join(self.subnets)}"
            )
        if self.is_supernet and not self.subnets:
            object.__setattr__(self, "subnets", _ENDS)

    @property
    def is_supernet(self) -> bool:
        """Whether it trains many networks at once."""
        return self.stage == _SUPERNET

    @property
    def model_name(self) -> str:
        """What its model is called in its directory."""
        return STAGES[self.stage].file_name

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of what is measured: some subnets, or the one network."""
        if self.is_supernet:
            return tuple(f"{self.name} {subnet}" for subnet in self.subnets)
        return (self.name,)


def _is_of_ours(value) -> bool:
    """Whether it names a model of this project, or the record of one."""
    return value.endswith(".json") or workdir.has_record(value)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks of one fold and seed, of whose scores the mean is evaluated.

    Args:
        name: str.
        members: tuple of str, of the rows of runs.
    """

    name: str
    members: tuple[str, ...]


def parse_runs(texts: Iterable[str]) -> list[Run]:
    """Runs in their order.

    Args:
        texts: iterable of str, `NAME:FLAGFILE`, after it `:teacher=A+B` with
            names of earlier ones, and for a supernet `:subnets=S+T`.

    Returns:
        list of Run.

    Raises:
        ValueError: if one is written otherwise, a name is there twice, a
            teacher is no earlier run or is a supernet, or as in Run.
    """
    runs: dict[str, Run] = {}
    rows: set[str] = set()
    for text in texts:
        match = _FORM.fullmatch(text)
        if match is None or not text.isprintable():
            raise ValueError(
                "A --run is written NAME:FLAGFILE, with :teacher=A+B and "
                f":subnets=S+T after it where it has them. Received: {text!r}"
            )
        teachers, subnets = match["teachers"], match["subnets"]
        run = Run(
            match["name"],
            pathlib.Path(match["flagfile"]),
            tuple(teachers.split("+")) if teachers else (),
            tuple(subnets.split("+")) if subnets else (),
        )
        if not rows.isdisjoint(run.rows):
            raise ValueError(
                "Each --run needs a name of its own. Received twice: "
                f"{', '.join(rows.intersection(run.rows))}"
            )
        for teacher in run.teachers:
            if teacher not in runs:
                raise ValueError(
                    f"Teachers of {run.name!r} are earlier runs, of "
                    f"{list(runs)}. Received: {teacher!r}"
                )
            if runs[teacher].is_supernet:
                raise ValueError(
                    f"A supernet cannot teach. Received: {teacher!r} as the "
                    f"teacher of {run.name!r}"
                )
        if len(set(run.teachers)) < len(run.teachers):
            raise ValueError(
                f"Name each teacher of {run.name!r} once. Received: "
                f"{'+'.join(run.teachers)}"
            )
        runs[run.name] = run
        rows.update(run.rows)
    if not runs:
        raise ValueError("Give a --run for each training.")
    return list(runs.values())


def parse_ensembles(
    texts: Iterable[str], runs: Sequence[Run]
) -> list[Ensemble]:
    """Ensembles in their order.

    Args:
        texts: iterable of str, `NAME:A+B`.
        runs: sequence of Run. Their rows are the members.

    Raises:
        ValueError: if one is written otherwise, a name is there already, or a
            member is unknown, or there twice.
    """
    rows = [row for run in runs for row in run.rows]
    ensembles: dict[str, Ensemble] = {}
    for text in texts:
        match = _ENSEMBLE_FORM.fullmatch(text)
        members = tuple(match["members"].split("+")) if match else ()
        if not text.isprintable() or len(members) < 2:
            raise ValueError(
                f"An --ensemble is written NAME:A+B. Received: {text!r}"
            )
        if set(members) - set(rows) or len(set(members)) < len(members):
            raise ValueError(
                f"Members of {match['name']!r} are some of {rows}, each once. "
                f"Received: {'+'.join(members)}"
            )
        if match["name"] in (*rows, *ensembles):
            raise ValueError(
                "Each --ensemble needs a name of its own. Received twice: "
                f"{match['name']}"
            )
        ensembles[match["name"]] = Ensemble(match["name"], members)
    return list(ensembles.values())


def cells(
    runs: Sequence[Run],
    ensembles: Sequence[Ensemble],
    folds: Sequence[int],
    seeds: Sequence[int],
) -> Iterator[tuple[int, Cell]]:
    """What to measure: all runs of a fold, all folds of a seed, then others.

    Args:
        runs: sequence of Run, as `parse_runs` returns them.
        ensembles: sequence of Ensemble, of them.
        folds: sequence of int.
        seeds: sequence of int.

    Yields:
        Tuples of a fold and of a Cell on the data of which it is the test.
    """
    for seed in seeds:
        for fold in folds:
            where = f"fold {fold} seed {seed}"
            trained: dict[str, Output] = {}
            networks: dict[str, Output] = {}
            for run in runs:
                trained[run.name] = _trained(run, trained, seed, where)
                networks |= zip(
                    run.rows, _networks(run, trained[run.name], where)
                )
                models = {row: networks[row] for row in run.rows}
                yield fold, _cell(run, models, fold, seed, where)
            for ensemble in ensembles:
                members = [networks[name] for name in ensemble.members]
                yield (
                    fold,
                    _ensemble_cell(ensemble, members, fold, seed, where),
                )


def _trained(run, trained, seed, where) -> Output:
    teachers = tuple(trained[name] for name in run.teachers)
    step = Step(
        f"{run.name} {where}",
        "ofa_aec_tf.train",
        run.flagfile,
        (
            *((("teacher", teachers),) if teachers else ()),
            ("seed", str(seed)),
        ),
    )
    return Output(step, run.model_name)


def _networks(run, model, where) -> list[Output]:
    """The plain networks of a run."""
    if not run.is_supernet:
        return [model]
    return [
        Output(
            Step(
                f"{name} {where}",
                "ofa_aec_tf.materialize",
                None,
                (("supernet", model), ("subnet", subnet)),
            ),
            _SUBNET,
        )
        for name, subnet in zip(run.rows, run.subnets)
    ]


def _cell(run, models, fold, seed, where) -> Cell:
    title = f"{run.name} {where}"
    step = measuring.evaluation(list(models.values()), title)

    def measure(runner):
        for name, model in models.items():
            details, costs, metrics = measuring.evaluated(runner, step, model)
            yield FoldResult(
                name,
                run.teachers,
                _network(details),
                fold,
                seed,
                costs,
                metrics,
            )

    return Cell(title, step, measure)


def _ensemble_cell(ensemble, members, fold, seed, where) -> Cell:
    title = f"{ensemble.name} {where}"
    step = measuring.evaluation(members, title, ensemble=True)

    def measure(runner):
        records = [measuring.recorded(runner, member) for member in members]
        yield FoldResult(
            ensemble.name,
            (),
            " + ".join(sorted(_network(details) for details, _ in records)),
            fold,
            seed,
            {
                name: sum(costs[name] for _, costs in records)
                for name in measuring.COSTS
            },
            measuring.ensemble_metrics(runner, step),
        )

    return Cell(title, step, measure)


def _network(details) -> str:
    """What tells an architecture from others, from the record of a model."""
    family = dict(details["family"])
    # Which loss it was trained with.
    family.pop("score_activation", None)
    # Subnets of several spaces may be one network: the same layers cost the
    # same, and others hardly ever do.
    content = json.dumps(
        details["complexity"] if details["subnet"] else family, sort_keys=True
    )
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"{family['name']} {digest[:_DIGEST_CHARACTERS]}"
