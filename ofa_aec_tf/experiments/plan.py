"""The steps of the paper's experiments, from the settings of a reproduction."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.report import PARETO_REPORT
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.training.stages import STAGES

MAIN_SPACE = "[2,2,X]"
# Names of the paper; the last has a ratio more, so that it has small subnets.
SPACES = {
    MAIN_SPACE: {"depth_pattern": "22X"},
    "[2,X,X]": {"depth_pattern": "2XX"},
    "[X,X,X]": {"depth_pattern": "XXX"},
    "EW-only": {
        "depth_pattern": "222",
        "width_ratios": "0.2,0.4,0.6,0.8,1.0",
    },
}
SHORT, LONG = "short", "long"
_TEACHER, _SUPERNET, _SUBNET = (
    STAGES[stage].file_name for stage in ("teacher", "supernet", "kd")
)
_SUBNET_RECORD = "subnet.json"
_BASELINE_DEPTHS = "XXX"
# What a family is made of, among the flags of `train`.
_FAMILY_FLAGS = {
    "channels": lambda text: tuple(map(int, text.split(","))),
    "hidden_units": int,
    "width_ratios": lambda text: tuple(map(float, text.split(","))),
    "depth_pattern": str,
    "elastic_stem": lambda text: text.lower() in ("", "true", "1"),
    "width_granularity": str,
    "channel_multiple": int,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a reproduction is made with.

    Args:
        flags_dir: path of the flagfiles of the stages: teacher.cfg,
            supernet.cfg, scratch.cfg, kd.cfg, finetune_short.cfg,
            finetune_long.cfg and search.cfg.
        budgets: sequence of Budget.
        baselines: dict from names of some budgets to the width ratio and the
            depth of the uniform networks that are trained alone for them.
        num_classes: int. Of the data.
        num_frames: int. Of the data.
        num_mel_bins: int. Of the data.
    """

    flags_dir: pathlib.Path
    budgets: Sequence[Budget]
    baselines: Mapping[str, tuple[float, int]]
    num_classes: int
    num_frames: int
    num_mel_bins: int


