"""A profile of a C++ program of 200 functions: every frame that the reference or gdb can name has that name here.

The program is generated: namespaces, classes, templates and plain functions that call each other by chance, fixed by a
seed.  What a newcomer would get wrong: two runs are never at the same places, so what is compared with the reference is
the set of functions; for gdb the program runs at fixed addresses and every single address is asked for.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from tests.harness import machine
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "perf_software", "g++"), pytest.mark.usefixtures("nothing_left_behind")]
FUNCTIONS = 200
SECONDS = 3


def source() -> str:
    """The program: function N calls some with higher numbers, the last ones spin."""
    chance = random.Random(7)
    lines = ["#include <ctime>", "volatile unsigned long sink;", "#define KEEP __attribute__((noinline))"]
    names = []
    for n in reversed(range(FUNCTIONS)):
        callees = chance.sample(names[-20:], min(2, len(names)))
        calls = " ".join(f"{name}(depth + {k});" for k, name in enumerate(callees))
        body = f"{{ for (int i = 0; i < 30; i++) sink += i * depth; {calls} asm volatile(\"\" ::: \"memory\"); }}"
        kind = n % 4
        if kind == 0:
            lines.append(f"KEEP void plain{n}(int depth) {body}")
            names.append(f"plain{n}")
        elif kind == 1:
            lines.append(f"namespace space{n} {{ KEEP static void inner(int depth) {body} }}")
            names.append(f"space{n}::inner")
        elif kind == 2:
            lines.append(f"struct Class{n} {{ KEEP static void method(int depth) {body} }};")
            names.append(f"Class{n}::method")
        else:
            lines.append(f"template <typename T> KEEP void templated{n}(T depth) {body}")
            names.append(f"templated{n}<int>")
        names = names[-40:]
    starts = " ".join(f"{name}(1);" for name in names[-12:])
    lines.append(
        f"int main() {{ timespec a, b; clock_gettime(CLOCK_MONOTONIC, &a); do {{ {starts} "
        f"clock_gettime(CLOCK_MONOTONIC, &b); }} while (b.tv_sec - a.tv_sec < {SECONDS + 2}); return 0; }}"
    )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiled")
    (folder / "profiled.cpp").write_text(source())
    flags = ["-g", "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-no-pie"]
    subprocess.run(["g++", *flags, "profiled.cpp", "-o", "profiled"], cwd=folder, check=True)
    return folder / "profiled"


def profile(tool: str, program: Path) -> list[tuple[int, str]]:
    """(address, name) of every frame of a run, without the offsets of the names."""
    with subprocess.Popen([str(program)]) as running:
        script = f"profile:hz:999 {{ @[ustack(perf)] = count(); }} interval:s:{SECONDS} {{ exit(); }}"
        words = [*tool.split(), "-q", "-p", str(running.pid), "-e", script]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120 * SCALE, check=False)
        running.kill()
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\t([0-9a-f]+) (.+) \((\S+)\)$", done.stdout, re.M)
    return [(int(address, 16), re.sub(r"\+\d+$", "", name)) for address, name, _ in rows]


def test_no_frame_of_the_program_is_unknown_to_gdb_only(pytrace: str, program: Path) -> None:
    frames = dict(profile(pytrace, program))
    assert len(frames) > FUNCTIONS // 2
    machine.need("gdb")
    asked = subprocess.run(
        ["gdb", "-batch", "-nx", *(w for a in frames for w in ("-ex", f"info symbol {a:#x}")), str(program)],
        capture_output=True, text=True, timeout=120 * SCALE, check=False,
    )  # fmt: skip
    answers = asked.stdout.splitlines()
    assert len(answers) == len(frames)
    wrong = []
    for (address, name), answer in zip(frames.items(), answers, strict=True):
        known = re.match(r"(.+?)(?: \+ \d+)? in section", answer)
        if known and known[1] != name:
            wrong.append(f"{address:#x}: {name}, gdb says {known[1]}")
    assert not wrong, "\n".join(wrong)


def test_the_functions_of_the_reference(pytrace: str, program: Path) -> None:
    machine.need("reference")
    ours = {name for _, name in profile(pytrace, program)}
    theirs = {name for _, name in profile(machine.reference(), program)}
    assert len(theirs) > FUNCTIONS // 2
    unnamed = {name for name in ours | theirs if name.startswith("0x")}
    # a function that takes less than a thousandth of the time may be in one of the runs only
    assert len((theirs - ours) - unnamed) <= len(theirs) // 20, sorted(theirs - ours)
    assert len({n for n in ours if n.startswith("0x")}) <= len({n for n in theirs if n.startswith("0x")})
