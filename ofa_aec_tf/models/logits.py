"""What every plain network of this project has: a layer named `logits`."""

import keras

LOGITS_LAYER = "logits"
SCORES_LAYER = "scores"


def logits_model(model):
    """The same network, shared weights, with logits as its output.

    Args:
        model: keras.Model with a layer named `logits`.

    Returns:
        keras.Model.

    Raises:
        ValueError: if there is no such layer.
    """
    return keras.Model(model.input, model.get_layer(LOGITS_LAYER).output)
