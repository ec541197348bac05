"""The way of records from the ring to the handlers: fetch, keep, handle.

Place in the pipeline: driven by the Session.  In: the ring.  Out: calls of the Dispatcher.
What a newcomer would get wrong: records are fetched far more often than they are handled: handling is what takes
time, and meanwhile the kernel must find room in the ring.
"""

from __future__ import annotations

from time import monotonic, sleep

from pytrace.runtime.ring import Backlog, RingBuffer, backlog_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.runtime.events import Dispatcher
    from pytrace.runtime.sys import Kernel

_FIRST_SLICE, _LARGEST_SLICE = 16, 8192
_QUICK, _SLOW = 0.005, 0.05
"""Slices of the backlog grow while handling one takes less than the one number of seconds, and shrink above the other:
most records take a microsecond, but `system()` takes milliseconds, and the ring and signals must not wait for it."""
_STREAM, _PAUSE = 0.005, 0.001
"""Seconds: wake-ups that come faster than the one make us wait for the other."""


_ROOMY = 32 << 20
"""Bytes of a ring that holds what comes while others have the CPU."""
_GIVE_WAY = 10
"""By how much nicer we are then."""
_CAP_SYS_NICE = 23


class Courtesy:
    """Gives way to the traced programs where CPUs are scarce, as long as the ring is large and mostly empty.

    Only for who may take the priority back (CAP_SYS_NICE).
    """

    def __init__(self, kernel: Kernel, size: int) -> None:
        self._kernel = kernel
        self._most = size // 4
        self._usual = kernel.niceness()
        self._yields = False
        self._may = size >= _ROOMY and bool(kernel.capabilities() >> _CAP_SYS_NICE & 1)

    def look(self, pending: int) -> None:
        """To be told often how many bytes are in the ring."""
        if self._may and self._yields != (pending < self._most):
            self._yields = not self._yields
            self._kernel.set_niceness(self._usual + _GIVE_WAY * self._yields)

    def end(self) -> None:
        """From here on nobody is to be given way to."""
        self.look(self._most)
        self._may = False


class Pump:
    """`ring` is None for scripts without events."""

    def __init__(self, dispatcher: Dispatcher, output: Any) -> None:
        self.dispatcher = dispatcher
        self.output = output
        self.backlog = Backlog()
        self.ring: RingBuffer | None = None
        self._courtesy: Courtesy | None = None
        self._last_wake = 0.0
        self._slice = _FIRST_SLICE

    def connect(self, kernel: Kernel, fd: int) -> None:
        """Read from the ring buffer map `fd`."""
        size = int.from_bytes(kernel.info(fd)[16:20], "little")  # max_entries of struct bpf_map_info
        self.ring = RingBuffer(kernel, fd, size)
        self.backlog.limit = backlog_limit(kernel.available_memory())
        self._courtesy = Courtesy(kernel, size)

    def close(self) -> None:
        """Unmap the ring."""
        if self._courtesy:
            self._courtesy.end()
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
        if self._courtesy:
            self._courtesy.look(self.pending)
        runs = self.ring.ring.fetch()
        self.backlog.add(runs)
        return bool(runs)

    def handle(self) -> None:
        """Handle a slice of the backlog, and flush the output."""
        if not self.backlog:
            return
        start = monotonic()
        for run in self.backlog.take(self._slice):
            self.dispatcher.process(run)
        self.output.flush()
        if self.dispatcher.stopped:
            self.backlog.clear()
        taken = monotonic() - start
        if taken < _QUICK and self._slice < _LARGEST_SLICE:
            self._slice *= 2
        elif taken > _SLOW and self._slice > 1:
            self._slice //= 2

    def drain(self, give_up: Callable[[], bool]) -> int:
        """Handle everything, or, once `give_up()` says so, drop it; how many records were dropped.

        Programs must have stopped, or this may go on for ever.
        """
        if self._courtesy:
            self._courtesy.end()
        while self.fetch() or not self.is_idle:
            if give_up():
                dropped = self.backlog.count
                self.backlog.clear()
                return dropped
            if not self.backlog:
                sleep(_PAUSE)  # a record is being written at this moment
            self.handle()
        return 0
