"""Loads `.keras` files of plain networks, for export and prediction."""

from ofa_aec_tf.families.networks import load_model


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
    model = load_model(path)
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
