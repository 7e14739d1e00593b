"""Settings of all tests."""

import importlib.util

# The environments of single extras are without it.
if importlib.util.find_spec("hypothesis") is not None:
    import hypothesis

    # A machine may be busy: time tells nothing about what is right.
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")
