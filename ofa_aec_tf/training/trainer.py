"""Wires data, models and callbacks into a run that can be resumed."""

import pathlib

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.models.precision import resolve_precision
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training import fitting
from ofa_aec_tf.training import optimization
from ofa_aec_tf.training import teachers
from ofa_aec_tf.training.calibrated_network import CalibratedNetwork
from ofa_aec_tf.training.distiller import NetworkDistiller
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from ofa_aec_tf.training.teacher import load_teacher

_VALIDATION = "validation"


def train(
    config,
    family,
    data_dir,
    dataset,
    directory,
    subnet=None,
    teacher_paths=(),
    stored=None,
    initial_path=None,
    initial_weights=None,
    network_options=(),
):
    """Trains a network or a supernet and saves it.

    A run that was cut off goes on from its last finished epoch; the result is
    that of an uninterrupted run.

    Args:
        config: TrainConfig.
        family: Family.
        data_dir: directory with `dataset.json`.
        dataset: DatasetInfo of that directory.
        directory: the run's working directory.
        subnet: Subnet that is trained (not supernet); None is the largest.
        teacher_paths: paths of the `.keras` files that teach. They and the
            initial one have passed `check_model`.
        stored: StoredLogits to learn from in their place, or None.
        initial_path: path of the `.keras` file that the training starts from,
            of the same network or supernet.
        initial_weights: str. Weights to start with, as
            `networks.load_initial_weights` names them; None is fresh ones.
        network_options: mapping. Further arguments of the family's builder.

    Returns:
        pathlib.Path of the saved model.

    Raises:
        ValueError: if a model or the data cannot be used, such as a damaged
            record.
    """
    directory = pathlib.Path(directory)
    path = directory / workdir.MODEL_NAMES[config.stage]
    if path.is_file():
        # Not again: a `.keras` file holds the time of its writing, and what
        # was made from it would no longer fit it.
        logging.info("%s is finished", path)
        return path
    keras.utils.set_random_seed(config.seed)
    precision = training_precision(config, family, subnet)
    logging.info("computing in %s", precision)
    with precision_scope(precision):
        teacher = _teacher(
            teacher_paths, stored, config, family.score_activation
        )
        calibrated = None
        validation = callbacks.NoValidation()
        validation_batches = _validation_batches(data_dir, dataset, config)
        if config.stage == "supernet":
            model = networks.build_supernet(
                family, algorithm=config.convolution
            )
            if initial_path is not None:
                source = networks.load_supernet(initial_path)
                model.set_weights(source.get_weights())
            sampler = SubnetSampler(
                family.search_space(),
                config.num_subnets,
                config.sampling_rule,
                config.largest_steps,
                config.seed,
            )
            distiller = SupernetDistiller(model, sampler, teacher, config.loss)
            if validation_batches is not None:
                validation = callbacks.SupernetValidation(
                    model,
                    validation_batches,
                    _calibration_batches(data_dir, dataset, config),
                    dataset.class_map,
                    dataset.label_type,
                )
        else:
            model = networks.builders(family).build_training_twin(
                subnet,
                config.convolution,
                block_dropout=config.block_dropout,
                head_dropout=config.head_dropout,
                **dict(network_options),
            )
            if initial_weights is not None:
                networks.load_initial_weights(
                    model, family, initial_weights, subnet
                )
            if initial_path is not None:
                source = load_keras_file(initial_path)
                model.set_weights(source.get_weights())
            network = logits_model(model)
            distiller = NetworkDistiller(
                network, teacher, config.loss, family.score_activation
            )
            if config.calibrate_batch_norm:
                calibrated = CalibratedNetwork(
                    model,
                    family,
                    subnet,
                    _calibration_batches(data_dir, dataset, config),
                )
            if validation_batches is not None:
                how = (
                    family.score_activation,
                    validation_batches,
                    dataset.class_map,
                    dataset.label_type,
                )
                validation = (
                    callbacks.NetworkValidation(network, *how)
                    if calibrated is None
                    else callbacks.CalibratedValidation(calibrated, *how)
                )
    fitting.fit(
        distiller,
        model,
        validation,
        config,
        data_dir,
        dataset,
        directory,
        stored,
    )
    if calibrated is not None:
        calibrated.update()
        model = calibrated.network
    _save(model, path, config, family, subnet, dataset)
    return path


