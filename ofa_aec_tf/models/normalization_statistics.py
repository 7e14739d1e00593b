"""Measures and sets batch normalization statistics of plain networks."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class NetworkStep:
    """A part of a plain network, from one batch normalization to the next.

    Args:
        layer: the keras.layers.BatchNormalization that it ends at.
        run: function from the features that the step before has returned to
            `(features, (mean, variance))`, the moments of the input of
            `layer`. It computes as in inference, with the statistics that the
            layers have when it is called.
    """

    layer: keras.layers.BatchNormalization
    run: Callable


@dataclasses.dataclass(frozen=True)
class _Call:
    """A call of a layer in a network, by symbolic tensors."""

    layer: keras.Layer
    arguments: tuple
    outputs: object

    def inputs(self):
        return _symbolic(self.arguments)

    def run(self, values):
        """Calls the layer on its inputs in `values`, and adds its outputs."""
        arguments, keywords = keras.tree.map_structure(
            lambda value: (
                values[id(value)]
                if isinstance(value, keras.KerasTensor)
                else value
            ),
            self.arguments,
        )
        outputs = self.layer(*arguments, **keywords)
        for name, value in zip(
            _symbolic(self.outputs), keras.tree.flatten(outputs)
        ):
            values[id(name)] = value


def _symbolic(structure):
    return [
        value
        for value in keras.tree.flatten(structure)
        if isinstance(value, keras.KerasTensor)
    ]


def network_steps(network):
    """The parts of a network that end at its batch normalizations.

    Args:
        network: keras.Model of stock layers, functional, with one input.

    Returns:
        list of NetworkStep. The first one takes a tensor as the network does;
        features are dicts of tensors.

    Raises:
        ValueError: if the network has no batch normalization.
    """
    calls = []

    def record(layer, *arguments, **keywords):
        outputs = layer(*arguments, **keywords)
        calls.append(_Call(layer, (arguments, keywords), outputs))
        return outputs

    clone = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=record
    )
    last_uses = {
        id(tensor): index
        for index, call in enumerate(calls)
        for tensor in call.inputs()
    }
    ends = [
        index
        for index, call in enumerate(calls)
        if isinstance(call.layer, keras.layers.BatchNormalization)
    ]
    if not ends:
        raise ValueError(
            f"The network {network.name!r} has no batch normalization whose "
            "statistics could be estimated."
        )
    return [
        NetworkStep(
            calls[end].layer,
            functools.partial(
                _run_calls,
                source,
                calls[start:end],
                calls[end],
                {name for name, last in last_uses.items() if last >= end},
            ),
        )
        for source, start, end in zip(
            [clone.inputs[0]] + [None] * len(ends), [0, *ends], ends
        )
    ]


def _run_calls(network_input, calls, end, needed, features):
    """Runs calls, and measures the input of the last one, `end`."""
    if network_input is None:
        values = dict(features)
    else:
        values = {id(network_input): features}
    for call in calls:
        call.run(values)
    (measured,) = (values[id(tensor)] for tensor in end.inputs())
    rank = len(measured.shape)
    moments = ops.moments(
        ops.cast(measured, "float32"),
        [axis for axis in range(rank) if axis != end.layer.axis % rank],
    )
    return {name: values[name] for name in values if name in needed}, moments


def set_moments(network, moments):
    """Sets the statistics of the batch normalizations of a network.

    Args:
        network: keras.Model of stock layers.
        moments: dict from their names to `(mean, variance)`, arrays over all
            channels or more, of which the first count.

    Raises:
        ValueError: if one is missing.
    """
    for layer in network.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        if layer.name not in moments:
            raise ValueError(
                "`moments` must hold the statistics of every batch "
                f"normalization. Missing: {layer.name}"
            )
        (num_channels,) = layer.moving_mean.shape
        mean, variance = moments[layer.name]
        layer.moving_mean.assign(np.asarray(mean)[:num_channels])
        layer.moving_variance.assign(np.asarray(variance)[:num_channels])
