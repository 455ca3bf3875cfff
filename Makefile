# One menu of developer actions. `./run test` sets up .venv first.
V = .venv/bin
PY = $(V)/python

.PHONY: help test lint types imports blob blob-check bench soak fuzz fuzz-parsers twists guests architectures lab lock docs zipapp clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: ## all tests, live ones where the kernel allows
	./run test -q

lint: types imports ## ruff, mypy, import contract
	$(V)/ruff check .
	$(V)/ruff format --check .

types: ## mypy strict, and every exported type known to pyright
	$(V)/mypy
	PYTHONPATH=src $(V)/pyright --verifytypes killtrail --ignoreexternal

imports: ## imports point one way only
	PYTHONPATH=src $(V)/lint-imports

blob: ## rebuild both blobs from bpf/ (clang-14, bpftool, libbpf-dev)
	python3 bpf/build.py

blob-check: ## compare the committed blobs with their source
	python3 bpf/build.py --check

bench: ## costs of killtrail, bpftrace, auditd and strace, interleaved medians
	$(PY) bench/recorder.py
	$(PY) bench/asking.py
	$(PY) bench/history.py
	$(PY) bench/questions.py
	$(PY) bench/trust.py
	$(PY) bench/autopsy.py

soak: ## 30,000 kills and ten minutes of load: sent = recorded + lost
	$(PY) -m pytest -q -s -m slow tests/soak -o faulthandler_timeout=0

fuzz: ## hypothesis with 50 times the examples
	KILLTRAIL_FUZZ=1 $(PY) -m pytest -q -k "any_bytes or any_change or any_events or any_text or randomised"

fuzz-parsers: ## coverage-guided, ten minutes a parser (installs atheris)
	$(PY) -c "import atheris" 2>/dev/null || $(PY) -m pip install -q --no-deps atheris==3.0.0
	PYTHONPATH=src $(PY) -m tests.fuzzing.parsers all 600

twists: ## 500 random kills: no innocent process may be named
	KILLTRAIL_TWISTS=500 $(PY) -m pytest -q tests/gallery/test_twists.py -o faulthandler_timeout=0

guests: ## the same blob on Debian's 6.1 and 6.12 kernels in qemu (TCG)
	tests/guests/run

architectures: ## audit logs of arm64, 32-bit arm and x32, made and read in guests
	tests/guests/architectures

lab: ## kernels that crash for real in an emulator, and their dumps
	$(PY) -m pytest -q -m lab tests/lab -o faulthandler_timeout=0

lock: ## renew requirements-dev.lock (needs uv)
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --group dev -o requirements-dev.lock

docs: ## pages made from the code
	PYTHONPATH=src python3 docs/generate.py

zipapp: ## one file for a suspect host: dist/killtrail.pyz
	packaging/zipapp

clean:
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
