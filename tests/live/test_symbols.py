"""User symbols of real processes, also of those that are gone when their addresses are shown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root"), pytest.mark.usefixtures("nothing_left_behind")]


def run(pytrace: str, command: str, script: str) -> str:
    words = [*pytrace.split(), "-q", "--no-cache", "-c", command, "-e", script]
    done = subprocess.run(words, capture_output=True, timeout=60 * SCALE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_stack_keys_of_a_program_that_has_ended(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    shown = run(pytrace, str(program), f"uprobe:{program}:inner {{ @[ustack(1)] = count(); @a = usym(arg0); }}")
    assert "@[\n        inner+0\n]: 1\n" in shown
    assert "@a: 0x" in shown


def test_perf_mode_names_the_file(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    shown = run(pytrace, str(program), f"uprobe:{program}:inner {{ @ = ustack(perf, 1); }}")
    assert f" inner+0 ({program})\n" in shown


def test_symbols_of_a_running_program(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    script = f'uprobe:{program}:inner {{ printf("%s", ustack(1)); print(usym(reg("ip"))); exit(); }}'
    assert run(pytrace, f"{program} 1 3000", script).startswith("\n        inner+0\ninner\n")
