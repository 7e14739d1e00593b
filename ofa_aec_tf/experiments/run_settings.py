"""Settings that all runs of several steps share."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.runs import workdir


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings(settings.Settings):
    """Base class of the settings of a run of several steps."""

    workdir: str = setting(
        settings.REQUIRED, "Where everything goes.", is_path=True
    )
    audio_dir: str | None = setting(
        None, "Passed on to data_pipeline.preprocess.", is_path=True
    )
    jobs: int = setting(
        1,
        "Steps to run at a time, each on its share of the cores. Small "
        "networks don't train faster on several; what steps print then goes to "
        "log.txt in their directories.",
        at_least=1,
    )

    @property
    def directory(self) -> pathlib.Path:
        """The working directory."""
        return pathlib.Path(self.workdir)

    @contextlib.contextmanager
    def locked_directory(self) -> Iterator[pathlib.Path]:
        """The working directory, created and locked for this process."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with workdir.lock(self.directory):
            yield self.directory

    def preprocess_arguments(self) -> list[str]:
        """Flags to pass on to data_pipeline.preprocess."""
        if self.audio_dir is None:
            return []
        return [f"--audio_dir={self.audio_dir}"]

    def check_only_one_source(self, *others: str) -> None:
        """Refuses settings of preprocessing next to `data_dir`.

        Args:
            *others: names of fields for preprocessing, apart from
                `audio_dir`.

        Raises:
            ValueError: if `data_dir` and one of these are given.
        """
        for name in ("audio_dir", *others):
            if self.data_dir is not None and getattr(self, name):
                raise ValueError(
                    f"--{name} is for preprocessing, which --data_dir leaves "
                    "out. Give one or the other."
                )


def check_distinct(name: str, numbers: tuple[int, ...]) -> None:
    """Refuses an empty list, and one with a number twice.

    Args:
        name: str. The name of the setting.
        numbers: tuple of int.

    Raises:
        ValueError: if it is one of these.
    """
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(
            f"--{name} is a list of distinct whole numbers such as 0,1,2. "
            f"Received: {','.join(map(str, numbers))}"
        )
