import pytest

from ofa_aec_tf.search_space import complexity


def test_a_convolution_costs_its_kernel_at_every_position():
    cost = complexity.conv2d_cost(
        "conv", 3, in_channels=2, out_channels=5, height=7, width=4
    )
    assert cost.parameters == 3 * 3 * 2 * 5
    assert cost.macs == 90 * 28
    assert cost.input_elements == 2 * 28
    assert cost.output_elements == 5 * 28


def test_a_dense_layer_has_a_bias_but_no_macs_for_it():
    cost = complexity.dense_cost("dense", 10, 4)
    assert (cost.parameters, cost.macs) == (44, 40)
    assert (cost.input_elements, cost.output_elements) == (10, 4)


def test_batch_normalization_has_a_scale_and_an_offset_and_is_free():
    cost = complexity.batch_normalization_cost("bn", 6)
    assert (cost.parameters, cost.macs) == (12, 0)


def test_an_activation_has_no_parameters_and_no_macs():
    cost = complexity.activation_cost("pool", 12, 3)
    assert (cost.parameters, cost.macs) == (0, 0)
    assert (cost.input_elements, cost.output_elements) == (12, 3)


def test_the_total_adds_up_and_its_peak_is_that_of_one_layer():
    total = complexity.total_complexity(
        [
            complexity.LayerCost("a", 1, 10, 100, 50),
            complexity.LayerCost("b", 2, 20, 50, 130),
            complexity.LayerCost("c", 4, 40, 30, 10),
        ],
        input_elements=25,
    )
    # Layer b holds 180 numbers, besides 25 in float32.
    assert total.to_json() == {
        "parameters": 7,
        "macs": 70,
        "peak_activation_bytes": 820,
        "int8_peak_activation_bytes": 280,
    }


def test_what_stays_float_takes_as_much_in_int8():
    total = complexity.total_complexity(
        [
            complexity.activation_cost("quantized", 100, 99),
            complexity.activation_cost("scores", 30, 20, stays_float=True),
        ],
        input_elements=10,
    )
    assert total.peak_activation_bytes == 4 * (10 + 199)
    assert total.int8_peak_activation_bytes == 4 * (10 + 50)


def test_cost_names_are_the_keys_of_a_complexity():
    total = complexity.total_complexity([complexity.dense_cost("d", 1, 1)], 1)
    assert tuple(total.to_json()) == complexity.COST_NAMES


@pytest.mark.parametrize("name", complexity.COST_NAMES)
def test_a_wider_layer_costs_more_in_every_way(name):
    narrow, wide = (
        complexity.total_complexity(
            [complexity.conv2d_cost("conv", 3, 4, filters, 8, 8)], 256
        ).to_json()
        for filters in (4, 5)
    )
    assert wide[name] > narrow[name]
