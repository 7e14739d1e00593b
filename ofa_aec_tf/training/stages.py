"""Stages of training, the values of `--stage`, each declared once.

A new stage is an entry below. A new kind of run is one too, and a module with
its TrainingRun. Nothing here imports TensorFlow.
"""

import dataclasses

_NETWORK_RUN = "ofa_aec_tf.training.network_run:NetworkRun"
_SUPERNET_RUN = "ofa_aec_tf.training.supernet_run:SupernetRun"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of training.

    Args:
        file_name: str. The model file that it writes into the work directory.
        run: str. Its TrainingRun, as `module:class`.
        is_supernet: bool. Whether it trains all subnets at once.
        takes_teacher: bool. Whether it can learn from a teacher.
        distills: bool. Whether it learns from a teacher alone by default.
        needs_initial: bool. Whether it only trains a saved network further.
    """

    file_name: str
    run: str
    is_supernet: bool = False
    takes_teacher: bool = False
    distills: bool = False
    needs_initial: bool = False

    @property
    def builds_network(self) -> bool:
        """Whether it may begin with a new network, any subnet of a family."""
        return not self.is_supernet and not self.needs_initial


STAGES = {
    "teacher": Stage("teacher.keras", _NETWORK_RUN),
    "supernet": Stage(
        "supernet.keras",
        _SUPERNET_RUN,
        is_supernet=True,
        takes_teacher=True,
        distills=True,
    ),
    "kd": Stage(
        "subnet.keras", _NETWORK_RUN, takes_teacher=True, distills=True
    ),
    "scratch": Stage("subnet.keras", _NETWORK_RUN),
    "finetune": Stage(
        "subnet.keras", _NETWORK_RUN, takes_teacher=True, needs_initial=True
    ),
}


def stages_that(**properties: bool) -> tuple[str, ...]:
    """Names of the stages with some properties.

    Args:
        **properties: values of attributes of `Stage`.
    """
    return tuple(
        name
        for name, stage in STAGES.items()
        if all(
            getattr(stage, attribute) == value
            for attribute, value in properties.items()
        )
    )
