# Each target first brings .venv, and what else it needs, up to date; nothing is done twice.
# Prerequisites: git, make and Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak web lock clean

FOR ?=
ONLY ?=
ARGS ?=
export PYTHONUNBUFFERED := 1

BOOTSTRAP = @python=$$(PYTHON='$(PYTHON)' tools/find-python) && "$$python" -m tools.bootstrap
VENV = .venv/bin/python

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 \t/p' $(MAKEFILE_LIST)

demo: ## a small province with its devices and its map; FOR=60s ends it by itself
	$(BOOTSTRAP) run screen
	@.venv/bin/ganzhi demo $(if $(FOR),--for $(FOR)) $(ARGS)

test: ## every test; ARGS='-k modbus' for some
	$(BOOTSTRAP) dev screen peers
	@$(VENV) -m pytest $(ARGS)

check: ## format, lint, types, floors, house rules
	$(BOOTSTRAP) dev
	@$(VENV) -m tools.check

bench: ## each figure beside its raw library; ONLY=name for one alone
	$(BOOTSTRAP) dev peers
	@$(VENV) -m benchmarks $(ONLY)

soak: ## the long tests under load
	$(BOOTSTRAP) dev screen peers
	@$(VENV) -m pytest -m soak $(ARGS)

web: ## build the screen anew
	$(BOOTSTRAP) run web

lock: ## resolve setup.cfg into the lock files; ARGS=--upgrade for newer versions
	@$(VENV) -m tools.lock $(ARGS)

clean: ## remove what was built; keeps .venv and data
	@rm -rf build dist *.egg-info htmlcov .coverage .coverage.* gateway/api/static web/node_modules \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/artifacts
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
