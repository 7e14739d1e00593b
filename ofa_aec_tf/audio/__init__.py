"""Reads audio files as mono float32 waveforms."""

from ofa_aec_tf.audio.contents import AUDIO_SUFFIXES as AUDIO_SUFFIXES
from ofa_aec_tf.audio.decoders import DECODERS as DECODERS
from ofa_aec_tf.audio.decoders import decoder_versions as decoder_versions
from ofa_aec_tf.audio.detection import is_audio as is_audio
from ofa_aec_tf.audio.errors import MAX_ABSOLUTE_SAMPLE as MAX_ABSOLUTE_SAMPLE
from ofa_aec_tf.audio.errors import MAX_FILE_RATE_HZ as MAX_FILE_RATE_HZ
from ofa_aec_tf.audio.errors import MIN_FILE_RATE_HZ as MIN_FILE_RATE_HZ
from ofa_aec_tf.audio.errors import MIN_SECONDS as MIN_SECONDS
from ofa_aec_tf.audio.errors import AudioError as AudioError
from ofa_aec_tf.audio.loading import duration_seconds as duration_seconds
from ofa_aec_tf.audio.loading import fit_length as fit_length
from ofa_aec_tf.audio.loading import load_audio as load_audio
from ofa_aec_tf.audio.loading import read_audio as read_audio
from ofa_aec_tf.audio.loading import read_parts as read_parts
from ofa_aec_tf.audio.loading import stream_audio as stream_audio
from ofa_aec_tf.audio.recording import FALLBACK_DECODER as FALLBACK_DECODER
from ofa_aec_tf.audio.recording import LOW_SAMPLE_RATE as LOW_SAMPLE_RATE
from ofa_aec_tf.audio.recording import OVER_FULL_SCALE as OVER_FULL_SCALE
from ofa_aec_tf.audio.recording import SHORT_READ as SHORT_READ
from ofa_aec_tf.audio.recording import SILENT as SILENT
from ofa_aec_tf.audio.recording import Recording as Recording
