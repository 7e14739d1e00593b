"""3x3 convolution with a third of the multiplications, or a quarter.

Winograd's minimal filtering: a tile of outputs is computed from transformed
inputs and a transformed kernel, point by point. On a CPU whose direct
convolution already runs at the speed of its matrix product, fewer
multiplications are the only way to be faster.

All heavy work is in matrix products: the transforms are one product with a
small constant matrix each, and the points are one batch of products. Channels
may be dynamic, so that the slices of a supernet need one trace.

Reference: Lavin and Gray, arXiv 1509.09308; on the choice of points arXiv
1803.10986. They are symmetric around 0 and near 1 in size: in bfloat16 the
usual 0, 1, -1, 2, -2 cost half as much error again. An output has about three
times the rounding error of direct convolution, in either type.
"""

import fractions
import functools

import numpy as np
import tensorflow as tf

NUM_TAPS = 3

# Interpolation points by the outputs of a tile, without the point at infinity.
# All entries of the transforms of inputs and outputs, and of those of a 4x2
# tile, are exact in bfloat16.
_POINTS = {
    2: (0, 1, -1),
    4: (
        0,
        fractions.Fraction(3, 4),
        fractions.Fraction(-3, 4),
        fractions.Fraction(3, 2),
        fractions.Fraction(-3, 2),
    ),
}


