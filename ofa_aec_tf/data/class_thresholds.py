"""The thresholds beside a model: the lowest score that reports a class.

`X.keras` and `X.tflite` have `X.thresholds.json`.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.runs import workdir

_SUFFIX = ".thresholds.json"


@dataclasses.dataclass(frozen=True)
class ClassThresholds:
    """The lowest score that reports a class, for each class.

    Args:
        thresholds: dict from class name to a float in [0, 1], or None for a
            class that is never reported.
        model_digest: str. `workdir.file_digest` of the model that they are
            for.
        details: dict of JSON types. How they were chosen, and their metrics.
    """

    thresholds: Mapping[str, float | None]
    model_digest: str
    details: Mapping = dataclasses.field(default_factory=dict)

    @staticmethod
    def path_beside(model_path) -> pathlib.Path:
        """Path of the thresholds of a model."""
        return pathlib.Path(model_path).with_suffix(_SUFFIX)

    def write(self, path) -> None:
        """Writes the thresholds as JSON."""
        workdir.write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path) -> "ClassThresholds":
        """Reads a file of `write`.

        Raises:
            ValueError: if the file is missing or of another form.
        """
        path = pathlib.Path(path)
        if not path.is_file():
            raise ValueError(
                f"There are no thresholds {path}. Choose them with `python -m "
                "ofa_aec_tf.choose_thresholds`."
            )
        values = workdir.read_json(path)
        keys = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != keys:
            raise ValueError(
                f"{path} must have the keys {sorted(keys)}. Received: "
                f"{sorted(values) if isinstance(values, dict) else values}"
            )
        if not isinstance(values["thresholds"], dict):
            raise ValueError(
                f"`thresholds` in {path} must map classes to thresholds. "
                f"Received: {values['thresholds']}"
            )
        for name, threshold in values["thresholds"].items():
            if threshold is not None and not _is_score(threshold):
                raise ValueError(
                    f"The threshold of {name!r} in {path} must be a number "
                    f"in [0, 1], or null. Received: {threshold!r}"
                )
        return cls(**values)

    def of_classes(self, class_map: ClassMap) -> tuple[float | None, ...]:
        """The thresholds in the order of the outputs of a model.

        Raises:
            ValueError: if they are for other classes.
        """
        names = set(class_map.names)
        if set(self.thresholds) != names:
            missing = sorted(names - set(self.thresholds))
            unknown = sorted(set(self.thresholds) - names)
            raise ValueError(
                "The thresholds belong to a model with other classes. Without "
                f"a threshold: {missing[:5]}. Not a class of this model: "
                f"{unknown[:5]}. Choose thresholds for this model."
            )
        return tuple(self.thresholds[name] for name in class_map.names)


def _is_score(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= 1
