# Every target works alone on a clean checkout; stamps under .venv and build keep anything from being done twice.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
EXTRAS := api mcp ray parquet heic convert dev
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
export OMP_NUM_THREADS ?= 1

.PHONY: setup models demo test lint format serve docs table speed train lock audit wheel clean

setup: models ## the environment in .venv with every extra but training, and the model store

$(VENV)/.stamp: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps --editable .
	@touch $@

models: $(VENV)/.models
# The stamp only saves the start of a process: `pull` itself checks every file's SHA-256 and makes what is missing.
$(VENV)/.models: $(VENV)/.stamp $(wildcard models/mediapipe/*.py models/*.json screening/networks/manifest*)
	$(BIN)/screening models pull
	@touch $@

demo: setup ## screen real photos and variants rendered from them; results under build/demo
	$(BIN)/python -m fixtures.demo

test: setup ## the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: setup ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

serve: setup ## the REST service and its page on http://127.0.0.1:8000
	$(BIN)/screening serve

docs: setup ## the rules' pages from their docstrings, and the OpenAPI document, under build/docs
	$(BIN)/python -m docs.make

table: setup ## what every rule says of every fixture photo, anew into fixtures/table.csv, and the README's demo
	$(BIN)/python -m fixtures.table
	$(BIN)/python -m docs.readme

speed: setup ## how long a photo takes, part by part
	$(BIN)/python -m benchmarks.speed

.venv-train/.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip --disable-pip-version-check -q install --editable '.[train]'
	@touch $@

train: .venv-train/.stamp ## train our networks (DATA=folder of the training sets)
	.venv-train/bin/python -m models.training.train $(ARGS)

lock: ## resolve requirements.lock anew, for every Python and platform
	$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip -q install uv
	build/lock/bin/uv pip compile pyproject.toml -o requirements.lock --universal --python-version 3.11 --upgrade \
	  $(EXTRAS:%=--extra %) --no-emit-index-url --no-emit-find-links --no-header --annotation-style line -q

audit: setup ## known vulnerabilities of what is locked, and the licence of every package
	$(PYTHON) -m venv build/audit && build/audit/bin/python -m pip -q install pip-audit pip-licenses
	build/audit/bin/pip-audit --requirement requirements.lock --strict --no-deps --disable-pip --progress-spinner off
	build/audit/bin/pip-licenses --python $(BIN)/python --order license

wheel: setup ## the sdist, and from it a wheel that carries networks and service; tried in an empty environment
	rm -rf dist
	$(PYTHON) -m venv build/wheel && build/wheel/bin/python -m pip -q install build
	build/wheel/bin/python -m build --outdir dist
	$(PYTHON) -m venv --clear build/empty
	build/empty/bin/python -m pip -q install --constraint requirements.lock dist/*.whl
	$(BIN)/python -c "from fixtures.make import RENDERERS; RENDERERS['conforming']().save('build/photo.jpg')"
	cd build && empty/bin/screening check photo.jpg || test $$? = 1

clean: ## everything that was made, but the environments
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