def minimal_filtering(num_outputs):
    """The matrices of the 1D algorithm F(num_outputs, 3).

    The correlation of `inputs` (num_outputs + 2 numbers) with `kernel` (3
    numbers) is `output @ ((kernel_ @ kernel) * (input_ @ inputs))`.

    Args:
        num_outputs: int, 2 or 4. Outputs of a tile.

    Returns:
        `(input_, kernel_, output)`, float64 arrays of shapes (points, points),
        (points, 3) and (num_outputs, points), with num_outputs + 2 points.

    Reference: Toom-Cook interpolation, as in arXiv 1803.10986, section 2.
    """
    points = [fractions.Fraction(point) for point in _POINTS[num_outputs]]

    def vanishing_at(roots):
        """Coefficients, constant first, of the product of (x - root)."""
        coefficients = [fractions.Fraction(1)]
        for root in roots:
            shifted = [fractions.Fraction(0), *coefficients]
            scaled = [*(root * c for c in coefficients), fractions.Fraction(0)]
            coefficients = [a - b for a, b in zip(shifted, scaled)]
        return coefficients

    inputs, kernel, output = [], [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = np.prod([point - other for other in others])
        inputs.append([*vanishing_at(others), 0])
        kernel.append([point**power / scale for power in range(NUM_TAPS)])
        output.append([point**power for power in range(num_outputs)])
    inputs.append(vanishing_at(points))
    kernel.append([0] * (NUM_TAPS - 1) + [1])
    output.append([0] * (num_outputs - 1) + [1])
    return (
        np.array(inputs, np.float64),
        np.array(kernel, np.float64),
        np.array(output, np.float64).T,
    )


class _Tile:
    """The 2D algorithm: matrices over flattened tiles, points first.

    Args:
        rows: int. Output rows of a tile.
        columns: int. Output columns of a tile.
    """

    def __init__(self, rows, columns):
        self.rows = rows
        self.columns = columns
        input_rows, kernel_rows, output_rows = minimal_filtering(rows)
        input_columns, kernel_columns, output_columns = minimal_filtering(
            columns
        )
        self.num_points = len(input_rows) * len(input_columns)
        self.input = np.kron(input_rows, input_columns)
        self.kernel = np.kron(kernel_rows, kernel_columns)
        # The gradient of the inputs is a convolution with the kernel turned
        # by half a circle.
        self.turned_kernel = np.kron(
            kernel_rows[:, ::-1], kernel_columns[:, ::-1]
        )
        self.output = np.kron(output_rows, output_columns)
        # Takes patches to the gradients of the products: a tile is the inner
        # part of its patch.
        output_gradient = np.zeros((self.num_points, self.num_points))
        inner = np.zeros((rows + 2, columns + 2), bool)
        inner[1:-1, 1:-1] = True
        output_gradient[:, inner.ravel()] = self.output.T
        self.gradient = np.concatenate([self.input, output_gradient])


@functools.cache
def _tile(rows, columns):
    return _Tile(rows, columns)


class _Grid:
    """The positions of the tiles of a batch.

    Args:
        inputs: tensor of shape (batch, height, width, channels).
        tile: _Tile.
    """

    def __init__(self, inputs, tile):
        self._tile = tile
        self._batch, self._height, self._width = tf.unstack(
            tf.shape(inputs)[:3]
        )
        self._tile_rows = -(-self._height // tile.rows)
        self._tile_columns = -(-self._width // tile.columns)
        self.num_tiles = self._batch * self._tile_rows * self._tile_columns

    def patches(self, inputs):
        """Overlapping patches, zero beyond the borders.

        Returns:
            Tensor of shape (points, tiles * channels).
        """
        tile = self._tile
        height = self._tile_rows * tile.rows + 2
        width = self._tile_columns * tile.columns + 2
        padded = tf.pad(
            inputs,
            [
                [0, 0],
                [1, height - 1 - self._height],
                [1, width - 1 - self._width],
                [0, 0],
            ],
        )

        def along(size, axis):
            shape = [1] * 5
            shape[axis] = -1
            return tf.reshape(tf.range(size), shape)

        # Axes: row and column in the patch, clip, row and column of tiles.
        rows = along(tile.rows + 2, 0) + along(self._tile_rows, 3) * tile.rows
        columns = (
            along(tile.columns + 2, 1)
            + along(self._tile_columns, 4) * tile.columns
        )
        positions = (along(self._batch, 2) * height + rows) * width + columns
        channels = tf.shape(inputs)[3]
        gathered = tf.gather(
            tf.reshape(padded, (_batch_positions(padded), channels)),
            tf.reshape(positions, (-1,)),
        )
        return tf.reshape(
            gathered, (tile.num_points, self.num_tiles * channels)
        )

    def assemble(self, tiles, channels):
        """The inverse of cutting into tiles.

        Args:
            tiles: tensor of shape (rows * columns of a tile, tiles * channels).
            channels: scalar int32 tensor or int.

        Returns:
            Tensor of shape (batch, height, width, channels).
        """
        tile = self._tile
        row = tf.range(self._height)[None, :, None]
        column = tf.range(self._width)[None, None, :]
        clip = tf.range(self._batch)[:, None, None]
        in_tile = row % tile.rows * tile.columns + column % tile.columns
        number = (
            clip * self._tile_rows + row // tile.rows
        ) * self._tile_columns + column // tile.columns
        return tf.gather(
            tf.reshape(tiles, (-1, channels)), in_tile * self.num_tiles + number
        )


def _batch_positions(images):
    """Positions of all images of a batch together, a scalar int32 tensor."""
    return tf.reduce_prod(tf.shape(images)[:3])


def _product(matrix, tensor):
    return tf.linalg.matmul(tf.constant(matrix, tensor.dtype), tensor)


def _kernel_points(matrix, kernel, dtype):
    """Shape (points, in_channels, filters); computed in float32."""
    shape = tf.shape(kernel)
    taps = tf.reshape(
        tf.cast(kernel, tf.float32), (NUM_TAPS * NUM_TAPS, shape[2] * shape[3])
    )
    points = tf.reshape(
        _product(matrix, taps), (len(matrix), shape[2], shape[3])
    )
    return tf.cast(points, dtype)


def transform_kernel(kernel, tile_rows, tile_columns, dtype):
    """Transforms a constant kernel for `convolve_points`.

    Args:
        kernel: tensor of shape (3, 3, in_channels, filters).
        tile_rows: int, 2 or 4. Output rows of a tile.
        tile_columns: int, 2 or 4. Output columns of a tile.
        dtype: str. Type of the inputs to come.

    Returns:
        Tensor of shape (points, in_channels, filters).
    """
    return _kernel_points(_tile(tile_rows, tile_columns).kernel, kernel, dtype)


def _forward(inputs, kernel_points, tile):
    """Outputs, the grid of tiles and the transformed inputs."""
    grid = _Grid(inputs, tile)
    in_channels, filters = tf.unstack(tf.shape(kernel_points)[1:])
    input_points = tf.reshape(
        _product(tile.input, grid.patches(inputs)),
        (tile.num_points, grid.num_tiles, in_channels),
    )
    products = tf.linalg.matmul(input_points, kernel_points)
    outputs = grid.assemble(
        _product(tile.output, tf.reshape(products, (tile.num_points, -1))),
        filters,
    )
    return outputs, grid, input_points


def convolve_points(inputs, kernel_points, tile_rows, tile_columns):
    """`winograd_conv2d` with a transformed kernel, for inference.

    Args:
        inputs: tensor of shape (batch, height, width, in_channels).
        kernel_points: tensor of `transform_kernel` with the same tile.
        tile_rows: int, 2 or 4.
        tile_columns: int, 2 or 4.

    Returns:
        Tensor of shape (batch, height, width, filters).
    """
    outputs, _, _ = _forward(
        inputs, kernel_points, _tile(tile_rows, tile_columns)
    )
    outputs.set_shape((*inputs.shape[:3], kernel_points.shape[2]))
    return outputs


def winograd_conv2d(inputs, kernel, tile_rows, tile_columns):
    """3x3 convolution, stride 1, same padding: what `tf.nn.conv2d` computes.

    Args:
        inputs: float32 or bfloat16 tensor of shape (batch, height, width,
            in_channels); any of them may be dynamic.
        kernel: tensor of shape (3, 3, in_channels, filters).
        tile_rows: int, 2 or 4. Output rows of a tile.
        tile_columns: int, 2 or 4. Output columns of a tile.

    Returns:
        Tensor of shape (batch, height, width, filters) and type of `inputs`.
        Its first gradient is computed the same way; it has no second one.
    """
    tile = _tile(tile_rows, tile_columns)

    @tf.custom_gradient
    def convolve(inputs, kernel):
        dtype = inputs.dtype
        in_channels, filters = tf.unstack(tf.shape(kernel)[2:])
        outputs, grid, input_points = _forward(
            inputs, _kernel_points(tile.kernel, kernel, dtype), tile
        )

        def gradient(output_gradient):
            # One product for both: the transform of the gradient as an input,
            # and the gradient of the products.
            transformed = _product(tile.gradient, grid.patches(output_gradient))
            gradient_points, product_gradients = tf.split(
                tf.reshape(transformed, (-1, grid.num_tiles, filters)), 2
            )
            input_products = tf.linalg.matmul(
                gradient_points,
                _kernel_points(tile.turned_kernel, kernel, dtype),
                transpose_b=True,
            )
            input_gradient = grid.assemble(
                _product(
                    tile.output,
                    tf.reshape(input_products, (tile.num_points, -1)),
                ),
                in_channels,
            )
            point_gradients = tf.linalg.matmul(
                input_points, product_gradients, transpose_a=True
            )
            kernel_gradient = _product(
                tile.kernel.T,
                tf.cast(
                    tf.reshape(point_gradients, (tile.num_points, -1)),
                    tf.float32,
                ),
            )
            return input_gradient, tf.cast(
                tf.reshape(kernel_gradient, tf.shape(kernel)), kernel.dtype
            )

        return outputs, gradient

    outputs = convolve(inputs, kernel)
    outputs.set_shape((*inputs.shape[:3], kernel.shape[3]))
    return outputs