def training_precision(config, family, subnet):
    """The compute type of a run, as `resolve_precision` gives it.

    Args:
        config: TrainConfig.
        family: the model family.
        subnet: Subnet that is trained; None is the largest, or all of them.
    """
    return resolve_precision(config.precision, family.fewest_filters(subnet))


def has_results(directory, stage):
    """Whether a run has saved anything that a later one would go on from."""
    directory = pathlib.Path(directory)
    return (
        tf.train.latest_checkpoint(str(directory / fitting.CHECKPOINTS))
        is not None
    ) or (directory / workdir.MODEL_NAMES[stage]).exists()


def check_data(dataset, config):
    """Refuses a data set that a run could not use to its end.

    Validation clips may be missing, as in a cross-validation, where all that
    do not test train; but not for what needs them.

    Args:
        dataset: DatasetInfo.
        config: TrainConfig.

    Raises:
        ValueError: if the training split is empty, or the validation split
            although the settings need it.
    """
    dataset.split("train")
    if config.num_validation_clips:
        _check_validation(dataset, "--num_validation_clips")
    if config.optimizer.schedule == optimization.PLATEAU:
        _check_validation(dataset, "--schedule=plateau")


def _check_validation(dataset, flag):
    """Refuses what needs validation clips where there are none."""
    if not dataset.has_split(_VALIDATION):
        raise ValueError(
            f"{flag} needs clips to validate on, and this data set has none. "
            "Leave it out, or preprocess with a validation split."
        )


def check_model(path, dataset, is_supernet=False):
    """Refuses a model of other data as a teacher or a start.

    Args:
        path: path of a `.keras` file.
        dataset: DatasetInfo.
        is_supernet: bool. Whether it has to be a supernet, or must not be.

    Raises:
        ValueError: if the model is missing, differs from the data in its
            front end, clip length or classes, or is of the other kind.
    """
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    if (info.details.get("stage") == "supernet") == is_supernet:
        return
    if is_supernet:
        raise ValueError(
            f"{path} is a plain network; a supernet starts from the "
            "`supernet.keras` of another --stage=supernet."
        )
    raise ValueError(
        f"{path} is a supernet; a plain network is needed here. Cut a subnet "
        "out of it with `python -m ofa_aec_tf.materialize`."
    )


def _teacher(paths, stored, config, score_activation):
    if config.loss.label_weight == 1:
        return None
    if stored is not None:
        return teachers.StoredTeacher()
    return teachers.NetworkTeacher(
        [
            load_teacher(
                path,
                ModelInfo.read(path).details,
                score_activation,
                config.convolution,
                config.precision,
            )
            for path in paths
        ]
    )


def _validation_batches(data_dir, dataset, config):
    """The clips to validate on, or None where there are none."""
    if not dataset.has_split(_VALIDATION):
        logging.info("no validation clips: training without validation")
        return None
    return input_pipeline.make_eval_dataset(
        data_dir,
        dataset,
        _VALIDATION,
        config.batch_size,
        config.num_validation_clips or None,
        skip_corrupt=config.skip_corrupt,
    )


def _calibration_batches(data_dir, dataset, config):
    log_mel, _, _ = input_pipeline.load_split(
        data_dir,
        dataset,
        "train",
        max_clips=config.num_calibration_clips,
        seed=config.seed,
        skip_corrupt=config.skip_corrupt,
    )
    return batch_norm_calibration.split_into_batches(log_mel, config.batch_size)


def _save(model, path, config, family, subnet, dataset):
    space = family.search_space()
    trained = space.largest() if subnet is None else space.subnet(subnet)
    with precision_scope("float32"):
        if config.stage == "supernet":
            saved = networks.build_supernet(
                family, algorithm=config.convolution
            )
            saved.set_weights(model.get_weights())
        else:
            saved = networks.builders(family).to_plain_network(model, subnet)
    details = {
        "stage": config.stage,
        "seed": config.seed,
        "family": family.record(),
        "complexity": family.complexity(trained, dataset.num_frames).to_json(),
    }
    if config.stage != "supernet":
        details["subnet"] = dict(trained)
    ModelInfo.for_dataset(dataset, **details).write(path)
    # The model last and at once: its presence means a finished run.
    save_keras_file(saved, path)


def configure_determinism(deterministic):
    """Makes TensorFlow's operations repeatable bit for bit, and slower.

    Args:
        deterministic: bool.
    """
    if deterministic:
        tf.config.experimental.enable_op_determinism()
