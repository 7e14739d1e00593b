"""Evaluating in stages gives what evaluating each subnet alone gives."""

import dataclasses

import numpy as np
import pytest

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.evaluation.staged_evaluation import StagedEvaluation
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family


def make_supernet(**options):
    options = {"depth_pattern": "2XX", **options}
    family = Cnn10Family(
        3,
        channels=(4, 6, 8, 8),
        hidden_units=8,
        width_ratios=(0.5, 1.0),
        **options,
    )
    return networks.build_supernet(family)


def clips(num_clips, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(-50, 10, (num_clips, 33, 64)).astype(np.float32)


CALIBRATION, EVALUATION = clips(7, seed=0), clips(10, seed=1)


def staged(supernet, cache_bytes=2**30):
    return StagedEvaluation(supernet, CALIBRATION, EVALUATION, 4, cache_bytes)


def alone(supernet, subnet):
    moments = batch_norm_calibration.calibrate(
        supernet,
        subnet,
        batch_norm_calibration.split_into_batches(CALIBRATION, 4),
    )
    return supernet.predict_logits(EVALUATION, subnet, moments, 4)


@pytest.mark.parametrize("cache_bytes", [0, 40_000, 2**30])
@pytest.mark.parametrize("elastic_stem", [False, True])
def test_logits_are_those_of_each_subnet_alone(elastic_stem, cache_bytes):
    supernet = make_supernet(elastic_stem=elastic_stem)
    evaluation = staged(supernet, cache_bytes)
    rng = np.random.default_rng(0)
    subnets = sorted(
        (supernet.family.search_space().sample(rng) for _ in range(6)),
        key=staged_evaluation.stage_order(supernet),
    )
    # In any order, and one twice.
    for subnet in [*subnets, subnets[0], subnets[0]]:
        np.testing.assert_allclose(
            evaluation.predict_logits(subnet),
            alone(supernet, subnet),
            rtol=1e-5,
            atol=1e-5,
        )


def count_runs(evaluation, supernet, monkeypatch):
    """Runs of each level for one batch of clips, over the whole space.

    Those that calibrate, of the first step of each level, and those that
    evaluate.
    """
    counts = {}

    def counting(key, function):
        def run(*arguments):
            counts[key] = counts.get(key, 0) + 1
            return function(*arguments)

        return run

    for name in ("_calibration_steps", "_inferring"):
        monkeypatch.setattr(
            evaluation,
            name,
            [
                counting((name, level), item)
                if callable(item)
                else (
                    dataclasses.replace(
                        item[0], run=counting((name, level), item[0].run)
                    ),
                    *item[1:],
                )
                for level, item in enumerate(getattr(evaluation, name))
            ],
        )
    space = supernet.family.search_space()
    for subnet in sorted(
        space.enumerate(), key=staged_evaluation.stage_order(supernet)
    ):
        evaluation.predict_logits(subnet)
    # 7 clips that calibrate and 10 that are evaluated, in batches of 4.
    return [
        [counts[name, level] // num_batches for level in range(4)]
        for name, num_batches in (("_calibration_steps", 2), ("_inferring", 3))
    ]


def test_each_stage_is_computed_once_for_each_choice_before_it(monkeypatch):
    supernet = make_supernet()
    evaluation = staged(supernet)
    # The stem; 2 widths; times 2 widths and 2 depths; and once more.
    expected = [1, 2, 8, 32]
    assert count_runs(evaluation, supernet, monkeypatch) == [expected] * 2


def test_without_memory_everything_is_computed_for_each_subnet(monkeypatch):
    supernet = make_supernet()
    evaluation = staged(supernet, cache_bytes=0)
    assert count_runs(evaluation, supernet, monkeypatch) == [[32] * 4] * 2


def test_late_stages_are_kept_first(monkeypatch):
    supernet = make_supernet()
    # 17 clips of 4 x 2 (time and frequency, of 33 x 64 halved three times)
    # positions with 8 channels.
    block3_bytes = 17 * 4 * 8 * 8 * 4
    evaluation = staged(supernet, cache_bytes=block3_bytes)
    # 8 prefixes up to block 3, each from the audio on.
    assert count_runs(evaluation, supernet, monkeypatch) == [[8, 8, 8, 32]] * 2
    evaluation = staged(supernet, cache_bytes=block3_bytes - 1)
    assert count_runs(evaluation, supernet, monkeypatch) == [[32] * 4] * 2


def test_one_trace_serves_the_whole_space():
    supernet = make_supernet()
    evaluation = staged(supernet)
    for subnet in supernet.family.search_space().enumerate():
        evaluation.predict_logits(subnet)
    calibrating = [
        step.run for steps in supernet.calibration_steps for step in steps
    ]
    for function in [*calibrating, *evaluation._inferring]:
        # One shape, another one, and then any.
        assert function.experimental_get_tracing_count() <= 4


def test_a_failure_leaves_nothing_half_done(monkeypatch):
    supernet = make_supernet()
    evaluation = staged(supernet)
    space = supernet.family.search_space()
    expected = evaluation.predict_logits(space.smallest())
    working = evaluation._inferring[2]

    def fail(*arguments):
        raise MemoryError

    evaluation._inferring[2] = fail
    with pytest.raises(MemoryError):
        evaluation.predict_logits(space.largest())
    evaluation._inferring[2] = working
    np.testing.assert_allclose(
        evaluation.predict_logits(space.largest()),
        alone(supernet, space.largest()),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        evaluation.predict_logits(space.smallest()), expected, atol=1e-6
    )


def test_clips_are_needed():
    with pytest.raises(ValueError, match="at least one clip each.*0 and 10"):
        StagedEvaluation(make_supernet(), CALIBRATION[:0], EVALUATION, 4, 0)
