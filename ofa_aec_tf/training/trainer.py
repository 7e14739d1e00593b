"""Wires data, models and callbacks into a run that can be resumed."""

import pathlib
import sys

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf import workdir
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.models import registry
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.models.precision import resolve_precision
from ofa_aec_tf.models.teacher import load_teacher
from ofa_aec_tf.models.training_twin import build_training_twin
from ofa_aec_tf.models.training_twin import to_plain_network
from ofa_aec_tf.training import averaging
from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training import optimization
from ofa_aec_tf.training import teachers
from ofa_aec_tf.training.calibrated_network import CalibratedNetwork
from ofa_aec_tf.training.distiller import NetworkDistiller
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.subnet_sampler import SubnetSampler

_CHECKPOINTS = "checkpoints"
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
        family: the model family, such as Cnn10Family.
        data_dir: directory with `dataset.json`.
        dataset: DatasetInfo of that directory.
        directory: the run's working directory.
        subnet: Subnet that is trained (not supernet); None is the largest.
        teacher_paths: paths of the `.keras` files that teach.
        stored: StoredLogits to learn from in their place, or None.
        initial_path: path of the `.keras` file that a fine-tuning starts from.
        initial_weights: str. Weights to start with, as
            `registry.load_initial_weights` names them; None is fresh ones.
        network_options: mapping. Further arguments of the family's builder.

    Returns:
        pathlib.Path of the saved model.

    Raises:
        ValueError: if a model or the data cannot be used, such as a damaged
            record.
    """
    for model_path in (*teacher_paths, initial_path):
        check_model(model_path, dataset)
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
            model = registry.build_supernet(
                family, algorithm=config.convolution
            )
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
            model = build_training_twin(
                family,
                subnet,
                config.convolution,
                block_dropout=config.block_dropout,
                head_dropout=config.head_dropout,
                **dict(network_options),
            )
            if initial_weights is not None:
                registry.load_initial_weights(
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
    _fit(
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
    return (directory / _CHECKPOINTS).exists() or (
        directory / workdir.MODEL_NAMES[stage]
    ).exists()


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


def check_model(path, dataset):
    """Refuses a model of other data as a teacher or a start.

    Args:
        path: path of a `.keras` file, or None.
        dataset: DatasetInfo.

    Raises:
        ValueError: if the model is missing, or differs from the data in its
            front end, clip length or classes.
    """
    if path is None:
        return
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    if info.details.get("stage") == "supernet":
        raise ValueError(
            f"{path} is a supernet; a plain network is needed here. Cut a "
            "subnet out of it with `python -m ofa_aec_tf.materialize`."
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


def _average(distiller, model, validation, config):
    """The callback that averages weights, or None."""
    if config.optimizer.ema_decay:
        return averaging.MovingAverage(
            model,
            distiller.optimizer,
            distiller.trainable_variables,
            validation,
            config.optimizer.ema_decay,
        )
    if config.average_from_epoch:
        return averaging.EpochAverage(
            model, validation, config.average_from_epoch
        )
    return None


def _fit(
    distiller, model, validation, config, data_dir, dataset, directory, stored
):
    rate = optimization.learning_rate(
        config.optimizer, config.num_steps, config.steps_per_epoch
    )
    optimizer = optimization.make_optimizer(config.optimizer, rate)
    distiller.compile(optimizer=optimizer, jit_compile=False)
    # With float16 another one, which scales the loss and has state of its own.
    distiller.optimizer.build(distiller.trainable_variables)
    average = _average(distiller, model, validation, config)
    epoch_callbacks = [validation if average is None else average]
    variables = [] if average is None else list(average.variables)
    if config.optimizer.schedule == optimization.PLATEAU:
        plateau = callbacks.Plateau(
            rate,
            config.optimizer.decay_factor,
            config.optimizer.plateau_patience,
            validation.map_names,
        )
        epoch_callbacks.append(plateau)
        variables += plateau.variables
    resumable = callbacks.ResumableTraining(
        distiller, directory / _CHECKPOINTS, variables
    )
    num_finished_epochs = resumable.restore()
    if num_finished_epochs:
        logging.info(
            "going on after epoch %d of %d",
            num_finished_epochs,
            config.num_epochs,
        )
    if num_finished_epochs < config.num_epochs:
        epoch_callbacks += [
            callbacks.history_logger(directory, num_finished_epochs),
            keras.callbacks.TensorBoard(
                str(directory / "tensorboard"), write_graph=False
            ),
            # Last: an epoch counts as finished once all else logged it.
            resumable,
        ]
        batches = input_pipeline.make_train_dataset(
            data_dir,
            dataset,
            config.batch_size,
            num_finished_epochs * config.steps_per_epoch,
            config.num_steps,
            config.seed,
            config.augmentation,
            sampling=config.sampling,
            skip_corrupt=config.skip_corrupt,
            stored=stored,
        )
        with input_pipeline.reading_errors():
            distiller.fit(
                batches,
                epochs=config.num_epochs,
                initial_epoch=num_finished_epochs,
                steps_per_epoch=config.steps_per_epoch,
                shuffle=False,
                verbose=1 if sys.stdout.isatty() else 2,
                callbacks=epoch_callbacks,
            )
    if average is not None:
        average.apply()


def _save(model, path, config, family, subnet, dataset):
    space = family.search_space()
    trained = space.largest() if subnet is None else space.subnet(subnet)
    with precision_scope("float32"):
        if config.stage == "supernet":
            saved = registry.build_supernet(family)
            saved.set_weights(model.get_weights())
        else:
            saved = to_plain_network(model, family, subnet)
    details = {
        "stage": config.stage,
        "seed": config.seed,
        "family": {"name": family.name, **family.to_json()},
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
