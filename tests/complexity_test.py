import pytest

from ofa_aec_tf import complexity


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


def test_the_total_adds_up_and_its_peak_is_that_of_one_layer():
    total = complexity.total_complexity(
        [
            complexity.LayerCost("a", 1, 10, 100, 50),
            complexity.LayerCost("b", 2, 20, 50, 130),
            complexity.LayerCost("c", 4, 40, 30, 10),
        ]
    )
    # Layer b holds 180 float32 numbers.
    assert total.to_json() == {
        "parameters": 7,
        "macs": 70,
        "peak_activation_bytes": 720,
    }


def test_cost_names_are_the_keys_of_a_complexity():
    total = complexity.total_complexity([complexity.dense_cost("d", 1, 1)])
    assert tuple(total.to_json()) == complexity.COST_NAMES


@pytest.mark.parametrize("name", complexity.COST_NAMES)
def test_a_wider_layer_costs_more_in_every_way(name):
    narrow, wide = (
        complexity.total_complexity(
            [complexity.conv2d_cost("conv", 3, 4, filters, 8, 8)]
        ).to_json()
        for filters in (4, 5)
    )
    assert wide[name] > narrow[name]
