"""Letting go of what the kernel takes long to destroy, without anybody waiting for it.

Place in the pipeline: the end of a Session.  In: fds.  Out: nothing.  What a newcomer would get wrong: closing a link
that detaches a program waits for a grace period of the kernel (about 25 ms), but all that are closed at the same time
share one; closing the perf event of a tracepoint waits longer and under a lock, one after the other, and a process that
ends waits too: so those are left to a process of their own that nobody waits for.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 64


def close_together(fds: list[int], close: Callable[[int], None] = os.close) -> None:
    """Close all `fds` at the same time and wait until that is done."""
    if len(fds) <= 1:
        for fd in fds:
            close(fd)
        return
    from threading import Thread

    shares = [fds[n::_THREADS] for n in range(min(_THREADS, len(fds)))]
    threads = [Thread(target=_close_all, args=(share, close)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _close_all(fds: list[int], close: Callable[[int], None]) -> None:
    for fd in fds:
        close(fd)


def leave_behind(fds: list[int]) -> None:
    """Close `fds` without waiting: a child that owns them too ends in its own time, adopted by init.

    To be called last: the caller is about to end, and has closed and unmapped everything else of the run.  The child
    keeps no standard stream open, so whoever reads the output of this process sees its end.
    """
    if not fds:
        return
    try:
        pid = os.fork()
    except OSError:
        pid = -1
    if pid == 0:
        try:
            os.setsid()
            keep = sorted(fds)
            last = -1
            for fd in keep:
                os.closerange(last + 1, fd)
                last = fd
            os.closerange(last + 1, max(last + 1, 1 << 16))
        finally:
            os._exit(0)  # the kernel closes them now
    for fd in fds:
        os.close(fd)
