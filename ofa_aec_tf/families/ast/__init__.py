"""The audio spectrogram transformer."""
