# Two commands do everything: `make book` and `make test`. They need Python 3.11 or newer and make.

PYTHON ?= python3
PROFILE ?= embedded
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Importing open_clip in a notebook complains that bars for live notebooks are missing.
QUIET := PYTHONWARNINGS="ignore:IProgress not found"

# What is imported is compiled then, once: a tenth of what pip compiles on one core. Containers often forbid it, for size.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help book pdf test check serve bench notebooks pins dist clean

help:
	@echo "make book       run every notebook on PROFILE=$(PROFILE) and build the book in _build/html"
	@echo "make pdf        print the built book into _build/asymdistill.pdf; needs Chromium"
	@echo "make test       check the code, run all tests, and run the notebooks against their stored outputs"
	@echo "make serve      show the built book on http://localhost:8000"
	@echo "make bench      measure what everything costs here, in the better part of an hour, and store it in benchmarks/"
	@echo "make check      ruff, mypy and import-linter only"
	@echo "make notebooks  for maintainers: run the notebooks again, store their outputs, and renew the README's results"
	@echo "make pins       for maintainers: write constraints.txt anew"
	@echo "make dist       for maintainers: build wheel and source distribution in dist/ and check them"
	@echo "make clean      remove the built book and the environment, but no run"

# The environment is made when it is missing, and again when what it is made from has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("asymdistill needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[test]"
	@touch $@

book: $(READY)
	$(BIN)/asymdistill book --profile $(PROFILE)

pdf: $(READY)
	$(BIN)/python book/pdf.py

test: check
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
	$(QUIET) $(BIN)/python -m pytest --numprocesses auto --dist loadfile \
		--nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg notebooks

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports

serve:
	@test -f _build/html/index.html || { echo "no book yet: run make book first" >&2; exit 2; }
	$(PYTHON) -m http.server --directory _build/html 8000

bench: $(READY)
	$(BIN)/python -m benchmarks

notebooks: $(READY)
	$(BIN)/python book/address.py
	$(BIN)/jupytext --update --to ipynb notebooks/*.py
	$(BIN)/asymdistill run --profile embedded
	ls notebooks/*.ipynb | $(QUIET) xargs -P 2 -n 1 $(BIN)/jupyter execute --inplace
	$(BIN)/python book/readme.py

pins:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	{ echo "# Exact versions that the book and its tests were made with; made by \`make pins\` from what pyproject.toml asks for."; \
	  $(BIN)/python -m pip freeze --exclude-editable; } > constraints.txt
	@touch $(READY)

# In an environment of its own, since the book and its tests need none of this.
dist:
	rm -rf dist $(VENV)-dist
	$(PYTHON) -m venv $(VENV)-dist
	$(VENV)-dist/bin/python -m pip install --quiet build twine
	$(VENV)-dist/bin/python -m build --outdir dist .
	$(VENV)-dist/bin/python -m twine check --strict dist/*
	$(VENV)-dist/bin/python -m zipfile --list dist/*.whl

clean:
	rm -rf $(VENV) $(VENV)-dist _build dist
