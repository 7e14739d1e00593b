"""The trainings of a cross-validation, which may teach each other."""

import dataclasses
import pathlib
import re
from collections.abc import Iterable
from collections.abc import Sequence

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.stages import STAGES
from ofa_aec_tf.training.stages import stages_that

_FORM = re.compile(
    r"(?P<name>[^:+=]+):(?P<flagfile>[^:]+)"
    r"(:teacher=(?P<teachers>[^:=]+))?(:subnets=(?P<subnets>[^:]+))?"
)
_ENSEMBLE_FORM = re.compile(r"(?P<name>[^:+=]+):(?P<members>[^:]+)")
_MAY_LEARN = stages_that(takes_teacher=True, needs_initial=False)
_MUST_LEARN = stages_that(distills=True, is_supernet=False)
_ENDS = ("largest", "smallest")
# Models in such files may have been trained on the test fold.
_OTHER_MODELS = ("teacher", "stored_logits", "initial")
# These are harmless unless they name a file that a training has written.
_MAY_BE_OTHER_MODELS = ("initial_weights", "subnet")


@dataclasses.dataclass(frozen=True)
class Run:
    """A training that is repeated for each fold and seed.

    Args:
        name: str.
        flagfile: path of a flagfile of ofa_aec_tf.train.
        teachers: tuple of str. Names of the runs whose networks, of the same
            fold and seed, teach this one: by the mean of their scores.
        subnets: tuple of str. The subnets to cut out of a supernet, as
            `SearchSpace.parse` reads them; by default the largest and the
            smallest.
        stage: str. Read from the flagfile.

    Raises:
        ValueError: if the flagfile is missing, its stage takes no teacher or
            lacks one, or subnets are named although it trains no supernet.
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
        stages = stages_that(needs_initial=False)
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
        return STAGES[self.stage].is_supernet

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of what is measured: some subnets, or the one network."""
        if self.is_supernet:
            return tuple(f"{self.name} {subnet}" for subnet in self.subnets)
        return (self.name,)


def _is_of_ours(value) -> bool:
    """Whether a value names a model of this project, or its record."""
    return value.endswith(".json") or workdir.has_record(value)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks of one fold and seed whose mean scores are evaluated.

    Args:
        name: str.
        members: tuple of str. Rows of runs.
    """

    name: str
    members: tuple[str, ...]


def parse_runs(texts: Iterable[str]) -> list[Run]:
    """Parses runs.

    Args:
        texts: iterable of str, `NAME:FLAGFILE`, after it `:teacher=A+B` with
            names of earlier ones, and for a supernet `:subnets=S+T`.

    Returns:
        list of Run.

    Raises:
        ValueError: if a text has another form, a name is used twice, a teacher
            is not an earlier run or is a supernet, or Run refuses it.
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
    """Parses ensembles.

    Args:
        texts: iterable of str, `NAME:A+B`.
        runs: sequence of Run, whose rows may be members.

    Raises:
        ValueError: if a text has another form, a name is used twice, or a
            member is unknown or named twice.
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
