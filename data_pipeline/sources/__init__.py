"""Labelled audio in the layouts that people have, as rows."""
