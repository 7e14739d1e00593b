"""A family that is no CNN10 is exact in every form, and costs what it says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.tflite import costs as tflite_costs
from ofa_aec_tf.evaluation.batch_norm_calibration import calibrate
from ofa_aec_tf.families import networks
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.config import LABELS_ONLY
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from tests import commands
from tests.families.toy.family import ToyFamily
from tests.synthetic_data import write_dataset

_FAMILY = ToyFamily(3, stage_filters=(16, 14, 16))
_NUM_FRAMES = 33
_TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(
        registry, "PACKAGES", [*registry.PACKAGES, "tests.families.toy"]
    )


def _supernet(execution="slice"):
    keras.utils.set_random_seed(0)
    supernet = networks.build_supernet(_FAMILY, execution)
    rng = np.random.default_rng(0)
    for layer in supernet.weighted_layers():
        if layer.name.endswith("_bn"):
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
    return supernet


def _clips(num_clips=4):
    rng = np.random.default_rng(1)
    return rng.normal(-40, 15, (num_clips, _NUM_FRAMES, 64)).astype("f")


def _subnets(number=2):
    space, rng = _FAMILY.search_space(), np.random.default_rng(0)
    sampled = [space.sample(rng) for _ in range(number)]
    return [space.smallest(), space.largest(), *sampled]


def test_it_has_more_subnets_than_64_bits_number():
    assert _FAMILY.search_space().num_subnets > 2**63


def test_mask_slice_and_materialized_give_the_same_outputs():
    supernet, masked = _supernet(), _supernet("mask")
    clips = _clips()
    for subnet in _subnets():
        moments = calibrate(supernet, subnet, [clips, clips + 3])
        sliced = supernet.predict_logits(clips, subnet, moments)
        network = materialize_subnet(supernet, subnet, moments)
        assert np.std(sliced) > 0.01
        for other in (
            masked.predict_logits(clips, subnet, moments),
            logits_model(network)(clips),
        ):
            np.testing.assert_allclose(other, sliced, atol=_TOLERANCE)


def test_parameters_are_those_of_the_network():
    for subnet in _subnets(5):
        network = networks.build_network(_FAMILY, subnet)
        assert _FAMILY.complexity(subnet, _NUM_FRAMES).parameters == sum(
            np.prod(v.shape) for v in network.trainable_variables
        )


def test_a_training_step_gives_the_mean_gradients_in_one_trace():
    supernet = _supernet()
    sampler = SubnetSampler(_FAMILY.search_space(), 3, "sandwich", 0, 0)
    distiller = SupernetDistiller(supernet, sampler, None, LABELS_ONLY)
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    batch = {
        "log_mel": tf.constant(_clips()),
        "labels": tf.constant(labels),
    }

    @tf.function(jit_compile=False)
    def step(subnets):
        return distiller.loss_and_gradients(batch, subnets, tf.constant(3))

    for number in range(2):
        subnets, _ = sampler.sample(tf.constant(number))
        _, gradients = step(subnets)
    assert step.experimental_get_tracing_count() == 1
    expected = [0.0] * len(gradients)
    for subnet in subnets:
        with tf.GradientTape() as tape:
            logits = supernet(batch["log_mel"], subnet=subnet, training=True)
            loss = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            )
        own = tape.gradient(
            loss,
            [v.value for v in supernet.trainable_variables],
            unconnected_gradients="zero",
        )
        expected = [e + g / 3 for e, g in zip(expected, own)]
    scale = max(np.abs(g).max() for g in expected)
    for ours, other in zip(gradients, expected):
        np.testing.assert_allclose(ours, other, atol=_TOLERANCE * scale)


@pytest.mark.slow
def test_every_command_works_on_it(tmp_path):
    dataset, _ = write_dataset(tmp_path)
    result = commands.run("tests.families.toy_commands", tmp_path, tmp_path)
    assert result.returncode == 0, result.stderr
    (budget,) = workdir.read_json(tmp_path / "search" / "pareto.json")[
        "budgets"
    ]
    subnet = _FAMILY.search_space().subnet(budget["chosen"]["subnet"])
    expected = _FAMILY.complexity(subnet, dataset.num_frames)
    path = tmp_path / "subnets" / "small" / "subnet.keras"
    network = keras.models.load_model(path, compile=False)
    assert expected.parameters <= 15_000
    assert expected.parameters == sum(
        np.prod(v.shape) for v in network.trainable_variables
    )
    file = tmp_path / "export" / "subnet" / "subnet_log_mel_float32.tflite"
    assert tflite_costs.count_macs(file.read_bytes()) == expected.macs
    assert "low" in result.stdout
