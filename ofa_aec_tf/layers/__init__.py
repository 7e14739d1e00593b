"""Elastic layers of supernets, and other custom layers."""

from ofa_aec_tf.layers.elastic_batch_normalization import (
    ElasticBatchNormalization as ElasticBatchNormalization,
)
from ofa_aec_tf.layers.elastic_conv2d import ElasticConv2D as ElasticConv2D
from ofa_aec_tf.layers.elastic_conv_block import (
    ElasticConvBlock as ElasticConvBlock,
)
from ofa_aec_tf.layers.elastic_dense import ElasticDense as ElasticDense
from ofa_aec_tf.layers.folded_conv2d import FoldedConv2D as FoldedConv2D
from ofa_aec_tf.layers.log_mel_spectrogram import (
    LogMelSpectrogram as LogMelSpectrogram,
)
from ofa_aec_tf.layers.recomputed_block import (
    RecomputedBlock as RecomputedBlock,
)
