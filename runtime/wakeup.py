"""What the Session waits for: the ring, processes that end, and signals.

Place in the pipeline: owned by the Session.  In: fds, signals.  Out: "wake up", and why.  What a newcomer would get
wrong: a Python signal handler alone does not end a wait (the interpreter resumes it), so signals are written to a pipe
that is waited for too.
"""

from __future__ import annotations

import os
import select
import signal
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any


class Wakeup:
    """A context manager: handlers are installed on entry and the previous ones come back on exit.

    `last`: the process ends after this, so on exit SIGINT and SIGTERM become ignored: one that comes too late to end
    the run must not make it look killed.  `stop`: SIGINT or SIGTERM came, at `stop_time` (monotonic seconds).
    `finishing`: the run is being ended, a second SIGINT now has its default action.  `target`: the pidfd of -p.
    """

    def __init__(self, handle_signals: bool, *, last: bool = False) -> None:
        self.stop = False
        self.stop_time = 0.0
        self.finishing = False
        self._last = last
        self.target: int | None = None
        self._usr1 = False
        self._handle = handle_signals
        self._epoll: select.epoll | None = None
        self._ready: set[int] = set()
        self._owned: list[int] = []
        self._previous: dict[int, Any] = {}
        self._previous_fd = -1

    def __enter__(self) -> Wakeup:
        self._epoll = select.epoll()
        if self._handle:
            read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self._owned += [read, write]
            self._epoll.register(read, select.EPOLLIN)
            try:
                self._previous_fd = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
            except ValueError:  # not in the main thread
                self._handle = False
                return self
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._handle:
            signal.set_wakeup_fd(self._previous_fd)
            for number, handler in self._previous.items():
                late = self._last and number != signal.SIGUSR1
                signal.signal(number, signal.SIG_IGN if late else signal.SIG_DFL if handler is None else handler)
            self._previous.clear()

    def close(self) -> None:
        """Close the fds; handlers are gone by then."""
        for fd in self._owned:
            os.close(fd)
        self._owned = []
        if self._epoll:
            self._epoll.close()
            self._epoll = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self._usr1 = True
        elif self.stop and self.finishing and number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        elif not self.stop:
            self.stop, self.stop_time = True, monotonic()

    def watch(self, fd: int, *, owned: bool = False) -> None:
        """Wake up when `fd` is readable; `owned`: close it with the rest."""
        assert self._epoll is not None
        self._epoll.register(fd, select.EPOLLIN)
        if owned:
            self._owned.append(fd)

    def wait(self, seconds: float) -> bool:
        """Until something happens, or for that long; False when nothing did."""
        assert self._epoll is not None
        ready = {fd for fd, _ in self._epoll.poll(seconds)}
        self._ready = ready
        if self._handle and self._owned[0] in ready:
            try:
                os.read(self._owned[0], 512)
            except BlockingIOError:
                pass
        return bool(ready)

    def is_readable(self, fd: int) -> bool:
        """Whether the last wait, or a look now, found `fd` readable."""
        if fd in self._ready:
            return True
        look = select.poll()
        look.register(fd, select.POLLIN)
        return bool(look.poll(0))

    def take_signal(self) -> bool:
        """Whether SIGUSR1 came since the last call."""
        came, self._usr1 = self._usr1, False
        return came
