# Short names for what is done often.  Each is one command; see bin/test for the whole.
.PHONY: test unit live conformance vm check-kernels bench lint wheel clean

test:
	bin/test
unit:
	bin/test tests/unit tests/cases
live:
	bin/test tests/live
conformance:
	bin/test tests/conformance
vm:
	PYTRACE_REQUIRE=vm bin/test tests/kernels
check-kernels:
	bin/test --version >/dev/null
	.venv/bin/python tests/kernels/matrix --write
bench:
	tests/bench/run.py
lint:
	bin/test --version >/dev/null
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy -p pytrace
	.venv/bin/lint-imports --no-cache
wheel:
	bin/test --version >/dev/null
	.venv/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .
clean:
	rm -rf build dist .venv .venv.lock *.egg-info
