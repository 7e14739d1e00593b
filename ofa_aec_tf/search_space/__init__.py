"""Decisions, subnets and what they cost; needs no TensorFlow."""
