"""The steps of the paper's experiments."""

import json
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.checks import settings
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.report import PARETO_REPORT
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.training.stages import STAGES

MAIN_SPACE = "[2,2,X]"
# Search spaces as the paper calls them. Without a further ratio the last would
# have no small subnets.
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
_BASELINE_DEPTHS = "XXX"


class PaperSteps:
    """The steps of one reproduction. Equal steps run once.

    Args:
        flags_dir: path of the flagfiles of the stages: teacher.cfg,
            supernet.cfg, scratch.cfg, kd.cfg, finetune_short.cfg,
            finetune_long.cfg and search.cfg.
        budgets: sequence of Budget.
        baselines: dict from names of some budgets to the width ratio and the
            depth of the uniform networks that are trained alone for them.
        data: Data that all steps read.
        shape: tuple of int: the classes of these data, and the frames and the
            mel bands of a clip.
    """

    def __init__(
        self,
        flags_dir: pathlib.Path,
        budgets: Sequence[Budget],
        baselines: Mapping[str, tuple[float, int]],
        data: Data,
        shape: tuple[int, int, int],
    ):
        self.baselines = baselines
        self._flags_dir = flags_dir
        self._budgets = budgets
        self._data = data
        self._num_classes, self._num_frames, self._num_mel_bins = shape

    def _flagfile(self, name) -> pathlib.Path:
        return self._flags_dir / f"{name}.cfg"

    def family(self, **variant) -> Family:
        """The family of a supernet.

        Args:
            variant: flags of `train` in addition to those of supernet.cfg.
        """
        texts = dict(
            text.lstrip("-").partition("=")[::2]
            for text in flagfiles.read(self._flagfile("supernet"))
        )
        texts |= {name: str(value) for name, value in variant.items()}
        family = registry.family_class(texts.get("network"))
        return family(
            num_classes=self._num_classes,
            num_mel_bins=self._num_mel_bins,
            **settings.read(family, texts),
        )

    def space(self, **variant) -> SearchSpace:
        """The search space of a supernet."""
        return self.family(**variant).search_space()

    def costs_function(self, **variant):
        """A function from a subnet of a supernet to its costs by name."""
        family = self.family(**variant)

        def costs_of(subnet):
            return family.complexity(subnet, self._num_frames).to_json()

        return costs_of

    def feasible_budgets(self, **variant) -> list[Budget]:
        """The budgets that at least one subnet of a supernet meets.

        Args:
            variant: as for `family`.
        """
        costs_of = self.costs_function(**variant)
        costs = [costs_of(s) for s in self.space(**variant).enumerate()]
        return [
            budget
            for budget in self._budgets
            if any(map(budget.feasible, costs))
        ]

    def teacher(self) -> Output:
        """The teacher, which is the same for all seeds."""
        return self._training("teacher", "teacher", "teacher")

    def _training(self, title, flagfile, stage, arguments=()) -> Output:
        step = Step(
            title, steps.TRAIN, self._data, self._flagfile(flagfile), arguments
        )
        return Output(step, STAGES[stage].file_name)

    def supernet(self, seed: int, **variant) -> Output:
        """A supernet that was distilled from the teacher."""
        return self._training(
            f"supernet {_words(variant)} seed {seed}",
            "supernet",
            "supernet",
            (
                ("teacher", self.teacher()),
                *steps.texts({"seed": seed, **variant}),
            ),
        )

    def search(self, supernet: Output, title: str, **flags) -> Output:
        """The report of a search over the subnets of a supernet.

        Args:
            supernet: Output.
            title: str. Which supernet it is.
            flags: further flags of `search`; `budget` is a list of Budget.
        """
        budgets = flags.pop("budget", ())
        step = Step(
            f"search {title}",
            steps.SEARCH,
            self._data,
            self._flagfile("search"),
            (
                ("supernet", supernet),
                *(("budget", str(budget)) for budget in budgets),
                *steps.texts(flags),
            ),
        )
        return Output(step, PARETO_REPORT)

    def searched(self, seed: int, **variant) -> Output:
        """The search for the best subnet of each budget."""
        return self.search(
            self.supernet(seed, **variant),
            f"{_words(variant)} seed {seed}",
            budget=self.feasible_budgets(**variant),
        )

    def found(self, seed: int, **variant) -> dict[str, Output]:
        """The best subnet of a supernet for each budget, as plain models.

        Args:
            seed: int.
            variant: as for `supernet`.

        Returns:
            dict from names of budgets to the models.
        """
        search = self.searched(seed, **variant)
        step = Step(
            search.step.title.replace("search", "subnets", 1),
            steps.MATERIALIZE,
            self._data,
            None,
            (("supernet", self.supernet(seed, **variant)), ("pareto", search)),
        )
        return {
            budget.name: Output(step, f"{budget.name}/{steps.SUBNET}")
            for budget in self.feasible_budgets(**variant)
        }

    def num_steps(self, stage: str) -> int:
        """The number of training steps in the flagfile of a stage."""
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
        """The uniform architecture of a budget, trained by itself.

        As in the paper any block may have one layer, even where the main
        search space does not allow that.

        Args:
            stage: `"scratch"` or `"kd"`.
            budget: str. Name of the budget.
            seed: int.
            variant: flags of `train` in addition to those of the stage.
        """
        return self._alone(
            stage,
            " ".join(
                [stage, budget, *map(str, variant.values()), f"seed {seed}"]
            ),
            json.dumps(self._uniform(*self.baselines[budget])),
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
        """The architecture of a subnet, distilled from scratch."""
        record = workdir.record_path(subnet.name).name
        return self._alone(
            "kd", f"retrained {title}", subnet.sibling(record), seed
        )

    def _alone(self, stage, title, subnet, seed, **variant) -> Output:
        teacher = (("teacher", self.teacher()),) if stage == "kd" else ()
        return self._training(
            title,
            stage,
            stage,
            (
                *teacher,
                ("subnet", subnet),
                *steps.texts({"seed": seed, **variant}),
            ),
        )

    def finetuned(
        self, subnet: Output, length: str, title: str, seed: int
    ) -> Output:
        """A subnet that is fine-tuned by distillation.

        Args:
            subnet: Output.
            length: `SHORT` or `LONG`.
            title: str. Which subnet it is.
            seed: int.
        """
        return self._training(
            f"finetune {length} {title}",
            f"finetune_{length}",
            "finetune",
            (
                ("teacher", self.teacher()),
                ("initial", subnet),
                ("seed", str(seed)),
            ),
        )


def _words(variant) -> str:
    return " ".join(f"{n} {v}" for n, v in variant.items()) or "main"
