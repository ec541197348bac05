"""A thousand functions by one wildcard: all are attached, each counts under its own name, and all are let go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "uprobe_multi", "gcc", "bcc"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
FUNCTIONS = [f"traced_{n:04}" for n in range(1000)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    text = "".join(f"void {name}(void) {{}}\n" for name in FUNCTIONS)
    calls = " ".join(f"{name}();" for name in FUNCTIONS)
    (folder / "many.c").write_text(f"{text}int main(void) {{ {calls} return 0; }}\n")
    subprocess.run(["gcc", "-O0", "many.c", "-o", "many"], cwd=folder, check=True)
    return folder / "many"


@pytest.mark.parametrize("kind", ["uprobe", "uretprobe"])
def test_all_are_counted(kind: str, pytrace: str, program: Path) -> None:
    script = f"{kind}:{program}:traced_* {{ @n = count(); @[func] = count(); }}"
    words = [*pytrace.split(), "-c", str(program), "-e", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, check=False)
    assert "Attached 1000 probes\n" in done.stderr
    lines = done.stdout.split("\n")
    assert "@n: 1000" in lines
    assert sorted(line for line in lines if line.startswith("@[")) == [f"@[{name}]: 1" for name in FUNCTIONS]
