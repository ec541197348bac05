"""Records do what `dataclasses` would: the same classes made by both answer alike."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pytrace import record


def _classes(decorate: Any, decorate_keywords: Any, field: Any) -> tuple[Any, Any, Any]:
    @decorate
    class Point:
        x: int
        y: int = 2
        note: str = field(default="", compare=False, kw_only=True)

        @property
        def total(self) -> int:
            return self.x + self.y

    @decorate
    class Named(Point):
        names: list[str] = field(default_factory=list)

    @decorate_keywords
    class Wide:
        a: int
        b: int = 1
        c: int = 1
        d: int = 1
        e: int = 1
        f: int = 1
        g: int = 1
        h: int = 1
        i: int = 1
        j: tuple[int, ...] = (1, 2)

    return Point, Named, Wide


OURS = _classes(record.record, record.record(kw_only=True), record.field)
THEIRS = _classes(
    dataclasses.dataclass(frozen=True, slots=True),
    dataclasses.dataclass(frozen=True, slots=True, kw_only=True),
    dataclasses.field,
)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (0, (1,), {}), (0, (1, 5), {"note": "n"}), (0, (), {"y": 1, "x": 7}), (0, (), {}), (0, (1, 2, 3), {}),
        (0, (1,), {"z": 1}), (0, (1,), {"x": 1}), (1, (1,), {}), (1, (1, 2, ["a"]), {}), (1, (), {}),
        (1, (1, 2, [], 4), {}), (1, (1,), {"x": 1}), (1, (1,), {"w": 1}), (2, (), {"a": 1}), (2, (), {"a": 1, "j": ()}),
        (2, (1,), {}), (2, (), {}),
    ],
)  # fmt: skip
def test_construction_as_dataclasses_do(kind: int, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    def made(cls: Any) -> Any:
        try:
            value = cls(*values, **named)
        except TypeError:
            return TypeError
        return [getattr(value, f.name) for f in dataclasses.fields(THEIRS[kind])]

    assert made(OURS[kind]) == made(THEIRS[kind])


def test_equality_hash_and_text() -> None:
    point, named, _ = OURS
    assert point(1, note="a") == point(1, note="b")
    assert hash(point(1, note="a")) == hash(point(1, note="b"))
    assert point(1) != point(2)
    assert point(1) != named(1)
    assert repr(point(1)) == "Point(x=1, y=2, note='')"
    assert point.__match_args__ == ("x", "y")
    assert not hasattr(point(1), "__dict__")


def test_default_factories_are_called_for_each() -> None:
    _, named, _ = OURS
    first, second = named(1), named(1)
    first.names.append("x")
    assert second.names == []


def test_replace() -> None:
    point, named, _ = OURS
    assert record.replace(point(1, note="n"), y=9).note == "n"
    assert record.replace(named(1, 2, ["q"]), x=3) == named(3, 2, ["q"])
    with pytest.raises(TypeError, match="no field z"):
        record.replace(point(1), z=3)


def test_identity_and_mutable() -> None:
    @record.record(frozen=False, eq=False)
    class Symbol:
        name: str

    @record.record(frozen=False)
    class Counter:
        n: int = 0

    assert Symbol("a") != Symbol("a")
    assert len({Symbol("a"), Symbol("a")}) == 2
    assert Counter() == Counter()
    with pytest.raises(TypeError):
        hash(Counter())
    counter = Counter()
    counter.n = 3
    assert counter == Counter(3)
