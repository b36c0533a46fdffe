# The verbs of the project; `make` alone lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DATA ?=

.DEFAULT_GOAL := help
.PHONY: help setup test check demo clean

help:  ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: $(STAMP)  ## .venv with AEMG and all it needs, at the tested versions

# torch comes first and by its exact pin, so that a build of it for this machine is taken as it is
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

test: setup  ## the whole test suite; ARGS="-k tokenizer" for a part
	$(BIN)/python -m pytest $(ARGS)

check: setup  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/mypy

demo: setup  ## data to report in minutes, on simulated people or with DATA=DIR on recordings
	$(BIN)/python finetune/demo.py --out runs/demo $(if $(DATA),--data "$(DATA)")

clean:  ## remove builds and caches; .venv and runs stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
