# make demo   the whole path, from videos to a trained model and new videos, in minutes
# make card   everything that this machine's NVIDIA card must show, in 12 minutes
# make test   the tests;  make quick   those of a minute or two;  make check   style, types and import directions;  make clean   remove what these made
#
# Each sets up what it needs: a virtual environment in .venv, made once and again when pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo card test quick check clean

demo: $(READY)
	$(BIN)/smoothvid demo

card: $(READY)
	$(BIN)/python -m smoothvid.bench.card --out card

# The tests are many small jobs: some beside each other, each on one thread.
test quick: export OMP_NUM_THREADS ?= 1
test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

quick: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile tests/nn tests/models tests/contract \
		tests/data/test_frame_times.py tests/data/test_loader.py tests/training/test_step.py tests/test_settings.py

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py

clean:
	rm -rf $(VENV) build dist demo *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find smoothvid cli tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "cannot make a virtual environment in $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[test]'
	@touch $@
