"""The way of records from the ring: when it gives way to others."""

from __future__ import annotations

import pytest

from pytrace.runtime.pump import Courtesy
from pytrace.runtime.sys import Kernel

MIB = 1 << 20


class Nice(Kernel):
    """A kernel that notes the priorities that it is asked for."""

    def __init__(self, capabilities: int = 1 << 23) -> None:
        self.asked: list[int] = []
        self._capabilities = capabilities

    def capabilities(self) -> int:
        return self._capabilities

    def niceness(self) -> int:
        return 3

    def set_niceness(self, value: int) -> None:
        self.asked.append(value)


def test_gives_way_while_the_ring_is_mostly_empty() -> None:
    kernel = Nice()
    courtesy = Courtesy(kernel, 64 * MIB)
    for pending in (0, 5 * MIB, 20 * MIB, 30 * MIB, MIB, 0):
        courtesy.look(pending)
    assert kernel.asked == [13, 3, 13]
    courtesy.end()
    courtesy.look(0)
    courtesy.end()
    assert kernel.asked == [13, 3, 13, 3]


@pytest.mark.parametrize(("size", "capabilities"), [(8 * MIB, 1 << 23), (64 * MIB, 0)])
def test_keeps_its_priority_where_the_ring_is_small_or_it_could_not_take_it_back(size: int, capabilities: int) -> None:
    kernel = Nice(capabilities)
    courtesy = Courtesy(kernel, size)
    courtesy.look(0)
    courtesy.end()
    assert kernel.asked == []
