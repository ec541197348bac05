"""What a formula of a location computes in the kernel, for operations that compilers seldom write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytrace import driver
from pytrace.location import Location, Piece
from pytrace.options import Options
from pytrace.runtime import dwarf_functions

pytestmark = [pytest.mark.feature("root", "uprobe"), pytest.mark.usefixtures("nothing_left_behind")]

N = ("register", "di")  # optimised.c calls spent(21, 22)


def constant(value: int) -> tuple[str, int]:
    return ("constant", value)


FORMULAS = {
    "first": (("div", ("minus", N, constant(28)), constant(2)), -3),
    "second": (
        ("plus", ("mul", ("abs", constant(-5)), ("mod", N, constant(4))), ("shl", ("eq", N, N), constant(4))),
        21,
    ),
}


def test_formulas(test_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def placed(place: Any, entry: Any, name: str, parameters: list[Any]) -> list[Location]:
        return [Location((Piece(p.size, FORMULAS[p.name][0]),)) for p in parameters]

    monkeypatch.setattr(dwarf_functions, "_on_the_way", placed)
    program = test_programs / "optimised"
    script = f'uprobe:{program}:spent {{ printf("%d %d\\n", args.first, args.second); }}'
    done = driver.run(script, timeout=30, options=Options(use_cache=False, command=str(program)))
    shown = [event.text for event in done.events if event.kind == "printf"]
    assert shown == [" ".join(str(value) for _, value in FORMULAS.values()) + "\n"]
