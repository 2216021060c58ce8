# Each target does its own set-up: .venv with the versions locked in .ci/locks, the project editable.
.PHONY: help demo test lint types test-matrix test-long test-corpus test-browsers breaks lab bench docs table pictures lock clean
.DEFAULT_GOAL := help
export PYTHON
BIN := .venv/bin
PORT ?= 8013

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: setup  ## Kill a notebook's kernel twice, resume it, and check the outcome against the server's log
	@$(BIN)/python notebooks/demo/run_demo.py

test: lint types setup-browsers  ## Run every check: lint, types, layers, tests, other Pythons and DuckDB 1.5
	$(BIN)/python -m pytest -n 2 --dist loadfile
	@.ci/matrix

lint: setup  ## Run ruff and the layer contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: setup  ## Run mypy in strict mode
	$(BIN)/mypy durable_nb

test-long: setup-torch  ## Run what takes a night: thousands of generated notebooks, and the tests with torch
	HYPOTHESIS_PROFILE=nights $(BIN)/python -m pytest tests/property tests/long

breaks: setup  ## Switch each mechanism off and see its tests fail, about half an hour (BREAKS="16 interrupted_save")
	@$(BIN)/python tests/breaks/run.py $(BREAKS)

test-browsers: setup-browsers  ## Run all browser tests in JupyterLab and Notebook 7, with ipykernel 7 and 6 (long)
	DURABLE_NB_ALL_BROWSERS=1 $(BIN)/python -m pytest tests/browser

test-corpus: setup-corpus  ## Kill and resume public notebooks, and compare them with plain runs (CORPUS="NAME ...")
	@$(BIN)/python tests/corpus/run.py $(CORPUS)

test-matrix: setup  ## Run the tests of values, store, core and cell analysis on other Pythons and DuckDB 1.5
	@.ci/matrix

lab: setup-lab  ## Open the quickstart in JupyterLab, with the flaky server running
	@$(BIN)/python notebooks/demo/server.py --port $(PORT) & server=$$!; \
	trap 'kill $$server' EXIT; DEMO_URL=http://127.0.0.1:$(PORT) $(BIN)/jupyter lab notebooks/quickstart.ipynb

bench: setup  ## Measure against plain pickle and plain DuckDB (BENCH_ARGS="--quick --json FILE")
	@$(BIN)/python tests/bench/run.py $(BENCH_ARGS)

docs: setup-docs  ## Build the documentation into docs/_build/html, warnings are errors
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "built docs/_build/html/index.html"

table: setup  ## Write docs/reference/restored.md anew from what the tests see
	@$(BIN)/python tests/kernel/restored_table.py

pictures: setup-pictures  ## Take the pictures of README and docs anew (needs a Chromium)
	@$(BIN)/python docs/pictures/make.py

lock:  ## Write the locked versions anew
	@.ci/lock

clean:  ## Remove environments, caches and built documentation
	rm -rf .venv .venv-* .corpus docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: setup setup-lab setup-docs setup-pictures setup-torch setup-browsers setup-corpus
setup:
	@.ci/setup
setup-lab:
	@.ci/setup lab
setup-docs:
	@.ci/setup docs
setup-pictures:
	@.ci/setup lab pictures
setup-torch:
	@.ci/setup torch
setup-browsers:
	@.ci/setup lab pictures browsers
	@.ci/ipykernel6
setup-corpus:
	@.ci/setup corpus
