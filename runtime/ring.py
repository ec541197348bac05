"""The ring buffer's consumer: records leave shared memory in runs, not one by one.

Place in the pipeline: between the ring buffer map and the event handlers.  In: the map's fd.  Out: `Run`s: equally long
records of one event, copied out.  Source: kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst.
What a newcomer would get wrong: (1) headers must be read in shared memory *before* the records behind them are copied,
because the busy bit is what says that a record is complete, and a block copy may read in any order; (2) positions only
grow, their remainder by the ring's size is the place; the data is mapped twice in a row so that no record wraps.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import TYPE_CHECKING

from pytrace.runtime.sys import Kernel, abi

if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview | mmap.mmap

HEADER = 8
_LENGTH_MASK = abi.RING_DISCARD - 1
_FIRST_LOOK = 16


class Run:
    """`count` records of event `event`, each `length` bytes long, `stride` bytes apart in `block` from byte 8 on."""

    __slots__ = ("block", "count", "event", "length", "stride")

    def __init__(self, event: int, block: bytes, count: int, length: int, stride: int) -> None:
        self.event = event
        self.block = block
        self.count = count
        self.length = length
        self.stride = stride

    def records(self) -> list[bytes]:
        """The records, without their headers."""
        if self.count == 1:
            return [self.block[HEADER : HEADER + self.length]]
        parts = Struct(f"8x{self.length}s{self.stride - HEADER - self.length}x").iter_unpack(self.block)
        return [record for (record,) in parts]

    def head(self, count: int) -> tuple[Run, Run]:
        """The first `count` records, and the rest."""
        at = count * self.stride
        return (
            Run(self.event, self.block[:at], count, self.length, self.stride),
            Run(self.event, self.block[at:], self.count - count, self.length, self.stride),
        )


class Ring:
    """Positions and data of one ring.  `data` is as long as the ring twice; `positions` are single 64-bit words."""

    def __init__(self, consumer: Buffer, producer: Buffer, data: Buffer, size: int) -> None:
        self._consumer = memoryview(consumer).cast("B")[:8].cast("Q")
        self._producer = memoryview(producer).cast("B")[:8].cast("Q")
        self._bytes = memoryview(data).cast("B")
        self._words = self._bytes.cast("I")
        self._mask = size - 1
        self.size = size

    def release(self) -> None:
        """Let go of the buffers, so that they can be unmapped."""
        for view in (self._words, self._bytes, self._producer, self._consumer):
            view.release()

    @property
    def pending(self) -> int:
        """Bytes between the consumer and the producer, records that are still being written included."""
        return self._producer[0] - self._consumer[0]

    def fetch(self, limit: int = 1 << 62) -> list[Run]:
        """Copy out all complete records, at most about `limit` bytes, and give their room back to the kernel."""
        position, end = self._consumer[0], self._producer[0]
        end = min(end, position + limit)
        runs: list[Run] = []
        while position < end:
            at = position & self._mask
            header = self._words[at >> 2]
            if header & abi.RING_BUSY:
                break
            length = header & _LENGTH_MASK
            stride = HEADER + (length + 7 & ~7)
            count = self._alike(at, header, stride, max(1, (end - position) // stride))
            if not header & abi.RING_DISCARD:
                _split(runs, bytes(self._bytes[at : at + count * stride]), count, length, stride)
            position += count * stride
        if position != self._consumer[0]:
            self._consumer[0] = position
        return runs

    def _alike(self, at: int, header: int, stride: int, most: int) -> int:
        """How many records from byte `at` on have this header: looks further and further ahead."""
        if most == 1:
            return 1
        word = header.to_bytes(4, "little")
        words, first, step = self._words, at >> 2, stride >> 2
        known, look = 1, _FIRST_LOOK
        while known < most:
            look = min(look, most - known)
            start = first + known * step
            seen = words[start : start + look * step : step].tobytes()
            if seen != word * look:
                return known + _common(seen, word * look, 4)
            known += look
            look *= 4
        return known


def _common(left: bytes, right: bytes, width: int) -> int:
    """How many leading items of `width` bytes are equal; the two differ somewhere."""
    low, high = 0, len(left) // width
    while low < high:
        middle = (low + high + 1) // 2
        if left[: middle * width] == right[: middle * width]:
            low = middle
        else:
            high = middle - 1
    return low


def _split(runs: list[Run], block: bytes, count: int, length: int, stride: int) -> None:
    """Append runs of one event each: the event's id is the first word of a record."""
    if length < 8:
        return  # nothing of ours is that short
    if count == 1:
        runs.append(Run(int.from_bytes(block[8:16], "little"), block, 1, length, stride))
        return
    ids = memoryview(block).cast("Q")[1 :: stride // 8].tobytes()
    done = 0
    while done < count:
        one = ids[done * 8 : done * 8 + 8]
        rest = count - done
        look, known = _FIRST_LOOK, 1
        while known < rest:
            look = min(look, rest - known)
            seen = ids[(done + known) * 8 : (done + known + look) * 8]
            if seen != one * look:
                known += _common(seen, one * look, 8)
                break
            known += look
            look *= 4
        part = block if known == count else block[done * stride : (done + known) * stride]
        runs.append(Run(int.from_bytes(one, "little"), part, known, length, stride))
        done += known


class RingBuffer:
    """A mapped ring buffer map.  The consumer's page is writable, the rest is not (kernel/bpf/ringbuf.c)."""

    def __init__(self, kernel: Kernel, fd: int, size: int) -> None:
        page = kernel.page_size
        self.fd = fd
        self._maps: list[mmap.mmap] = []
        self._maps.append(kernel.map_shared(fd, page, writable=True))
        self._maps.append(kernel.map_shared(fd, page + 2 * size, writable=False, offset=page))
        whole = memoryview(self._maps[1])
        self._views = [whole, whole[page:]]
        self.ring = Ring(self._maps[0], whole[:8], self._views[1], size)

    def close(self) -> None:
        """Unmap; the fd belongs to the loader."""
        self.ring.release()
        for view in reversed(self._views):
            view.release()
        for mapping in self._maps:
            mapping.close()
        self._maps = []


class Backlog:
    """Runs that were copied out and wait to be processed: it makes the ring as large as memory allows.

    `limit`: bytes beyond which nothing more is copied out, so that the kernel loses and counts instead of us.
    """

    def __init__(self, limit: int = 256 << 20) -> None:
        from collections import deque

        self._runs: deque[Run] = deque()
        self.bytes = 0
        self.limit = limit

    @property
    def is_full(self) -> bool:
        return self.bytes >= self.limit

    def add(self, runs: Sequence[Run]) -> None:
        self._runs.extend(runs)
        self.bytes += sum(len(run.block) for run in runs)

    def clear(self) -> None:
        self._runs.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._runs)

    def take(self, most: int) -> Iterator[Run]:
        """Runs of at most `most` records in all."""
        while self._runs and most > 0:
            run = self._runs.popleft()
            if run.count > most:
                run, rest = run.head(most)
                self._runs.appendleft(rest)
            self.bytes -= len(run.block)
            most -= run.count
            yield run
