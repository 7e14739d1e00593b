"""What a run starts from and learns from; checked without TensorFlow."""

import dataclasses
import pathlib

from ofa_aec_tf.checks.settings import Settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.config import PLATEAU
from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.stages import STAGES
from ofa_aec_tf.training.stages import stages_that

VALIDATION_SPLIT = "validation"

_TAUGHT = {"stage": stages_that(takes_teacher=True)}
_NEW_NETWORKS = {"stage": stages_that(builds_network=True)}


@dataclasses.dataclass(frozen=True)
class TrainInputs(Settings):
    """The models and stored logits of a run, and the subnet to build.

    Args:
        initial_weights: str or None. Weights that a new network starts with,
            as `families` load them.
    """

    stage: str
    teacher: tuple[str, ...] = setting(
        (),
        "A `.keras` file to learn from, or several with commas between them: "
        "then from the mean of their scores.",
        is_path=True,
        when=_TAUGHT,
    )
    stored_logits: str | None = setting(
        None,
        "A directory of ofa_aec_tf.store_logits to learn from, instead of a "
        "--teacher that runs on every batch.",
        is_path=True,
        when=_TAUGHT,
    )
    initial: str | None = setting(
        None,
        "The `.keras` file that training starts from, of the same network: "
        "what another run of `train`, or materialize, has saved. A supernet "
        "starts from another one of the same space. --stage=finetune needs it.",
        is_path=True,
    )
    subnet: str = setting(
        "largest",
        "Which subnet to train from scratch or by distillation: `smallest`, "
        "`largest`, choices such as `width=0.8,depth=2`, a JSON object of "
        "them, or the `.json` beside a model.",
        is_path_or_name=True,
        when=_NEW_NETWORKS,
    )
    initial_weights: str | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.initial_weights and not STAGES[self.stage].builds_network:
            raise ValueError(
                "--initial_weights is for "
                f"--stage={'|'.join(stages_that(builds_network=True))}. "
                f"Received: --stage={self.stage}"
            )
        if STAGES[self.stage].needs_initial and not self.initial:
            raise ValueError(
                f"--stage={self.stage} needs --initial, the `.keras` file to "
                "start from."
            )
        for name, default in (("subnet", "largest"), ("initial_weights", None)):
            value = getattr(self, name)
            if self.initial and value != default:
                raise ValueError(
                    "--initial has a network and its weights. Leave out "
                    f"--{name}, or --initial. Received: --{name}={value}"
                )
        if self.teacher and self.stored_logits:
            raise ValueError("Give either a --teacher or --stored_logits.")

    @property
    def has_teacher(self) -> bool:
        """Whether there is a teacher to learn from."""
        return bool(self.teacher or self.stored_logits)

    def check_loss(self, loss: LossConfig) -> None:
        """Refuses a loss that needs a teacher without one, and vice versa.

        Args:
            loss: LossConfig.

        Raises:
            ValueError: naming what was given.
        """
        if self.has_teacher != (loss.label_weight < 1):
            raise ValueError(
                "Distillation needs a --teacher or --stored_logits, and these "
                "need a --label_weight below 1. Received: "
                f"--teacher={','.join(self.teacher) or None}, "
                f"--stored_logits={self.stored_logits} and a label weight of "
                f"{loss.label_weight:g}"
            )

    def identity(self) -> dict:
        """What decides the result: the content of files, not their place."""
        stored = self.stored_logits
        weights = self.initial_weights
        return {
            "teacher": [workdir.file_digest(path) for path in self.teacher],
            "stored_logits": stored
            and workdir.file_digest(
                pathlib.Path(stored, stored_logits.FILE_NAME)
            ),
            "initial": self.initial and workdir.file_digest(self.initial),
            "initial_weights": workdir.file_digest(weights)
            if weights and pathlib.Path(weights).is_file()
            else weights,
        }


def check_data(dataset: DatasetInfo, config: TrainConfig) -> None:
    """Refuses a data set that a run could not use to its end.

    Validation clips may be missing, as in a cross-validation, where all clips
    that do not test train, unless a setting needs them.

    Args:
        dataset: DatasetInfo.
        config: TrainConfig.

    Raises:
        ValueError: if the training split is empty, or the validation split
            although the settings need it.
    """
    dataset.split("train")
    for flag, needs_validation in (
        ("--num_validation_clips", config.num_validation_clips),
        ("--schedule=plateau", config.optimizer.schedule == PLATEAU),
    ):
        if needs_validation and not dataset.has_split(VALIDATION_SPLIT):
            raise ValueError(
                f"{flag} needs clips to validate on, and this data set has "
                "none. Leave it out, or preprocess with a validation split."
            )


def check_model(path, dataset: DatasetInfo, is_supernet: bool = False) -> None:
    """Refuses a model that does not fit the data, as a teacher or a start.

    Args:
        path: path of a `.keras` file.
        dataset: DatasetInfo.
        is_supernet: bool. Whether it must be a supernet; else it must not.

    Raises:
        ValueError: if the model is missing, differs from the data in its
            front end, clip length or classes, or is of the other kind.
    """
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    stage = STAGES.get(info.details.get("stage"))
    if (stage is not None and stage.is_supernet) == is_supernet:
        return
    if is_supernet:
        raise ValueError(
            f"{path} is a plain network; a supernet starts from the "
            "`supernet.keras` of another --stage=supernet."
        )
    raise ValueError(
        f"{path} is a supernet; a plain network is needed here. Cut a subnet "
        "out of it with `python -m ofa_aec_tf.materialize`."
    )
