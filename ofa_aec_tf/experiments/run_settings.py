"""Settings that all runs of several steps share."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.experiments.preprocessing import Preprocessing
from ofa_aec_tf.runs import workdir

# The flagfile of data_pipeline.preprocess among those of the stages.
PREPROCESS = "preprocess"


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

    def preprocess_flags(self) -> dict[str, str]:
        """Flags to pass on to data_pipeline.preprocess."""
        return {} if self.audio_dir is None else {"audio_dir": self.audio_dir}

    def preprocessing(self, flagfile, *arguments: str, **options):
        """A call of data_pipeline.preprocess for this working directory.

        Args:
            flagfile: path of its flagfile.
            *arguments: further flags.
            **options: further arguments of Preprocessing.
        """
        given = [f"--{n}={v}" for n, v in self.preprocess_flags().items()]
        return Preprocessing(
            self.directory, flagfile, (*given, *arguments), **options
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagedRunSettings(RunSettings):
    """Base class of the settings of a run with a flagfile for each stage."""

    # Each kind of run says which flagfiles it needs there.
    flags_dir: str
    data_dir: str | None = setting(
        None,
        "Data that is preprocessed already. By default preprocess.cfg is run.",
        is_path=True,
    )

    def __post_init__(self):
        super().__post_init__()
        self._check_no_data_given(*self.preprocess_flags())

    def _check_no_data_given(self, *given):
        """Refuses settings of preprocessing that are given with `data_dir`."""
        if self.data_dir is not None and given:
            raise ValueError(
                f"--{given[0]} is for preprocessing, which --data_dir leaves "
                "out. Give one or the other."
            )

    def flagfile(self, name: str) -> pathlib.Path:
        """The path of the flagfile of a stage."""
        return pathlib.Path(self.flags_dir) / f"{name}.cfg"

    def make_data(
        self, name: str | None = None, overwrite: bool = False
    ) -> tuple[pathlib.Path, float]:
        """Makes the data, unless they are given or up to date.

        Args:
            name: str or None, as of Preprocessing.
            overwrite: bool. Whether to make them in any case.

        Returns:
            Their directory, and the seconds that it took to make them.
        """
        if self.data_dir is not None:
            return pathlib.Path(self.data_dir), 0.0
        preprocessing = self.preprocessing(self.flagfile(PREPROCESS), name=name)
        return preprocessing.data_dir, preprocessing.run(overwrite)


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
