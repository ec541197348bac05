"""The reports of --test and --bench (spec 05 §4.5).

Place in the pipeline: called by the text output only.  In: the result of one test or benchmark, in order.  Out: latin-1
str.  What a newcomer would get wrong: the number behind a test's name is the scale of its unit, not its duration; the
reference prints that, and test suites match on it.
"""

from __future__ import annotations

_GREEN, _RED, _RESET = "\x1b[32m", "\x1b[31m", "\x1b[0m"
_MICRO = "μs".encode().decode("latin-1")


def unit_of(nanoseconds: int) -> tuple[str, int]:
    """The unit in which a duration is shown, and how many nanoseconds that is."""
    for unit, scale in (("s", 10**9), ("ms", 10**6), (_MICRO, 10**3)):
        if nanoseconds >= scale:
            return unit, scale
    return "ns", 1


def _tag(colour: str, text: str) -> str:
    return f"{colour}[{text}]{_RESET}"


def _count(n: int) -> str:
    return f"{n} test{'' if n == 1 else 's'}"


def test_lines(names: list[str], index: int, nanoseconds: int, passed: list[bool], output: str) -> str:
    """The lines of test number `index`; with the last one the summary."""
    name = names[index]
    lines = []
    if index == 0:
        lines.append(f"{_tag(_GREEN, '==========')} Running {len(names)} tests.")
    lines.append(f"{_tag(_GREEN, ' RUN      ')} {name}")
    unit, scale = unit_of(nanoseconds)
    if passed[index]:
        lines.append(f"{_tag(_GREEN, '       OK ')} {name} ({scale} {unit})")
    else:
        lines += [line for line in output.split("\n") if line]
        lines.append(f"{_tag(_RED, '  FAILED  ')} {name} ({scale} {unit})")
    if index == len(names) - 1:
        failed = [n for n, ok in zip(names, passed, strict=False) if not ok]
        lines.append(f"{_tag(_GREEN, '==========')} {_count(len(names))} ran.")
        lines.append(f"{_tag(_GREEN, '  PASSED  ')} {_count(len(names) - len(failed))}.")
        if failed:
            lines.append(f"{_tag(_RED, '  FAILED  ')} {_count(len(failed))}, listed below:")
            lines += [f"{_tag(_RED, '  FAILED  ')} {n}" for n in failed]
    return "\n".join(lines) + "\n"


def benchmark_lines(names: list[str], index: int, average: int, iterations: int) -> str:
    """The line of benchmark number `index`, with the first one the heading."""
    width = max(40, *map(len, names)) + 1
    heading = ""
    if index == 0:
        heading = f"{'Benchmark':<{width}}{'Time(ns)':<15}Iterations\n{'-' * (width + 15 + len('Iterations'))}\n"
    return f"{heading}{names[index]:<{width}}{average:<15}{iterations}\n"
