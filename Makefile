# On a fresh machine with Python 3.11, start with `make demo` and `make test`.
PYTHON ?= python3
PORT ?= 8000
# For torch's CPU-only wheels: make install PIP_FLAGS="--extra-index-url <PyTorch's CPU wheel index>"
PIP_FLAGS ?=
# Compiling every module of every package takes as long as all else, and most of them are never imported. Those that are
# must be compiled once only, as nearly all that is run here starts processes by the hundred.
QUICKLY := --quiet --no-compile
unexport PYTHONDONTWRITEBYTECODE
# Options of the benchmarks, such as: make bench-serving BENCH="--rounds 1 --turn 0.5 --seconds 0.5 --requests 500"
BENCH ?=
# How long `make chaos` and `make fuzz` go on.
MINUTES ?= 20
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install install-dev demo run test test-slow test-faults test-image chaos fuzz check lock sbom audit format docs screenshots paper bench-grid bench-fanout bench-serving bench-training bench-page clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(BIN)/pip install $(QUICKLY) $(PIP_FLAGS) --constraint constraints.txt --editable .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install $(QUICKLY) $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

.venv/.installed-slow: .venv/.installed-dev
	$(BIN)/pip install $(QUICKLY) $(PIP_FLAGS) --constraint constraints.txt --editable '.[slow]'
	touch $@

.venv/.installed-bench: .venv/.installed
	$(BIN)/pip install $(QUICKLY) $(PIP_FLAGS) --constraint constraints.txt --editable '.[bench]'
	touch $@

.venv/.installed-supply: .venv/.installed
	$(BIN)/pip install --quiet $(PIP_FLAGS) --constraint constraints.txt --editable '.[supply]'
	touch $@

install: .venv/.installed  ## Install what the service needs into .venv
install-dev: .venv/.installed-dev  ## Install what the tests and checks need too

demo: install  ## Train, augment and evaluate on the bundled digits, over HTTP, and print the verdict
	$(BIN)/python -m examples.demo

run: install  ## Start the service and keep it running; PORT=8000 sets its port
	LATENTAUG_PORT=$(PORT) $(BIN)/python -m service.stack

# There is a process for each core, so each gets one thread: more would only wait for one another. The quick tests wait for
# other processes so often that one more keeps the cores busy.
QUICK_TESTS = $(shell $(BIN)/python -c "from latentaug.runtime.settings import available_cores as cores; print(min(4, cores() + 1))")
test test-slow test-faults test-image chaos: export OMP_NUM_THREADS = 1
test: install-dev  ## Run the tests, some at once; for a single one: .venv/bin/pytest tests/...
	$(BIN)/pytest -m "not slow and not faults and not image" --numprocesses $(QUICK_TESTS) --dist loadscope

test-slow: .venv/.installed-slow  ## Run the tests that measure, kill processes or fuzz, and so take minutes
	$(BIN)/pytest -m slow --numprocesses auto --maxprocesses 4 --dist loadscope

test-faults: .venv/.installed-slow  ## Break the running service in every way once, and look whether anything is lost; takes minutes
	$(BIN)/pytest -m faults --numprocesses 2 --dist loadscope tests/faults

test-image: install-dev  ## Build the image and run each service in it, with no engine; needs root, Debian and the network
	$(BIN)/pytest -m image tests/image

chaos: install-dev  ## Break the running service again and again for MINUTES=20, and audit what is left
	$(BIN)/python -m bench.chaos --minutes $(MINUTES) $(BENCH); status=$$?; $(BIN)/python -m docs.reliability; exit $$status

fuzz: .venv/.installed-slow  ## Break files and requests in ever new ways for MINUTES=10, or until something breaks
	end=$$(( $$(date +%s) + 60 * $(MINUTES) )); \
	$(BIN)/python -m tests.fuzz.campaign --minutes $$(( ($(MINUTES) + 1) / 2 )) || exit 1; \
	while [ $$(date +%s) -lt $$end ]; do FUZZ_EXAMPLES=2000 $(BIN)/pytest -m slow --timeout 0 tests/fuzz || exit 1; done

check: install-dev  ## Check style, types, import rules and container files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.gpu.yml

format: install-dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install-dev  ## Write the pages that are made from the code, and the site into build/site
	$(BIN)/python -m docs.configuration
	$(BIN)/python -m docs.options
	$(BIN)/python -m docs.architecture
	$(BIN)/python -m docs.reliability
	$(BIN)/python -m docs.chart
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

screenshots: install-dev  ## Take pictures of the page from a real run into docs/images; needs Chromium
	$(BIN)/python -m docs.screenshots

# The image's extras and what builds it. torch is locked apart, because some take a build of it from another index.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --constraint constraints.txt \
	--generate-hashes --no-header --no-annotate --no-emit-index-url
lock: .venv/.installed-supply  ## Write what the image is built from, each file by its hash; needs the network
	echo torch | $(LOCK) --output-file requirements-torch.lock -
	$(LOCK) --extra mlflow --extra tracing --extra build --output-file requirements.lock \
		$$(sed -nE 's/^((torch|triton|nvidia|cuda)[a-z0-9-]*)==.*/--no-emit-package \1/p' requirements-torch.lock) pyproject.toml
	sed -i -nE '/^(torch|triton|nvidia|cuda)[a-z0-9-]*==/,/[^\\]$$/p' requirements-torch.lock

sbom: .venv/.installed-supply  ## Write the image's bill of materials, in CycloneDX's form, to build/sbom.json
	mkdir -p build
	cat requirements-torch.lock requirements.lock > build/shipped.txt
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json build/shipped.txt

audit: .venv/.installed-supply  ## Look up what the image ships among known vulnerabilities; needs the network
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-torch.lock -r requirements.lock

paper: install  ## Measure the paper's tables and the verdicts into docs/results; STUDIES="table-1 ..." chooses some
	$(BIN)/python -m bench.paper $(STUDIES)

bench-grid: install  ## Time the grid of Table 2 for one draw, and compare with stock scikit-learn
	$(BIN)/python -m bench.grid

bench-fanout: install  ## Time one evaluation in one and in two processes
	$(BIN)/python -m bench.fanout

bench-serving: .venv/.installed-bench  ## Measure serving beside its peers; BENCH="--help" lists the options
	$(BIN)/python -m bench.serving $(BENCH)

bench-page: install-dev  ## Measure in Chromium how soon the page shows something, and new images follow a slider
	$(BIN)/python -m bench.page $(BENCH)

bench-training: .venv/.installed-bench  ## Measure training beside its peers; needs MNIST
	$(BIN)/python -m bench.training $(BENCH)

clean:  ## Delete what running and testing left behind
	rm -rf var build .pytest_cache .mypy_cache .ruff_cache .hypothesis
