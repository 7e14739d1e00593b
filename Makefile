# Both targets set up `.venv` in this directory on first use.
PYTHON ?= python3
VENV := .venv
TFIO_VENV := .venv-tfio
QAT_VENV := .venv-qat
HUB_VENV := .venv-hub
TEST_PROCESSES ?= 2

.PHONY: quickstart test test-all test-tfio test-qat test-hub lint clean

quickstart: $(VENV)/.installed
	$(VENV)/bin/python -m ofa_aec_tf.pipeline \
	  --flags_dir=flags/quickstart --workdir=runs/quickstart

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest --numprocesses=$(TEST_PROCESSES) \
	  --dist=loadfile --no-loadscope-reorder -m "not long"

# The quickstart as shipped, and commands killed again and again.
test-all: test
	$(VENV)/bin/python -m pytest --numprocesses=$(TEST_PROCESSES) \
	  --dist=loadfile --no-loadscope-reorder -m long

# tensorflow-io loads with TensorFlow 2.16 only, which nothing else here uses.
test-tfio: $(TFIO_VENV)/.installed
	$(TFIO_VENV)/bin/python -m pytest -m tfio tests/audio

# tensorflow-model-optimization cannot be installed beside MediaPipe.
test-qat: $(QAT_VENV)/.installed
	$(QAT_VENV)/bin/python -m pytest -m qat \
	  tests/deployment/qat

# KerasHub brings much that nothing else here uses.
test-hub: $(HUB_VENV)/.installed
	$(HUB_VENV)/bin/python -m pytest -m hub tests/families

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV) $(TFIO_VENV) $(QAT_VENV) $(HUB_VENV) runs build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 13) else "error: Python 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + ". Name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --progress-bar=off --editable .
	touch $@

$(VENV)/.installed-test: setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --progress-bar=off --editable '.[test]'
	touch $@ $(VENV)/.installed

$(TFIO_VENV)/.installed: setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(TFIO_VENV)
	$(TFIO_VENV)/bin/python -m pip install --progress-bar=off \
	  tensorflow==2.16.2 tensorflow-io==0.37.1 "keras<3.16" \
	  absl-py google-crc32c pytest scipy soundfile soxr tqdm
	$(TFIO_VENV)/bin/python -m pip install --no-deps --editable .
	touch $@

$(QAT_VENV)/.installed: setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(QAT_VENV)
	$(QAT_VENV)/bin/python -m pip install --progress-bar=off \
	  --editable '.[qat]' "pytest>=8.3,<10"
	touch $@

$(HUB_VENV)/.installed: setup.py | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(HUB_VENV)
	$(HUB_VENV)/bin/python -m pip install --progress-bar=off \
	  --editable '.[hub]' "pytest>=8.3,<10"
	touch $@
