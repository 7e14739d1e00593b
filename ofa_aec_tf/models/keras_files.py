"""Reading and writing `.keras` files."""

import pathlib

import keras

from ofa_aec_tf.checks.finite import check_finite


def check_weights(model, owner, remedy):
    """Refuses a model with weights that are NaN or infinite.

    Args:
        model: keras.Model.
        owner: as for `finite.check_finite`.
        remedy: likewise.

    Raises:
        NotFiniteError: naming some of these weights.
    """
    check_finite(
        {weight.path: weight.numpy() for weight in model.weights},
        owner,
        remedy,
    )


def load_keras_file(path):
    """Loads a `.keras` file.

    Args:
        path: path of the file.

    Returns:
        keras.Model, not compiled.

    Raises:
        ValueError: if the file is missing or broken, or holds weights that
            are NaN or infinite.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There is no model file {path}.")
    try:
        model = keras.models.load_model(path, compile=False)
    # Keras has no error of its own for a broken file: what is raised is what
    # the ZIP, JSON or HDF5 reader, or an unknown class, happened to raise.
    except Exception as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"{path} cannot be loaded as a Keras model. Write it again with "
            f"the command that made it. Keras reports: {reason}"
        ) from error
    check_weights(
        model,
        path,
        "Its training diverged, or the file is damaged: train it again with a "
        "lower --learning_rate, or use another model.",
    )
    return model


def save_keras_file(model, path):
    """Saves a model atomically: `path` never holds an incomplete file.

    Args:
        model: keras.Model.
        path: path of a `.keras` file, in an existing directory.

    Raises:
        NotFiniteError: if its weights are NaN or infinite.
        OSError: if it cannot be written, as on a full disk.
    """
    path = pathlib.Path(path)
    check_weights(
        model,
        f"What was to be {path}",
        "Nothing was saved. Train again with a lower --learning_rate.",
    )
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        model.save(unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error}. Start the same command again "
            "when it can."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
