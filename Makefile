# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

VENV := .venv
NOX_ARGS ?=
FILES ?=
BENCH_ARGS ?=
# On the real API only; see tests/demo/demo.py
ZONE ?=
CERTIFICATE ?=
PRIVATE_KEY ?=
APPLY ?=

# The newest Python of this machine, in the shell's variable python. The real interpreters of pyenv come first: its shims answer only
# for the versions that its user has selected.
define FIND_PYTHON
PATH="$$(printf '%s:' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin)$$PATH"; \
for python in python3.13 python3.12 python3.11 python3 none; do \
	if [ $$python = none ]; then echo "Python 3.11 or newer is needed, and none was found." >&2; exit 1; fi; \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
done
endef

# ansible refuses to start in a locale that is not UTF-8.
export LC_ALL := C.UTF-8

.PHONY: help test check rest matrix prerelease mutants docs bench demo clean

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

test: $(VENV)/bin/nox ## Lint, the unit tests and a short ansible-test sanity, in three minutes; NOX_ARGS go to nox
	$(VENV)/bin/nox $(NOX_ARGS)
ifeq ($(NOX_ARGS),)
	@printf '%s\n' '' \
		'Not run: tests of ansible-playbook and AWX that take long, fleets under a quota, the long soak and a zone'"'"'s life' \
		'(make test NOX_ARGS="-s slow"), the report in a browser (browser), all of ansible-test sanity (sanity), ansible-test' \
		'integration (integration), documentation, ansible-lint and the importer of Galaxy (collection), lockdown of real servers' \
		'(servers). "make rest" runs these but for the servers, "make check" everything; other cores: "make matrix".'
endif

check: test rest ## Everything on the newest ansible-core that a Python of this machine can run
	$(VENV)/bin/nox --session servers $(NOX_ARGS)

rest: $(VENV)/bin/nox ## What "make check" runs beside "make test" and real servers
	$(VENV)/bin/nox --tags rest $(NOX_ARGS)

matrix: $(VENV)/bin/nox ## Everything on every ansible-core and Python that is supported
	$(VENV)/bin/nox --session lint units slow browser sanity integration collection $(NOX_ARGS)

prerelease: $(VENV)/bin/nox ## The unit tests on the newest ansible-core of the index, pre-releases included
	$(VENV)/bin/nox --session prerelease $(NOX_ARGS)

mutants: $(VENV)/bin/nox ## Break the code in every small way, and show what no test notices; FILES="_setting _client" chooses
	$(VENV)/bin/nox --session mutants $(NOX_ARGS) -- $(FILES)

docs: $(VENV)/bin/nox ## Build the documentation site; open docs/build/index.html
	$(VENV)/bin/nox --session docs $(NOX_ARGS)
	@echo 'The site is docs/build/index.html'

bench: $(VENV)/bin/nox ## Measure what a zone costs, and write it into the guide; BENCH_ARGS go to tests/benchmarks/benchmark.py
	$(VENV)/bin/nox --session bench -- $(BENCH_ARGS)

demo: ## Lock an origin down on an emulated Cloudflare, or with CLOUDFLARE_API_TOKEN and ZONE=name look at a real zone
	@$(FIND_PYTHON); $$python tests/demo/demo.py $(if $(ZONE),--zone "$(ZONE)") $(if $(CERTIFICATE),--certificate "$(CERTIFICATE)") \
		$(if $(PRIVATE_KEY),--private-key "$(PRIVATE_KEY)") $(if $(APPLY),--apply)

clean: ## Remove what the other commands made
	rm -rf $(VENV) docs/build .demo .nox .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output

$(VENV)/bin/nox:
	@$(FIND_PYTHON); set -ex; \
	$$python -m venv $(VENV); \
	$(VENV)/bin/pip install --quiet 'nox>=2025.5.1'
