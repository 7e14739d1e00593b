"""Data that the trainings of tests share."""

import pytest

from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A small data set that a small network can learn, one a module."""
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory)
    return directory
