"""Data and models that the trainings of tests share, and leave as they are."""

import pytest

from tests.synthetic_data import write_dataset
from tests.training.training_runs import TINY
from tests.training.training_runs import run


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A small data set that a small network can learn."""
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory)
    return directory


@pytest.fixture(scope="session")
def models(data_dir, tmp_path_factory):
    """Paths of a `teacher` and a `supernet` that took one step."""
    paths = {}
    for stage, more in (
        ("teacher", []),
        ("supernet", ["--label_weight=1", "--convolution=direct"]),
    ):
        directory = tmp_path_factory.mktemp(stage)
        result = run(
            f"--stage={stage}",
            f"--data_dir={data_dir}",
            f"--workdir={directory}",
            *TINY,
            *more,
        )
        assert result.returncode == 0, result.stderr
        paths[stage] = directory / f"{stage}.keras"
    return paths
