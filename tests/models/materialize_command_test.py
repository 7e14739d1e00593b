"""The materialize command, run as a user runs it."""

import json

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.runs import workdir
from tests import commands
from tests.synthetic_data import write_dataset

FAMILY = Cnn10Family(3, channels=(6, 8, 10, 12), hidden_units=16)


def run(*arguments):
    return commands.run("ofa_aec_tf.materialize", *arguments)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Flags that name a data set and a supernet of random weights."""
    data_dir = tmp_path_factory.mktemp("data")
    dataset, _ = write_dataset(data_dir)
    path = tmp_path_factory.mktemp("supernet") / "supernet.keras"
    keras.utils.set_random_seed(0)
    networks.build_supernet(FAMILY).save(path)
    ModelInfo.for_dataset(dataset, stage="supernet").write(path)
    return dataset, path, (f"--data_dir={data_dir}", f"--supernet={path}")


def write_pareto(path, dataset, supernet, **identity):
    space = FAMILY.search_space()
    budgets = {"tiny": space.smallest(), "full": space.largest()}
    results = {
        "identity": {
            "supernet_digest": workdir.file_digest(supernet),
            "data_fingerprint": dataset.fingerprint,
            "num_calibration_clips": 10,
            "seed": 3,
            **identity,
        },
        "budgets": [
            {"name": name, "chosen": {"subnet": dict(subnet)}}
            for name, subnet in budgets.items()
        ],
    }
    path.write_text(json.dumps(results))


def test_the_subnets_of_a_search_get_its_calibration(files, tmp_path):
    dataset, supernet, flags = files
    pareto = tmp_path / "pareto.json"
    write_pareto(pareto, dataset, supernet)
    result = run(*flags, f"--pareto={pareto}", f"--workdir={tmp_path}")
    assert result.returncode == 0, result.stderr
    # 0.4 of 12 channels is 4.8, the nearest whole number 5.
    for name, num_filters in (("tiny", 5), ("full", 12)):
        path = tmp_path / name / "subnet.keras"
        model = keras.models.load_model(path)
        assert model.get_layer("block4_conv1").filters == num_filters
        info = ModelInfo.read(path)
        assert info.details["calibration"] == {
            "split": "train",
            "num_clips": 10,
            "statistics": batch_norm_calibration.DEFINITION,
            "num_calibration_clips": 10,
            "seed": 3,
        }
        parameters = info.details["complexity"]["parameters"]
        assert parameters == sum(
            np.prod(v.shape) for v in model.trainable_variables
        )
        assert info.details["max_logit_difference"] < 1e-4

    # One is lost, and another is asked for with the other still there.
    kept, lost = (tmp_path / name / "subnet.keras" for name in ("tiny", "full"))
    before = kept.stat().st_mtime_ns
    lost.unlink()
    result = run(
        *flags, f"--pareto={pareto}", f"--workdir={tmp_path}", "--batch_size=3"
    )
    assert result.returncode == 0, result.stderr
    assert f"kept {kept}" in result.stdout
    assert f"wrote {lost}" in result.stdout
    assert kept.stat().st_mtime_ns == before
    # With other clips both are others.
    result = run(
        *flags, f"--pareto={pareto}", f"--workdir={tmp_path}", "--seed=4"
    )
    assert "kept" not in result.stdout
    assert kept.stat().st_mtime_ns != before


def test_results_of_another_search_are_refused(files, tmp_path):
    dataset, supernet, flags = files
    pareto = tmp_path / "pareto.json"
    for key in ("supernet_digest", "data_fingerprint"):
        write_pareto(pareto, dataset, supernet, **{key: "other"})
        result = run(
            *flags, f"--pareto={pareto}", f"--workdir={tmp_path / 'run'}"
        )
        assert result.returncode == 2
        assert f"its {key} is other" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "either --subnet or --pareto"),
        (["--subnet=largest", "--pareto=x"], "either --subnet or --pareto"),
        (["--pareto=none.json"], "no search result none.json"),
        (["--subnet=huge"], "width=0.8,depth=2, or a JSON object"),
        (["--subnet=width=0.55,depth=1"], "must be one of [0.4, "),
    ],
)
def test_wrong_flags_end_in_one_line(files, tmp_path, arguments, part):
    _, _, flags = files
    result = run(*flags, f"--workdir={tmp_path / 'run'}", *arguments)
    assert result.returncode == 2
    assert part in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((), []),
        (("identity", "seed"), "3"),
        (("budgets",), {"a": 1}),
        (("budgets", 0), "tiny"),
        (("budgets", 0, "name"), "../outside"),
        (("budgets", 0, "chosen", "subnet"), ["width"]),
    ],
)
def test_what_is_no_result_of_a_search_is_named(files, tmp_path, place, value):
    dataset, supernet, flags = files
    path = tmp_path / "pareto.json"
    write_pareto(path, dataset, supernet)
    results = [json.loads(path.read_text())]
    inner, key = results, 0
    for next_key in place:
        inner, key = inner[key], next_key
    inner[key] = value
    path.write_text(json.dumps(results[0]))
    result = run(*flags, f"--pareto={path}", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 2, result.stderr
    assert f"{path} is not the `pareto.json` of a search" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_damaged_supernet_is_named(files, tmp_path):
    dataset, _, flags = files
    path = tmp_path / "supernet.keras"
    path.write_bytes(b"not a model")
    ModelInfo.for_dataset(dataset).write(path)
    result = run(
        flags[0], f"--supernet={path}", "--subnet=largest", "--workdir=x"
    )
    assert result.returncode == 2
    assert f"{path} cannot be loaded as a Keras model" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
