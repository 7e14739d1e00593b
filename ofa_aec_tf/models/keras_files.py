"""Reading and writing `.keras` files."""

import pathlib

import keras


def load_keras_file(path):
    """Loads a `.keras` file.

    Args:
        path: path of the file.

    Returns:
        keras.Model, not compiled.

    Raises:
        ValueError: if the file is missing or broken.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There is no model file {path}.")
    try:
        return keras.models.load_model(path, compile=False)
    # Keras has no error of its own for a broken file: what is raised is what
    # the ZIP, JSON or HDF5 reader, or an unknown class, happened to raise.
    except Exception as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(
            f"{path} cannot be loaded as a Keras model. Write it again with "
            f"the command that made it. Keras reports: {reason}"
        ) from error


def save_keras_file(model, path):
    """Saves a model so that `path` is there only when it is whole.

    Args:
        model: keras.Model.
        path: path of a `.keras` file, in an existing directory.
    """
    path = pathlib.Path(path)
    unfinished = path.with_name(f"unfinished-{path.name}")
    model.save(unfinished)
    unfinished.replace(path)
