import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from tests.deployment import small_models


def test_batch_equals_its_clips_one_by_one(exported, clips):
    runner = exported["float32"].runner
    together = runner.predict(clips[:3])
    apart = [runner.predict(clip[np.newaxis])[0] for clip in clips[:3]]
    assert together.shape == (3, small_models.NUM_CLASSES)
    np.testing.assert_array_equal(together, apart)


def test_results_do_not_share_memory_with_later_ones(exported, clips):
    runner = exported["float32"].runner
    first = runner.predict(clips[:1])
    kept = first.copy()
    runner.predict(clips[1:2])
    np.testing.assert_array_equal(first, kept)


def test_file_equals_its_bytes(exported, clips, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(exported["int8"].content)
    np.testing.assert_array_equal(
        TFLiteModel(path).predict(clips[:2]),
        TFLiteModel(path.read_bytes()).predict(clips[:2]),
    )


def test_float64_clips_and_more_threads_change_nothing(exported, clips):
    runner = TFLiteModel(exported["float32"].content, num_threads=2)
    np.testing.assert_allclose(
        runner.predict(clips[:2].astype(np.float64)),
        exported["float32"].runner.predict(clips[:2]),
        atol=1e-6,
    )


def test_no_clips_give_no_scores(exported):
    scores = exported["float32"].runner.predict(np.zeros((0, 101, 64)))
    assert scores.shape == (0, small_models.NUM_CLASSES)


@pytest.mark.parametrize("shape", [(2, 100, 64), (101, 64), (1, 64, 101), ()])
def test_other_shapes_are_refused_naming_both(exported, shape):
    with pytest.raises(ValueError) as caught:
        exported["float32"].runner.predict(np.zeros(shape))
    assert "clips of shape (101, 64)" in str(caught.value)
    assert f"shape {shape}" in str(caught.value)


def test_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="no TFLite file .*absent.tflite"):
        TFLiteModel(tmp_path / "absent.tflite")


def test_file_that_is_no_model_is_refused_by_name(tmp_path):
    path = tmp_path / "text.tflite"
    path.write_text("not a model, but longer than a header")
    with pytest.raises(ValueError, match="cannot load .*text.tflite"):
        TFLiteModel(path)


def test_truncated_file_is_refused(exported):
    content = exported["float32"].content
    with pytest.raises(ValueError, match="cannot load the TFLite model"):
        TFLiteModel(content[: len(content) // 2])


def test_loading_prints_nothing(exported, capfd):
    TFLiteModel(exported["int8"].content)
    assert capfd.readouterr() == ("", "")
