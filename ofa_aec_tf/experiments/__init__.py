"""The paper's experiments and cross-validation, as steps that run once."""
