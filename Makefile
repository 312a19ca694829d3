# Every target prepares what it needs in .venv: nothing has to be installed by hand but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
DETECTOR_ROWS ?= .bench/detectors.jsonl

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-peers bench-quality bench-detectors chaos kafka clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the versions of constraints.txt

demo: $(READY)  ## the whole product on simulated plants, in memory
	$(BIN)/watchkeeper demo $(ARGS)

test: $(READY)  ## all tests, with branch coverage and the reason of every skip; `chaos` in its short form
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --ignore=tests/benchmarks --cov --cov-branch --cov-report=term:skip-covered $(ARGS)

check: $(READY)  ## lint, format, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## speed and memory, into docs/benchmarks.md; BENCH_SCALE=0.02 is a quick check and keeps nothing
	BENCH_RECORD=1 $(BIN)/pytest tests/benchmarks --ignore=tests/benchmarks/peers --ignore=tests/benchmarks/quality -s $(ARGS)

bench-peers: $(READY)  ## the same against other stream processors, which are installed into .bench
	BENCH_RECORD=1 $(BIN)/pytest tests/benchmarks/peers -s $(ARGS)

bench-quality: $(READY)  ## how well the default recipes detect, into docs/quality.md; the data are in WATCHKEEPER_DATA
	BENCH_RECORD=1 $(BIN)/pytest tests/benchmarks/quality -s $(ARGS)

bench-detectors: $(READY)  ## every detector on the same windows, into docs/detectors.md; hours, fewer with more cores
	$(BIN)/python -m tests.benchmarks.detectors run --out $(DETECTOR_ROWS) $(ARGS); failed=$$?; \
	  $(BIN)/python -m tests.benchmarks.detectors table $(DETECTOR_ROWS) && exit $$failed

chaos: $(READY)  ## the long form of the tests that kill workers, brokers and databases, and new random examples
	CHAOS_LONG=1 $(BIN)/pytest tests/chaos tests/property --timeout=7200 $(ARGS)

kafka: $(READY)  ## a real one-node Apache Kafka on this machine, in the foreground
	$(BIN)/python deploy/kafka/kafka.py $(ARGS)

clean:  ## remove .venv, caches and what the demo wrote
	rm -rf $(VENV) .bench demo build dist htmlcov .coverage *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find monitor models tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Done again when a dependency or a pin changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Watchkeeper needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --build-constraint constraints.txt --compile-bytecode --editable '.[dev]'
	@$(BIN)/python -m compileall -q monitor models  # a command of a second starts in a third of one
	@touch $@
