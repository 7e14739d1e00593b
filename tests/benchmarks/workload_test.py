"""The work that is counted, against hand counts and what really ran."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import workload

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from ofa_aec_tf.training.teachers import NetworkTeacher
from tests.benchmarks import hand_count

_BENCHMARKS = pathlib.Path(workload.__file__).parent


@pytest.fixture
def family():
    return workload.make_family(hand_count.CHANNELS)


def test_macs_of_a_step_are_those_of_a_hand_count(family):
    supernet = networks.build_supernet(family)
    space = family.search_space()
    subnets = [
        space.subnet(
            {
                "block2_width": 0.4,
                "block3_width": 0.6,
                "block4_depth": 1,
                "block4_width": 0.8,
            }
        ),
        space.largest(),
    ]
    # 0.4 x 6 = 2.4, 0.6 x 8 = 4.8 and 0.8 x 10 = 8 channels.
    small = hand_count.network_macs(((4, 4), (2, 2), (5, 5), (8,)))
    stem, largest = hand_count.STEM_MACS, hand_count.LARGEST_MACS
    assert workload.supernet_step_macs(
        supernet, subnets, hand_count.FRAMES
    ) == largest + 3 * (stem + (small - stem) + (largest - stem))


def test_an_elastic_stem_is_no_stem():
    family = Cnn10Family(5, channels=hand_count.CHANNELS, elastic_stem=True)
    supernet = networks.build_supernet(family)
    assert workload.stem_macs(supernet, hand_count.FRAMES) == 0


def test_counted_subnets_are_those_that_were_trained(family):
    trained = []

    class RecordingSampler(SubnetSampler):
        """Notes what a step gets, while it runs."""

        def sample(self, step):
            subnets, count = super().sample(step)
            if tf.executing_eagerly():
                return subnets, count

            def note(rows):
                trained.append(rows.copy())
                return rows

            noted = tf.numpy_function(note, [subnets], tf.int32)
            return tf.ensure_shape(noted, subnets.shape), count

    space = family.search_space()
    distiller = SupernetDistiller(
        networks.build_supernet(family),
        RecordingSampler(space, 3, "uniform", 0, seed=5),
        NetworkTeacher([workload.make_teacher(family, "auto")]),
    )
    clips = workload.random_clips(np.random.default_rng(0), 2, 33, family)
    step = workload.compiled_step(distiller, clips)
    for _ in range(4):
        losses = step()
    assert np.isfinite(losses["distillation_loss"])
    assert len(trained) == 4
    assert workload.last_subnets(distiller, 2) == [
        [space.from_indices(row) for row in rows] for rows in trained[2:]
    ]


def test_the_teacher_computes_in_the_precision_in_scope(family):
    clips = workload.random_clips(np.random.default_rng(0), 2, 33, family)
    logits = []
    for precision in ("float32", "bfloat16"):
        keras.utils.set_random_seed(0)
        with precision_scope(precision):
            teacher = workload.make_teacher(family, "auto")
        logits.append(teacher(clips["log_mel"]).numpy())
    assert not np.array_equal(*logits)
    np.testing.assert_allclose(*logits, rtol=0.1, atol=0.1)


def test_matmul_peak_keeps_the_fastest(monkeypatch):
    seconds = iter([[1.0, 0.5, 2.0], [4.0, 2.0, 3.0], [0.4, 0.8, 1.6]])
    monkeypatch.setattr(
        workload.measurement, "time_steps", lambda *_, **__: next(seconds)
    )
    # 2 x 1000^3 operations in 0.5 s, 2 x 2000^3 in 2 s, 2 x 1000^3 in 0.4 s.
    peak = workload.matmul_peak_gflops("float32", (1000, 2000, 1000))
    assert peak == pytest.approx(8.0)


def test_every_script_names_its_command():
    for path in _BENCHMARKS.glob("*.py"):
        if path.stem in ("measurement", "workload"):
            continue
        text = path.read_text(encoding="utf-8")
        assert f"python benchmarks/{path.name} " in text
        assert "command_line.run(main)" in text
