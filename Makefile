# Two commands do everything on a machine that has Python 3.11 and make:
#   make trial   install into .venv and rehearse the six-month trial
#   make test    install into .venv and run lint, types and all tests
# The others: make serve | bench | compare | fault | illness | lock | format | clean

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start dozens of processes, and each would compile the whole house anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help trial test serve bench compare fault illness lock format clean
help:
	@sed -n '1,4s/^# \{0,1\}//p' Makefile

# A stamp beside each lock file's packages: nothing is installed twice, and a changed lock is installed anew. A lock is
# complete, so pip resolves nothing (--no-deps): the pip that comes with Python 3.11 would look up `coverage[toml]` anew,
# find a release newer than the pinned one, and refuse it.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Kairanban needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Say which one: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/runtime.stamp: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@ .venv/runtime.stamp

# What tests compare us with and we do not keep: test data in published source distributions, hashed.
.venv/fixtures.stamp: tests/requirements-sdist.txt .venv/dev.stamp
	rm -rf .venv/fixtures
	$(BIN)/pip download --quiet --no-deps --no-build-isolation --no-binary :all: --require-hashes \
		-r tests/requirements-sdist.txt -d .venv/fixtures
	@touch $@

# The official LINE middleware, with the machine's Node.js or, where there is none, with one from a wheel. Where it cannot
# be had at all, the test that asks it is skipped, with a sentence.
.venv/node.stamp: tests/node/package.json tests/node/package-lock.json tests/requirements-node.txt | .venv/bin/python
	@rm -rf .venv/node && mkdir -p .venv/node
	@cp tests/node/package.json tests/node/package-lock.json .venv/node/
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null \
		|| $(BIN)/pip install --quiet --no-deps --require-hashes -r tests/requirements-node.txt || true
	@if PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --prefix .venv/node --ignore-scripts --no-audit --no-fund --silent; then \
		touch $@; \
	else \
		echo "npm brought nothing: LINE's middleware is not asked"; \
	fi

trial: .venv/runtime.stamp
	$(BIN)/kairanban trial $(ARGS)

serve: .venv/runtime.stamp
	$(BIN)/kairanban serve --demo $(ARGS)

# mypy has one core and a minute to itself, or none: it runs beside the tests and speaks after them. Either fails the build.
TESTS = $(BIN)/pytest --cov --cov-report=term -n 2 --dist worksteal $(ARGS)
test: .venv/dev.stamp .venv/fixtures.stamp .venv/node.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo '$(TESTS)   # and $(BIN)/mypy beside it'; \
	$(BIN)/mypy >.venv/types.txt 2>&1 & types=$$!; \
	trap 'kill $$types' INT TERM; \
	$(TESTS); tests=$$?; \
	wait $$types; types=$$?; \
	echo '$(BIN)/mypy'; cat .venv/types.txt; \
	exit $$((tests | types))

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks $(ARGS)

.venv/frameworks.stamp: benchmarks/requirements-frameworks.txt .venv/dev.stamp
	$(BIN)/pip install --quiet --no-deps --require-hashes --upgrade --target .venv/frameworks -r $<
	@touch $@

compare: .venv/frameworks.stamp
	$(BIN)/python -m benchmarks.frameworks $(ARGS)

fault: .venv/dev.stamp
	$(BIN)/python -m benchmarks.fault $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(ARGS)

illness: .venv/dev.stamp
	$(BIN)/python -m benchmarks.illness $(ARGS)

# New versions of everything, within pyproject.toml's bounds. Hashes, no addresses.
lock: | .venv/bin/python
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade --quiet --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --group build --output-file requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade --quiet --no-header \
		--no-emit-index-url --no-emit-find-links -c requirements.lock pyproject.toml --group build --group dev \
		--output-file requirements-dev.lock

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage* out
