"""The checklist of the language, tests/coverage.toml: every row names the tests that prove it, or says why not.

A `note` says what the proofs leave open: where this kernel or this build refuses, only the refusal can be compared.

A proof is `file::id`: the title of a case in a `*.case` file, the name of a test function, a piece of the script of a
case in tests/cases, or the title of a section of docs/differences.md.  What a newcomer would get wrong: this test only
sees that the proofs are still there; that they pass is for the tests themselves.
"""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cases import test_syntax
from tests.harness import datafile

ROOT = Path(__file__).resolve().parents[2]
# How many rows each area has, numbered from 1: the list is complete when every number of every area is there once.
AREAS = {
    "LEX": 13, "GRM": 25, "CDF": 22, "TYP": 42, "FLW": 11, "PRB": 46, "BLT": 22, "FUN": 45, "FMT": 8, "MAP": 17,
    "OUT": 18, "CLI": 24, "CFG": 11, "DIA": 13,
}  # fmt: skip
IDS = [f"{area}{number:02}" for area, count in AREAS.items() for number in range(1, count + 1)]


@cache
def coverage() -> dict[str, Any]:
    return tomllib.loads((ROOT / "tests" / "coverage.toml").read_text())


@cache
def titles(path: Path) -> frozenset[str]:
    """What a proof may name in a file, except for tests/cases."""
    if path.suffix == ".case":
        return frozenset(case.name for case in datafile.read(path))
    if path.suffix == ".md":
        return frozenset(re.findall(r"(?m)^## \d+\. (.+)$", path.read_text()))
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def problem(proof: str) -> str:
    """What is wrong with a proof, "" if it is there."""
    name, _, found = proof.partition("::")
    path = ROOT / name
    if not path.is_file():
        return f"no file {name}"
    if path.suffix == ".txt":
        there = any(found in f"{case.remark}\n{case.script}" for case in test_syntax.read(path))
    else:
        there = found in titles(path)
    return "" if found and there else f"{name} has no {found!r}"


def test_every_row_is_listed_once() -> None:
    rows, missing = set(coverage()["rows"]), set(coverage().get("missing", {}))
    assert not rows & missing, "both proven and missing"
    assert rows | missing == set(IDS)
    assert len(IDS) == 317


@pytest.mark.parametrize("area", AREAS)
def test_proofs_are_there(area: str) -> None:
    problems = []
    for row, entry in coverage()["rows"].items():
        if row.startswith(area):
            problems += [f"{row}: no proof"] if not entry["proof"] else []
            problems += [f"{row}: {why}" for why in map(problem, entry["proof"]) if why]
    assert not problems, "\n".join(problems)


def test_entries_are_complete() -> None:
    for entry in coverage()["rows"].values():
        assert {"tier", "title", "proof"} <= set(entry) <= {"tier", "title", "proof", "note"}
        assert entry["tier"] in (1, 2, 3) and entry["title"]
    for entry in coverage().get("missing", {}).values():
        assert set(entry) == {"tier", "title", "reason"} and entry["tier"] in (1, 2, 3) and entry["reason"]


def test_what_is_gone_is_found() -> None:
    assert problem("tests/unit/test_coverage.py::test_what_is_gone_is_found") == ""
    assert problem("tests/unit/test_coverage.py::test_nothing") and problem("tests/unit/absent.py::test_x")
    assert problem("tests/conformance/maps.case::no such title")
    assert problem("tests/cases/syntax/items.txt::no such script")
