"""The JSON record beside a model, which describes its inputs and outputs.

`X.keras` has `X.json`; an export directory has one `export.json` for all its
`.tflite` files, with this record under the key `model`.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

from ofa_aec_tf.audio import frontend
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import workdir

EXPORT_REPORT = "export.json"
_KEYS = ("frontend", "clip_seconds", "class_names", "label_type", "details")

_KINDS = {
    "frontend": frontend.is_frontend,
    "clip_seconds": json_kinds.is_clip_seconds,
    "class_names": json_kinds.is_names,
    "label_type": lambda value: value in (MULTI_LABEL, SINGLE_LABEL),
    "details": json_kinds.is_mapping,
}


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """The inputs and outputs of a model.

    Args:
        frontend: FrontendConfig of its input.
        clip_seconds: float. Length of its training clips.
        class_map: ClassMap of its outputs.
        label_type: as in DatasetInfo.
        details: dict of JSON types. How the model was made: stage, family,
            subnet, complexity, calibration, data fingerprint.
    """

    frontend: FrontendConfig
    clip_seconds: float
    class_map: ClassMap
    label_type: str
    details: Mapping = dataclasses.field(default_factory=dict)

    @classmethod
    def for_dataset(cls, dataset: DatasetInfo, **details) -> "ModelInfo":
        """The record of a model trained on `dataset`."""
        return cls(
            dataset.frontend,
            dataset.clip_seconds,
            dataset.class_map,
            dataset.label_type,
            {"data_fingerprint": dataset.fingerprint, **details},
        )

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return self.frontend.num_frames(
            self.frontend.num_samples(self.clip_seconds)
        )

    def with_details(self, **details) -> "ModelInfo":
        """The same record with some details added or replaced."""
        return dataclasses.replace(self, details={**self.details, **details})

    def to_json(self) -> dict:
        """This record as a dict of JSON types."""
        return {
            "frontend": self.frontend.to_json(),
            "clip_seconds": self.clip_seconds,
            "class_names": list(self.class_map.names),
            "label_type": self.label_type,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, values: Mapping) -> "ModelInfo":
        """The record that `to_json` described.

        Raises:
            ValueError: if a key is missing, or its value is of another kind.
        """
        if not isinstance(values, Mapping):
            raise ValueError(
                f"A model record is an object with the keys {list(_KEYS)}. "
                f"Received: {json_kinds.shortened(values)}"
            )
        missing = [key for key in _KEYS if key not in values]
        if missing:
            raise ValueError(
                f"A model record has the keys {list(_KEYS)}. Missing: {missing}"
            )
        for key, is_right in _KINDS.items():
            if not is_right(values[key]):
                raise ValueError(
                    f"`{key}` of a model record is of another kind. Received: "
                    f"{json_kinds.shortened(values[key])}"
                )
        return cls(
            FrontendConfig.from_json(values["frontend"]),
            values["clip_seconds"],
            ClassMap(tuple(values["class_names"])),
            values["label_type"],
            values["details"],
        )

    def write(self, model_path) -> None:
        """Writes the record beside `model_path`, a `.keras` file."""
        workdir.write_json(workdir.record_path(model_path), self.to_json())

    @classmethod
    def read(cls, model_path) -> "ModelInfo":
        """Reads the record of a `.keras` or `.tflite` file.

        Raises:
            ValueError: if the model or its record is missing.
        """
        model_path = pathlib.Path(model_path)
        if not model_path.is_file():
            raise ValueError(
                f"There is no model file {model_path}. Name a `.keras` or "
                "`.tflite` file that train, materialize or export has written."
            )
        beside = workdir.record_path(model_path)
        report = model_path.parent / EXPORT_REPORT
        if model_path.suffix == ".tflite" and report.is_file():
            return cls._read_record(report, "model")
        if beside.is_file():
            return cls._read_record(beside)
        raise ValueError(
            f"{model_path} has no record of its classes and front end: "
            f"neither {beside} nor {report} exists. Keep it beside the model "
            "when you move it."
        )

    @classmethod
    def _read_record(cls, path, key=None):
        values = workdir.read_json(path)
        try:
            if key is not None and isinstance(values, Mapping):
                values = values.get(key, {})
            return cls.from_json(values)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path} is not the record of a model: {error} Write it again "
                "with the command that made the model."
            ) from error

    def check_matches(self, dataset: DatasetInfo) -> None:
        """Refuses a data set with another front end, length or class map.

        Raises:
            ValueError: naming both values.
        """
        pairs = (
            ("front end", self.frontend.to_json(), dataset.frontend.to_json()),
            ("clip length", self.clip_seconds, dataset.clip_seconds),
            ("classes", self.class_map.names, dataset.class_map.names),
            ("label type", self.label_type, dataset.label_type),
        )
        for what, of_model, of_data in pairs:
            if of_model != of_data:
                raise ValueError(
                    f"The {what} of the model and of the data differ. "
                    f"Model: {_difference(of_model, of_data)}. "
                    f"Data: {_difference(of_data, of_model)}. "
                    "Use the data that the model was made for, or train again."
                )


def _difference(value, other):
    """The part of `value` that differs from `other`, for a short message."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if other.get(k) != v}
    if isinstance(value, tuple):
        only = [v for v in value if v not in other]
        if sorted(value) == sorted(other):
            return f"in another order, beginning with {list(value[:5])}"
        return f"{len(value)} classes, only here: {only[:5]}"
    return value
