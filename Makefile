# Short names for what is done often.  Each is one command; see bin/test for the whole.
.PHONY: test unit live conformance compare vm check-kernels bench lint generated wheel clean

test:
	bin/test
unit:
	bin/test tests/unit tests/cases
live:
	bin/test tests/live
conformance:
	bin/test tests/conformance
property: # 2,000 generated programs through the reference and pytrace
	PYTRACE_PROPERTY=2000 PYTRACE_REQUIRE=root,reference bin/test tests/conformance/test_generated.py -n 2
mutations: # 50,000 damaged scripts, compiled and loaded
	PYTRACE_MUTATIONS=50000 PYTRACE_REQUIRE=root bin/test tests/unit/test_mutations.py tests/live/test_mutations.py -n 2
compare: # every conformance script through `pytrace compare`
	PYTRACE_COMPARE=all PYTRACE_REQUIRE=root,reference bin/test tests/compare/test_whole.py
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
generated: # all files that are made from the grammar, the rows and the headers of tools
	bin/test --version >/dev/null
	.venv/bin/python -m pytrace.grammar.build_tables
	.venv/bin/python -m pytrace.defs.build_index
	.venv/bin/python -m pytrace.reference > docs/reference.md
	.venv/bin/python -m pytrace.highlighting
	.venv/bin/python -m pytrace.manual
wheel:
	bin/test --version >/dev/null
	.venv/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .
clean:
	rm -rf build dist .venv .venv.lock *.egg-info
