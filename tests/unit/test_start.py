"""What a start imports: the modules that would cost it more than the rest together must not come back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"typing", "dataclasses", "inspect", "argparse", "json", "subprocess", "logging", "hashlib", "threading"}


def imported(code: str) -> set[str]:
    """The modules that `code` has loaded at its end, in a Python without `site`."""
    start = f"import sys; sys.path[:0] = {[str(ROOT), *filter(None, sys.path)]!r}\n"
    end = "\nprint(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", start + code + end]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import pytrace.cli, pytrace.driver, pytrace.cache, pytrace.runtime.identity",
        "from pytrace.driver import _load_runtime; _load_runtime()",
        "import pytrace.defs.functions.output, pytrace.defs.aggregates.count, pytrace.runtime.output.maps",
    ],
    ids=["command", "runtime", "rows"],
)
def test_a_warm_start(code: str) -> None:
    found = imported(code)
    assert not found & (HEAVY | {"re", "contextlib", "lark", "llvmlite"})
    absent = ("pytrace.sema", "pytrace.codegen", "pytrace.grammar", "pytrace.compare")
    assert not {m for m in found if m.startswith(absent)}


def test_a_listing(tmp_path: Path) -> None:
    """The first imports the rows of probes and none besides, the next none."""
    code = (
        "from pytrace import driver\n"
        "from pytrace.options import Options\n"
        "driver.check_privileges = lambda: None\n"
        f"driver.list_probes('software:cs*,interval:*,*:nothing', Options(cache_dir={str(tmp_path)!r}))"
    )
    first, second = imported(code), imported(code)
    assert not first & (HEAVY | {"re", "contextlib", "lark", "llvmlite", "signal", "pytrace.grammar"})
    assert {m for m in first if m.startswith("pytrace.defs.") and m.count(".") > 2} == {
        f"pytrace.defs.probes.{path.stem}"
        for path in (ROOT / "pytrace" / "defs" / "probes").glob("*.py")
        if path.stem != "__init__"
    }
    assert not {m for m in second if m.startswith(("pytrace.defs", "pytrace.registry", "pytrace.runtime.machine"))}


def test_the_analysis_of_a_script() -> None:
    """All that runs while LLVM is loaded by the other process, but for the code generator's own text."""
    found = imported(
        "from pytrace.driver import Options, Source, Diagnostics, _analysis_options, _machine\n"
        "from pytrace.grammar.parser import parse\n"
        "from pytrace.defs import load_registry\n"
        "from pytrace.sema.pipeline import analyse\n"
        "source, options, found = Source('stdin', 'begin { @ = count(); }'), Options(), Diagnostics()\n"
        "analyse(parse(source, found), registry=load_registry(), target=_machine(options),\n"
        "        options=_analysis_options(source, options), diagnostics=found)\n"
        "found.raise_errors()"
    )
    assert not found & (HEAVY | {"lark", "llvmlite"})
    rows = {m for m in found if m.startswith("pytrace.defs.") and m.count(".") > 2 and "._" not in m}
    assert rows == {"pytrace.defs.aggregates.count", "pytrace.defs.probes.special"}
