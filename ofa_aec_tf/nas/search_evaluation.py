"""Evaluation for `search`: what subnets lose when they are quantized."""

from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.nas import subnet_evaluator


def make_int8_evaluator(
    supernet,
    calibration_clips,
    log_mel,
    labels,
    class_map,
    label_type,
    batch_size,
    calibration,
):
    """Function from a subnet to the mAP of its int8 file.

    The subnet is cut out, converted as `export` does it and run by LiteRT.

    Args:
        supernet: Supernet.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), training clips, for batch normalization and for the
            ranges of the activations.
        log_mel: float32 array of the same shape but for the number of clips:
            what subnets are compared on, never training clips.
        labels: array of 0 and 1 of shape (num_clips, num_classes).
        class_map: ClassMap.
        label_type: `"multi_label"` or `"single_label"`.
        batch_size: int. Clips a step of the calibration.
        calibration: one of `subnet_evaluator.CALIBRATIONS`.

    Returns:
        Function from a Subnet to a float, or None where mAP is undefined.
    """
    batches = batch_norm_calibration.split_into_batches(
        calibration_clips, batch_size
    )
    _, num_frames, num_mel_bins = log_mel.shape

    def evaluate_int8(subnet):
        source = subnet
        if calibration == subnet_evaluator.LARGEST:
            source = supernet.family.search_space().largest()
        moments = batch_norm_calibration.calibrate(supernet, source, batches)
        model = converter.float32_model(
            materialize_subnet(supernet, subnet, moments)
        )
        content = converter.convert(
            model,
            num_frames,
            num_mel_bins,
            converter.INT8,
            calibration_clips,
        )
        scores = runner.TFLiteModel(content).predict(log_mel)
        return evaluator.evaluate_scores(
            metrics.scores_to_logits(scores), labels, class_map, label_type
        )["mAP"]

    return evaluate_int8
