"""The ring buffer's consumer: records leave shared memory in runs, not one by one.

Place in the pipeline: between the ring buffer map and the event handlers.  In: the map's fd.  Out: `Run`s (equally long
records of one event, copied out) and, where those would be short, `Mixed` ones.  Source: kernel/bpf/ringbuf.c,
Documentation/bpf/ringbuf.rst. What a newcomer would get wrong: (1) headers must be read in shared memory *before* the
records behind them are copied, because the busy bit is what says that a record is complete, and a block copy may read
in any order; (2) positions only grow, their remainder by the ring's size is the place; the data is mapped twice in a
row so that no record wraps.
"""

from __future__ import annotations

from struct import Struct

from pytrace.runtime.sys import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator, Sequence

    from pytrace.runtime.sys import Kernel
    Buffer = bytes | bytearray | memoryview | mmap.mmap

HEADER = 8
_LENGTH_MASK = abi.RING_DISCARD - 1
_FIRST_LOOK = 16
_SHORT = 8
"""A run of fewer records is not worth being one."""
_MIXED = 1024
"""How many records a `Mixed` takes before runs are looked for again."""


class Run:
    """`count` records of event `event`, each `length` bytes long, `stride` bytes apart in `block` from byte 8 on."""

    __slots__ = ("block", "count", "event", "length", "size", "stride")

    def __init__(self, event: int, block: bytes | memoryview, count: int, length: int, stride: int) -> None:
        self.event = event
        self.block = block
        self.count = count
        self.length = length
        self.stride = stride
        self.size = len(block)

    def records(self) -> list[bytes]:
        """The records, without their headers."""
        if self.count == 1:
            return [bytes(self.block[HEADER : HEADER + self.length])]
        parts = Struct(f"8x{self.length}s{self.stride - HEADER - self.length}x").iter_unpack(self.block)
        return [record for (record,) in parts]

    def head(self, count: int) -> tuple[Run, Run]:
        """The first `count` records, and the rest; neither is copied, for a run may be as large as the ring."""
        at, block = count * self.stride, memoryview(self.block)
        return (
            Run(self.event, block[:at], count, self.length, self.stride),
            Run(self.event, block[at:], self.count - count, self.length, self.stride),
        )


class Mixed:
    """Records of several events or lengths, where runs would be short.  The event is each record's first word."""

    __slots__ = ("_records", "count", "size")

    event = -1

    def __init__(self, records: list[bytes], size: int) -> None:
        self._records = records
        self.count = len(records)
        self.size = size

    def records(self) -> list[bytes]:
        return self._records

    def head(self, count: int) -> tuple[Mixed, Mixed]:
        """The first `count` records, and the rest."""
        size = self.size * count // self.count
        return Mixed(self._records[:count], size), Mixed(self._records[count:], self.size - size)


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

    def fetch(self, limit: int = 1 << 62) -> list[Run | Mixed]:
        """Copy out all complete records, at most about `limit` bytes, and give their room back to the kernel."""
        position = start = self._consumer[0]
        end = min(self._producer[0], position + limit)
        runs: list[Run | Mixed] = []
        while position < end:
            at = position & self._mask
            header = self._words[at >> 2]
            if header & abi.RING_BUSY:
                break
            length = header & _LENGTH_MASK
            stride = HEADER + (length + 7 & ~7)
            most = max(1, (end - position) // stride)
            count = self._alike(at, header, stride, most)
            if count < _SHORT and count < most:
                position += self._singly(runs, at, end - position)
                continue
            if not header & abi.RING_DISCARD:
                _split(runs, bytes(self._bytes[at : at + count * stride]), count, length, stride)
            position += count * stride
        if position != start:
            self._consumer[0] = position
        return runs

    def _singly(self, runs: list[Run | Mixed], at: int, available: int) -> int:
        """Records whose lengths change all the time: some of them as one `Mixed`.  The bytes passed."""
        words, place, most = self._words, 0, _MIXED
        parts: list[slice] = []
        busy, discard, mask = abi.RING_BUSY, abi.RING_DISCARD, _LENGTH_MASK
        while place < available and most:
            header = words[at + place >> 2]
            if header >= discard:  # one of the two highest bits
                if header & busy:
                    break
                place += HEADER + ((header & mask) + 7 & ~7)
                continue
            place += HEADER
            if header >= 8:
                parts.append(slice(place, place + header))
                most -= 1
            place += header + 7 & ~7
        block = bytes(self._bytes[at : at + place])
        if parts:
            runs.append(Mixed([*map(block.__getitem__, parts)], place))
        return place

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


def _split(runs: list[Run | Mixed], block: bytes, count: int, length: int, stride: int) -> None:
    """Append runs of one event each: the event's id is the first word of a record."""
    if length < 8:
        return  # nothing of ours is that short
    if count == 1:
        runs.append(Run(int.from_bytes(block[8:16], "little"), block, 1, length, stride))
        return
    ids = memoryview(block).cast("Q")[1 :: stride // 8].tobytes()
    done = 0
    while done < count:
        known = _same(ids, done, count)
        if known < _SHORT and known < count - done:
            known = min(_MIXED, count - done)
            mixed = Run(0, block[done * stride : (done + known) * stride], known, length, stride)
            runs.append(Mixed(mixed.records(), mixed.size))
        else:
            event = int.from_bytes(ids[done * 8 : done * 8 + 8], "little")
            part = block if known == count else block[done * stride : (done + known) * stride]
            runs.append(Run(event, part, known, length, stride))
        done += known


def _same(ids: bytes, first: int, count: int) -> int:
    """How many ids from `first` on are equal."""
    one = ids[first * 8 : first * 8 + 8]
    known, look, rest = 1, _FIRST_LOOK, count - first
    while known < rest:
        look = min(look, rest - known)
        seen = ids[(first + known) * 8 : (first + known + look) * 8]
        if seen != one * look:
            return known + _common(seen, one * look, 8)
        known += look
        look *= 4
    return known


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


def backlog_limit(available: int) -> int:
    """Bytes that the backlog may take when `available` bytes of memory are free."""
    return min(max(available // 8, 1 << 24), 1 << 28)


class Backlog:
    """Runs that were copied out and wait to be processed: it makes the ring as large as memory allows.

    `limit`: bytes beyond which nothing more is copied out, so that the kernel loses and counts instead of us.
    """

    def __init__(self, limit: int = 1 << 24) -> None:
        from collections import deque

        self._runs: deque[Run | Mixed] = deque()
        self.bytes = 0
        self.limit = limit

    @property
    def is_full(self) -> bool:
        return self.bytes >= self.limit

    def add(self, runs: Sequence[Run | Mixed]) -> None:
        self._runs.extend(runs)
        self.bytes += sum(run.size for run in runs)

    def clear(self) -> None:
        self._runs.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def count(self) -> int:
        """How many records wait."""
        return sum(run.count for run in self._runs)

    def take(self, most: int) -> Iterator[Run | Mixed]:
        """Runs of at most `most` records in all."""
        while self._runs and most > 0:
            run = self._runs.popleft()
            if run.count > most:
                taken, rest = run.head(most)
                self._runs.appendleft(rest)
                run = taken
            self.bytes -= run.size
            most -= run.count
            yield run
