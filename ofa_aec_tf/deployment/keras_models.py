"""Loads `.keras` files of plain networks, for export and prediction."""

import pathlib

import keras


def load_network(path):
    """Loads a plain network from log-mel spectrograms to scores.

    Args:
        path: path of a `.keras` file of stock Keras layers, such as
            materialize and the teacher stage of train write.

    Returns:
        keras.Model with one input of shape (batch, num_frames, num_mel_bins)
        and one output of shape (batch, num_classes), not compiled.

    Raises:
        ValueError: if the file is missing or broken, or holds something else,
            such as a supernet.
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
            f"{path} is not a model of stock Keras layers. If it is a "
            "supernet, take a subnet from it with `python -m "
            f"ofa_aec_tf.materialize`. Keras reports: {reason}"
        ) from error
    shapes = [
        getattr(model, f"{end}_shape", None) for end in ("input", "output")
    ]
    ranks = [len(s) if isinstance(s, tuple) else None for s in shapes]
    if ranks != [3, 2]:
        raise ValueError(
            f"{path} must hold a network from (batch, num_frames, "
            "num_mel_bins) to (batch, num_classes). Received: a "
            f"{type(model).__name__} from {shapes[0]} to {shapes[1]}. If it is "
            "a supernet, take a subnet from it with `python -m "
            "ofa_aec_tf.materialize`."
        )
    return model
