"""Settings of runs of several steps."""

import pytest

from ofa_aec_tf.experiments.cross_validation import CrossValidationSettings
from ofa_aec_tf.experiments.pipeline_run import PipelineSettings
from ofa_aec_tf.experiments.reproduction import ReproductionSettings
from ofa_aec_tf.runs import workdir
from tests.experiments import esc_folder
from tests.experiments import small_reproduction

_DIRECTORIES = {"flags_dir": "flags", "workdir": "run"}
_REPRODUCTION = {**_DIRECTORIES, "budget": small_reproduction.BUDGETS}


@pytest.mark.parametrize(
    ("settings_class", "values", "name"),
    [
        (PipelineSettings, {**_DIRECTORIES, "audio_dir": "x"}, "audio_dir"),
        (PipelineSettings, {**_DIRECTORIES, "labels_csv": "x"}, "labels_csv"),
        (
            PipelineSettings,
            {**_DIRECTORIES, "overwrite_data": True},
            "overwrite_data",
        ),
        (
            ReproductionSettings,
            {**_REPRODUCTION, "audio_dir": "x"},
            "audio_dir",
        ),
    ],
)
def test_preprocessing_is_not_for_data_that_are_given(
    settings_class, values, name
):
    settings_class(**values)
    with pytest.raises(ValueError, match=f"--{name} is for preprocessing"):
        settings_class(**values, data_dir="data")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jobs": 0}, "`jobs` must be at least 1"),
        ({"seeds": (0, 0)}, "--seeds is a list of distinct whole numbers"),
        ({"seeds": ()}, "--seeds is a list of distinct whole numbers"),
        ({"seeds": (-1,)}, "`seeds` must be at least 0"),
        ({"experiments": ()}, "--experiments are some of table1"),
        ({"budget": ()}, "Give a --budget"),
    ],
)
def test_what_cannot_be_reproduced_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ReproductionSettings(**{**_REPRODUCTION, **changes})


def test_a_cross_validation_counts_its_results(tmp_path):
    flags_dir = esc_folder.write_flagfiles(tmp_path / "flags")
    config = CrossValidationSettings(
        workdir="run",
        preprocess=str(flags_dir / "preprocess.cfg"),
        fold=("3", "1"),
        seeds=(4, 5),
        run=(
            f"a:{flags_dir / 'alone.cfg'}",
            f"b:{flags_dir / 'supernet.cfg'}:teacher=a",
        ),
        ensemble=("e:a+b largest",),
    )
    assert config.folds() == [1, 3]
    assert config.num_results() == (1 + 2 + 1) * 2 * 2


def test_a_directory_in_use_is_refused(tmp_path):
    config = PipelineSettings(flags_dir="flags", workdir=str(tmp_path / "run"))
    with config.locked_directory() as directory:
        assert directory == tmp_path / "run"
        with (
            pytest.raises(ValueError, match="Another process is writing"),
            workdir.lock(directory),
        ):
            pass


def test_flags_are_passed_on_to_preprocessing(tmp_path, monkeypatch):
    (tmp_path / "preprocess.cfg").write_text("--source=csv\n")
    calls = []

    def call(title, module, *arguments):
        calls.append((title, module, *arguments))
        return 2.0

    monkeypatch.setattr(
        "ofa_aec_tf.experiments.preprocessing.child_commands.call", call
    )
    config = PipelineSettings(
        flags_dir=str(tmp_path),
        workdir=str(tmp_path / "run"),
        audio_dir="sounds",
        labels_csv="labels.csv",
    )
    assert config.make_data("data") == (tmp_path / "run" / "data", 2.0)
    assert calls == [
        (
            "data",
            "data_pipeline.preprocess",
            f"--flagfile={tmp_path / 'preprocess.cfg'}",
            "--audio_dir=sounds",
            "--labels_csv=labels.csv",
            f"--output_dir={tmp_path / 'run' / 'data'}",
        )
    ]
