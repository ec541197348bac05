"""The way of records from the ring to the handlers: fetch, keep, handle.

Place in the pipeline: driven by the Session.  In: the ring.  Out: calls of the Dispatcher.
What a newcomer would get wrong: records are fetched far more often than they are handled: handling is what takes
time, and meanwhile the kernel must find room in the ring.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from pytrace.runtime.ring import Backlog, RingBuffer, backlog_limit

if TYPE_CHECKING:
    from pytrace.runtime.events import Dispatcher
    from pytrace.runtime.sys import Kernel

_SLICE = 4096
"""Records that are handled before the ring is emptied again."""
_STREAM, _PAUSE = 0.005, 0.001
"""Seconds: wake-ups that come faster than the one make us wait for the other."""


class Pump:
    """`ring` is None for scripts without events."""

    def __init__(self, dispatcher: Dispatcher, output: Any) -> None:
        self.dispatcher = dispatcher
        self.output = output
        self.backlog = Backlog()
        self.ring: RingBuffer | None = None
        self._last_wake = 0.0

    def connect(self, kernel: Kernel, fd: int) -> None:
        """Read from the ring buffer map `fd`."""
        size = int.from_bytes(kernel.info(fd)[16:20], "little")  # max_entries of struct bpf_map_info
        self.ring = RingBuffer(kernel, fd, size)
        self.backlog.limit = backlog_limit(kernel.available_memory())

    def close(self) -> None:
        """Unmap the ring."""
        if self.ring:
            self.ring.close()
            self.ring = None

    @property
    def pending(self) -> int:
        """Bytes in the ring."""
        return self.ring.ring.pending if self.ring else 0

    @property
    def is_idle(self) -> bool:
        """Nothing is in the ring or in the backlog."""
        return not self.backlog and not self.pending

    def gather(self) -> None:
        """In a stream of events wait a little, so that we wake up once for many; a single event is handled at once."""
        now = monotonic()
        if now - self._last_wake < _STREAM and self.ring and self.pending < self.ring.ring.size // 8:
            sleep(_PAUSE)
        self._last_wake = now

    def fetch(self) -> bool:
        """Copy what is in the ring into the backlog; False when there was nothing, or no room."""
        if self.ring is None or self.backlog.is_full:
            return False
        runs = self.ring.ring.fetch()
        self.backlog.add(runs)
        return bool(runs)

    def handle(self) -> None:
        """Handle a slice of the backlog, and flush the output."""
        for run in self.backlog.take(_SLICE):
            self.dispatcher.process(run)
        self.output.flush()
        if self.dispatcher.stopped:
            self.backlog.clear()

    def drain(self) -> None:
        """Handle everything.  Programs must have stopped, or this may go on for ever."""
        while self.fetch() or not self.is_idle:
            if not self.backlog:
                sleep(_PAUSE)  # a record is being written at this moment
            self.handle()
