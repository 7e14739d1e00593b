"""Cuts subnets out of a supernet as plain Keras models."""

import dataclasses
import json
import pathlib
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation.batch_norm_calibration import CalibrationSettings
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

MODEL_NAME = "subnet.keras"
_CALIBRATION_SPLIT = "train"
_NUM_PARITY_CLIPS = 16
# Between logits; float32 rounding alone gives about 1e-6.
_MAX_LOGIT_DIFFERENCE = 1e-4
# By default those of the search, with --pareto. The size of batches changes no
# statistics.
_SEARCHED = ("num_calibration_clips", "seed")


@dataclasses.dataclass(frozen=True)
class MaterializeSettings(settings.Settings):
    """Which subnets to cut out."""

    subnet: str | None = setting(
        None,
        "Which subnet: `smallest`, `largest`, choices such as "
        "`width=0.8,depth=2`, or a JSON object of them.",
    )
    pareto: str | None = setting(
        None,
        "The `pareto.json` of a search: the subnets that it chose for its "
        "budgets.",
        is_path=True,
    )
    calibration: CalibrationSettings = CalibrationSettings()

    def __post_init__(self):
        super().__post_init__()
        if (self.subnet is None) == (self.pareto is None):
            raise ValueError("Give either --subnet or --pareto.")


def materialize(
    supernet_path,
    data,
    directory,
    config: MaterializeSettings,
    given: Collection[str],
    flags_text: str,
) -> Iterator[str]:
    """Writes subnets as `subnet.keras`, unless they are there already.

    Args:
        supernet_path: path of the `.keras` file.
        data: PreprocessedData.
        directory: path of the working directory. The subnet of each budget
            goes to a sub-directory.
        config: MaterializeSettings.
        given: names of the calibration settings that the user has given. With
            --pareto the others are those of the search.
        flags_text: str. The flags, as `flagfiles.recorded` has them.

    Yields:
        str, a line about each subnet.

    Raises:
        ValueError: if the subnet or the search result does not belong to this
            supernet and these data, or a model differs from the supernet.
    """
    directory = pathlib.Path(directory)
    info = ModelInfo.read(supernet_path)
    info.check_matches(data.info)
    supernet = load_supernet(supernet_path)
    space = supernet.family.search_space()
    identity = {
        "supernet_digest": workdir.file_digest(supernet_path),
        "data_fingerprint": data.info.fingerprint,
    }
    calibration = config.calibration
    if config.pareto is None:
        subnets = {directory: space.parse(config.subnet)}
    else:
        chosen, searched = read_chosen(config.pareto, space, identity)
        subnets = {directory / name: s for name, s in chosen.items()}
        calibration = dataclasses.replace(
            calibration,
            **{n: v for n, v in searched.items() if n not in given},
        )
    recorded = {name: getattr(calibration, name) for name in _SEARCHED}
    for path in subnets:
        workdir.check_writable(path / MODEL_NAME)
    run_record.start_run(
        directory,
        {
            **identity,
            **recorded,
            "skip_corrupt": data.skip_corrupt,
            "subnets": {
                str(path.relative_to(directory)): dict(subnet)
                for path, subnet in subnets.items()
            },
        },
        flags_text,
        has_results=False,
    )
    clips = data.load(
        _CALIBRATION_SPLIT, calibration.num_calibration_clips, calibration.seed
    )
    for path, subnet in subnets.items():
        complexity = supernet.family.complexity(subnet, data.info.num_frames)
        record = info.with_details(
            stage="materialized",
            subnet=dict(subnet),
            complexity=complexity.to_json(),
            supernet_digest=identity["supernet_digest"],
            calibration={
                "split": _CALIBRATION_SPLIT,
                "num_clips": len(clips),
                "statistics": batch_norm_calibration.DEFINITION,
                **recorded,
            },
        )
        is_written = _write_model(
            path / MODEL_NAME,
            record,
            lambda subnet=subnet: _checked_model(
                supernet, subnet, clips, calibration.batch_size
            ),
        )
        yield (
            f"{'wrote' if is_written else 'kept'} {path / MODEL_NAME}: "
            f"{complexity.parameters:,} parameters, "
            f"{complexity.macs / 1e6:,.1f} MMAC, {subnet}"
        )


def read_chosen(
    path, space: SearchSpace, identity: Mapping
) -> tuple[dict[str, Subnet], dict[str, int]]:
    """What a search has chosen.

    Args:
        path: path of its `pareto.json`.
        space: SearchSpace of the supernet.
        identity: dict of JSON types. What the search must have been about.

    Returns:
        `(chosen, calibration)`: dict from budget to Subnet, and the settings
        of the batch normalization that they were chosen with.

    Raises:
        ValueError: if there is no such file, it is damaged or of another
            search, or no subnet was chosen.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(
            f"There is no search result {path}. Make it with `python -m "
            "ofa_aec_tf.search`."
        )
    results = workdir.read_json(path)
    try:
        recorded = results["identity"]
        chosen = {
            budget["name"]: space.subnet(budget["chosen"]["subnet"])
            for budget in results["budgets"]
            if budget["chosen"]
        }
        calibration = {name: recorded[name] for name in _SEARCHED}
        for name in chosen:
            # Each names a sub-directory.
            if not json_kinds.is_file_name(name):
                raise ValueError(f"a budget has the name {name!r}")
        for name, value in calibration.items():
            if not json_kinds.is_count(value):
                raise ValueError(f"{name} is {value!r}")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not the `pareto.json` of a search: {error!r}."
        ) from error
    for name, value in identity.items():
        if recorded.get(name) != value:
            raise ValueError(
                f"{path} is the result of another search: its {name} is "
                f"{recorded.get(name)}, that of the files given is {value}. "
                "Search again, or name the files that it was made with."
            )
    if not chosen:
        raise ValueError(
            f"{path} chose no subnet. Search again with --budget, or name a "
            "--subnet."
        )
    return chosen, calibration


def _write_model(path, record, make_model) -> bool:
    """Writes a model and its record; False if both are there already."""
    try:
        found = dict(ModelInfo.read(path).to_json()["details"])
        found.pop("max_logit_difference", None)
    except ValueError:
        found = None
    if found == json.loads(json.dumps(record.to_json()["details"])):
        return False
    model, difference = make_model()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_keras_file(model, path)
    # After the model, so that a record is always that of the model beside it.
    record.with_details(max_logit_difference=difference).write(path)
    return True


def _checked_model(supernet, subnet, calibration_clips, batch_size):
    """The plain model, and how far its logits are from the supernet's."""
    moments = batch_norm_calibration.calibrate(
        supernet,
        subnet,
        batch_norm_calibration.split_into_batches(
            calibration_clips, batch_size
        ),
    )
    model = materialize_subnet(supernet, subnet, moments)
    clips = calibration_clips[:_NUM_PARITY_CLIPS]
    expected = supernet.predict_logits(clips, subnet, moments)
    logits = logits_model(model).predict(clips, verbose=0)
    difference = float(np.abs(expected - logits).max())
    if not difference <= _MAX_LOGIT_DIFFERENCE:
        raise ValueError(
            f"The plain model of {subnet} gives logits that differ by "
            f"{difference:.1e} from the supernet's; expected at most "
            f"{_MAX_LOGIT_DIFFERENCE:.0e}. Are its weights finite?"
        )
    return model, difference
