"""How networks may compute: words of settings, which need no TensorFlow."""

# Compute types; `auto` depends on the machine and the network.
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
# Algorithms of a convolution.
ALGORITHMS = ("auto", "direct", "winograd")
