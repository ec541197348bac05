"""What every test folder shares: test programs, the tracer's command, and skips that must be declared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import machine, process, programs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write what is seen now into tests/cases, to be looked at")


@pytest.fixture(scope="session")
def test_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of compiled test programs."""
    if built := os.environ.get("PYTRACE_TEST_PROGRAMS"):  # in a virtual machine: built outside, where it is fast
        return Path(built)
    machine.need("gcc")
    return programs.build(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def pytrace() -> str:
    """The shell words that run this checkout's pytrace."""
    return process.pytrace_command()


@pytest.fixture
def nothing_left_behind() -> Iterator[None]:
    """Fails the test if a program, link, map or trace event outlives it."""
    before = process.kernel_objects()
    yield
    left = process.left_behind(before)
    assert not left, f"left in the kernel: {sorted(left)}"


@pytest.fixture(autouse=True)
def _features(request: pytest.FixtureRequest) -> None:
    for marker in request.node.iter_markers("feature"):
        machine.need(*marker.args)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Under CI a skip that did not go through `machine.need` is a failure: nothing is left out silently."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "missing feature " not in reason:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skips under CI without naming a missing feature: {reason}"
