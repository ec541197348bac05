"""The small C programs that tests trace, built once per test run from tests/programs/.

Each `name.c` becomes NAME (position-independent, debug information, frame pointers) and `libname.c` becomes libNAME.so;
a first line `/* flags: … */` adds compiler flags.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.harness.machine import ROOT

FLAGS = ["-g", "-O0", "-fno-omit-frame-pointer", "-Wall"]


def build(into: Path) -> Path:
    """Compile all of tests/programs into `into` and return it."""
    sources = sorted((ROOT / "tests" / "programs").glob("*.c"))
    for source in sorted(sources, key=lambda path: not path.name.startswith("lib")):
        library = source.stem.startswith("lib")
        target = into / (source.stem + (".so" if library else ""))
        first = source.read_text().split("\n", 1)[0]
        extra = first.removeprefix("/* flags:").removesuffix("*/").split() if first.startswith("/* flags:") else []
        kind = ["-shared", "-fPIC"] if library else [f"-L{into}", f"-Wl,-rpath,{into}"]
        subprocess.run(["gcc", *FLAGS, *kind, str(source), "-o", str(target), *extra], check=True, cwd=into)
    return into