class Plan:
    """Steps by what they are for; equal ones are one step.

    Args:
        settings: Settings.
    """

    def __init__(self, settings: Settings):
        self.settings = settings

    def _flagfile(self, name) -> pathlib.Path:
        return self.settings.flags_dir / f"{name}.cfg"

    def family(self, **variant) -> Cnn10Family:
        """The family of a supernet.

        Args:
            variant: flags of `train` beside those of supernet.cfg.
        """
        values = {
            "num_classes": self.settings.num_classes,
            "num_mel_bins": self.settings.num_mel_bins,
        }
        texts = [
            *flagfiles.read(self._flagfile("supernet")),
            *(f"--{name}={value}" for name, value in variant.items()),
        ]
        for text in texts:
            name, _, value = text.lstrip("-").partition("=")
            if name in _FAMILY_FLAGS:
                values[name] = _FAMILY_FLAGS[name](value)
        return Cnn10Family(**values)

    def space(self, **variant) -> SearchSpace:
        """The search space of a supernet."""
        return self.family(**variant).search_space()

    def costs_function(self, **variant):
        """Function from a subnet of a supernet to its costs by name."""
        family = self.family(**variant)

        def costs_of(subnet):
            return family.complexity(subnet, self.settings.num_frames).to_json()

        return costs_of

    def feasible_budgets(self, **variant) -> list[Budget]:
        """The budgets that some subnet of a supernet keeps.

        Args:
            variant: as for `family`.
        """
        costs_of = self.costs_function(**variant)
        costs = [costs_of(s) for s in self.space(**variant).enumerate()]
        return [
            budget
            for budget in self.settings.budgets
            if any(map(budget.feasible, costs))
        ]

    def teacher(self) -> Output:
        """The teacher, one for all seeds."""
        step = Step(
            "teacher", "ofa_aec_tf.train", self._flagfile("teacher"), ()
        )
        return Output(step, _TEACHER)

    def supernet(self, seed: int, **variant) -> Output:
        """A supernet that the teacher has taught."""
        step = Step(
            f"supernet {_words(variant)} seed {seed}",
            "ofa_aec_tf.train",
            self._flagfile("supernet"),
            (
                ("teacher", self.teacher()),
                ("seed", str(seed)),
                *_arguments(variant),
            ),
        )
        return Output(step, _SUPERNET)

    def search(self, supernet: Output, title: str, **flags) -> Step:
        """The evaluation of a supernet's subnets on the validation split.

        Args:
            supernet: Output.
            title: str. Which supernet it is.
            flags: further flags of `search`; `budget` is a tuple of Budget.
        """
        budgets = flags.pop("budget", ())
        return Step(
            f"search {title}",
            "ofa_aec_tf.search",
            self._flagfile("search"),
            (
                ("supernet", supernet),
                *(("budget", str(budget)) for budget in budgets),
                *_arguments(flags),
            ),
        )

    def found(self, seed: int, **variant) -> dict[str, Output]:
        """The subnets that a supernet has for the budgets, cut out.

        Args:
            seed: int.
            variant: as for `supernet`.

        Returns:
            dict from names of budgets to the models.
        """
        search = self.searched(seed, **variant)
        step = Step(
            search.title.replace("search", "subnets", 1),
            "ofa_aec_tf.materialize",
            None,
            (
                ("supernet", self.supernet(seed, **variant)),
                ("pareto", Output(search, PARETO_REPORT)),
            ),
        )
        return {
            budget.name: Output(step, f"{budget.name}/{_SUBNET}")
            for budget in self.feasible_budgets(**variant)
        }

    def searched(self, seed: int, **variant) -> Step:
        """The search that `found` takes its subnets from."""
        return self.search(
            self.supernet(seed, **variant),
            f"{_words(variant)} seed {seed}",
            budget=tuple(self.feasible_budgets(**variant)),
        )

    def num_steps(self, stage: str) -> int:
        """Training steps of a stage, as its flagfile has them."""
        texts = flagfiles.read(self._flagfile(stage))
        values = [
            text.partition("=")[2]
            for text in texts
            if text.lstrip("-").startswith("num_steps=")
        ]
        if not values:
            raise ValueError(
                f"{self._flagfile(stage)} must say --num_steps, with which "
                "other stages are compared."
            )
        return int(values[-1])

    def baseline(self, stage: str, budget: str, seed: int, **variant) -> Output:
        """The uniform architecture of a budget, trained alone.

        It may have one layer in any block, as in the paper, whatever the
        main space allows.

        Args:
            stage: `"scratch"` or `"kd"`.
            budget: str. Name of the budget.
            seed: int.
            variant: flags of `train` beside those of the stage.
        """
        return self._alone(
            stage,
            " ".join(
                [stage, budget, *map(str, variant.values()), f"seed {seed}"]
            ),
            json.dumps(self._uniform(*self.settings.baselines[budget])),
            seed,
            depth_pattern=_BASELINE_DEPTHS,
            **variant,
        )

    def _uniform(self, width, depth) -> dict:
        space = self.space(depth_pattern=_BASELINE_DEPTHS)
        return dict(
            space.subnet(
                {
                    decision.name: depth
                    if decision.name.endswith("_depth")
                    else width
                    for decision in space.decisions
                }
            )
        )

    def retrained(self, subnet: Output, title: str, seed: int) -> Output:
        """The architecture of a subnet, distilled from new weights."""
        record = subnet.name.replace(_SUBNET, _SUBNET_RECORD)
        return self._alone(
            "kd", f"retrained {title}", Output(subnet.step, record), seed
        )

    def _alone(self, stage, title, subnet, seed, **variant) -> Output:
        teacher = (("teacher", self.teacher()),) if stage == "kd" else ()
        step = Step(
            title,
            "ofa_aec_tf.train",
            self._flagfile(stage),
            (
                *teacher,
                ("subnet", subnet),
                ("seed", str(seed)),
                *_arguments(variant),
            ),
        )
        return Output(step, _SUBNET)

    def finetuned(
        self, subnet: Output, length: str, title: str, seed: int
    ) -> Output:
        """A subnet that is trained further by distillation.

        Args:
            subnet: Output.
            length: `SHORT` or `LONG`.
            title: str. Which subnet it is.
            seed: int.
        """
        step = Step(
            f"finetune {length} {title}",
            "ofa_aec_tf.train",
            self._flagfile(f"finetune_{length}"),
            (
                ("teacher", self.teacher()),
                ("initial", subnet),
                ("seed", str(seed)),
            ),
        )
        return Output(step, _SUBNET)


def _arguments(flags) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in flags.items())


def _words(variant) -> str:
    return " ".join(f"{n} {v}" for n, v in variant.items()) or "main"
