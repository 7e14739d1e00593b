"""Starts an EfficientNet with weights of keras.applications."""

import pathlib

import keras

from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.families.image_weights import HUB_PREFIX
from ofa_aec_tf.families.image_weights import IMAGENET
from ofa_aec_tf.families.image_weights import first_line
from ofa_aec_tf.families.image_weights import one_channel
from ofa_aec_tf.families.image_weights import transposed
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.network_input import INPUT
from ofa_aec_tf.models.transfer import assign


def load_efficientnet_weights(network, family, source):
    """Starts an EfficientNet with weights of keras.applications.

    The classifier and the normalization of the input stay as they are.

    Args:
        network: keras.Model of `build_efficientnet`.
        family: EfficientNetFamily.
        source: str. `imagenet`, which is downloaded; or the path of a `.keras`
            file of an EfficientNet, or of an `.h5` file with the weights of
            one without its classifier.

    Raises:
        ValueError: if there are no such weights, or they are of a network of
            another size.
    """
    image_model = _load_efficientnet(family, source)
    by_name = {layer.name: layer for layer in image_model.layers}
    if INPUT in by_name:
        # Its kernels are turned already.
        raise ValueError(
            f"{source} is no image model, but one for sounds without its "
            "record. Keep `X.json` beside `X.keras` when you move it."
        )
    for layer in network.layers:
        if not layer.weights or layer.name in ("input_bn", "logits"):
            continue
        if layer.name not in by_name:
            raise ValueError(
                f"{source} is no EfficientNet of keras.applications of this "
                f"depth: it has no layer `{layer.name}`."
            )
        values = [
            transposed(value) if value.ndim == 4 else value
            for value in by_name[layer.name].get_weights()
        ]
        if layer.name == "stem_conv":
            values = [one_channel(value) for value in values]
        assign(layer, values, source)


def _load_efficientnet(family, source):
    if source.startswith(HUB_PREFIX):
        raise ValueError(
            "Weights of an EfficientNet are those of keras.applications: "
            f"`{IMAGENET}` or a file. Received: {source}"
        )
    if source.endswith(".keras"):
        return load_keras_file(source)
    if source != IMAGENET and not pathlib.Path(source).is_file():
        raise ValueError(f"There is no file of weights {source}.")
    sizes = EfficientNetFamily.sizes.values
    names = [
        name
        for name, size in sizes.items()
        if all(getattr(family, field) == size[field] for field in size)
    ]
    if not names:
        raise ValueError(
            f"Only {' and '.join(sizes)} have weights of image models but for "
            "those in a `.keras` file. Received: coefficients of width and "
            f"depth of {family.width_coefficient, family.depth_coefficient}"
        )
    name = f"EfficientNet{names[0].upper()}"
    build = getattr(keras.applications, name)
    try:
        return build(include_top=False, weights=source)
    # What is raised is what the download or the reader happened to raise.
    except Exception as error:
        raise ValueError(
            f"The EfficientNet weights {source} cannot be loaded. If they are "
            "to be downloaded, download them where there is a network and "
            f"name the file. Keras reports: {first_line(error)}"
        ) from error
