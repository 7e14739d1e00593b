import numpy as np
import pytest

from ofa_aec_tf.deployment import parity


def test_differences_are_those_computed_by_hand():
    result = parity.compare([[0.5, 0.2]], [[0.75, 0.1]])
    assert result.num_clips == 1
    assert result.max_score_difference == pytest.approx(0.25)
    assert result.mean_score_difference == pytest.approx(0.175)
    # Logits ln(p / (1 - p)): 0 and ln(1/4) against ln(3) and ln(1/9).
    signal = np.log(4) ** 2
    noise = np.log(3) ** 2 + (np.log(9) - np.log(4)) ** 2
    assert result.logit_snr_db == pytest.approx(10 * np.log10(signal / noise))


def test_equal_scores_have_no_signal_to_noise_ratio():
    result = parity.compare([[0.5, 0.2]], [[0.5, 0.2]])
    assert result.max_score_difference == 0
    assert result.logit_snr_db is None


def test_reference_without_signal_has_no_ratio():
    assert parity.compare([[0.5]], [[0.6]]).logit_snr_db is None


def test_small_scores_weigh_like_large_ones_in_the_logits():
    large = parity.compare([[0.5, 0.9]], [[0.5, 0.8]])
    small = parity.compare([[0.5, 0.1]], [[0.5, 0.2]])
    assert small.logit_snr_db == pytest.approx(large.logit_snr_db)


def test_last_bit_next_to_one_hardly_counts():
    below_one = np.nextafter(np.float32(1), np.float32(0))
    reference = np.array([[below_one, 0.01]], np.float32)
    scores = np.array([[1.0, 0.01]], np.float32)
    assert (parity.compare(reference, scores).logit_snr_db or 200) > 60


def test_scores_that_vanished_are_seen():
    result = parity.compare([[1e-4, 0.5]], [[0.0, 0.5]])
    assert result.max_score_difference == pytest.approx(1e-4)
    assert result.logit_snr_db < 5


def test_report_has_the_names_of_the_fields():
    assert set(parity.compare([[0.5]], [[0.6]]).to_json()) == {
        "num_clips",
        "max_score_difference",
        "mean_score_difference",
        "logit_snr_db",
    }


def test_other_shapes_are_refused_naming_both():
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3\)"):
        parity.compare(np.zeros((1, 2)), np.zeros((1, 3)))


def test_no_clips_are_refused():
    with pytest.raises(ValueError, match="at least one clip"):
        parity.compare(np.zeros((0, 2)), np.zeros((0, 2)))


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 2 new scores are not finite"):
        parity.compare([[0.5, 0.5]], [[np.nan, 0.5]])


def test_copy_may_differ_by_rounding_and_no_more():
    scores = np.full((2, 3), 0.5)
    parity.check_copy(scores, scores + 9e-6, "The copy")
    with pytest.raises(ValueError, match="The copy must .* differ by 1.1e-05"):
        parity.check_copy(scores, scores + 1.1e-5, "The copy")
