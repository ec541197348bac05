"""Links: what keeps a program attached, and how it is let go.

Place in the pipeline: what the attach functions return and the Session keeps.  In: fds.  Out: fds to close, in two
groups. What a newcomer would get wrong: disabling the perf event of a tracepoint, kprobe or uprobe does not stop the
program (`trace_call_bpf` does not look at the event), only closing the link does; for timers and counters it does stop
it.
"""

from __future__ import annotations

import errno

from pytrace.diagnostics import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from pytrace.runtime.sys import Kernel

    class Attacher(Protocol):
        """The Session as attach functions see it."""

        @property
        def kernel(self) -> Kernel: ...

        @property
        def target_pid(self) -> int | None:
            """The process of -p, or the child of -c."""
            ...

        def warn(self, message: str) -> None: ...



class Link:
    """One attachment.  `count`: functions or events, for `Attached N probes`.

    `links`: fds whose closing detaches the program.  `events`: perf events that keep nothing attached by themselves and
    may be closed at any time later.
    """

    def __init__(
        self,
        kernel: Kernel,
        links: list[int],
        events: list[int] | None = None,
        *,
        count: int = 1,
        pausable: bool = False,
    ) -> None:
        self._kernel = kernel
        self.links = links
        self.events = events or []
        self.count = count
        self.watched: int | None = None
        """The address of a watchpoint, for unwatch()."""
        self._pausable = pausable

    def disable(self) -> None:
        """Stop what can be stopped at once (timers, counters); never fails."""
        if self._pausable:
            for fd in self.events:
                try:
                    self._kernel.perf_disable(fd)
                except OSError:
                    pass

    def take_links(self) -> list[int]:
        """Hand over the fds whose closing detaches; the caller closes them."""
        taken, self.links = self.links, []
        return taken

    def take_events(self) -> list[int]:
        """Hand over the remaining fds; the caller closes them."""
        taken, self.events = self.events, []
        return taken

    def close(self) -> None:
        """Close everything, and wait for it."""
        for fd in [*self.take_links(), *self.take_events()]:
            self._kernel.close(fd)


def refused(what: str, error: OSError, advice: dict[int, str] | None = None) -> KernelError:
    """The KernelError of a failed attachment: `what` in the user's words, `advice` by errno."""
    number = error.errno or 0
    texts = _ADVICE | (advice or {})
    return KernelError(what, number, advice=texts.get(number, ""))


_ADVICE = {
    errno.EPERM: "needs root, or CAP_BPF and CAP_PERFMON; a lower kernel.perf_event_paranoid may be needed",
    errno.EACCES: "needs root, or CAP_BPF and CAP_PERFMON; a lower kernel.perf_event_paranoid may be needed",
    errno.EMFILE: "too many open files: raise the limit with ulimit -n",
    errno.ENFILE: "too many open files in the system: raise fs.file-max",
    errno.EOPNOTSUPP: "this kernel or machine does not offer it",
}


def join(kernel: Kernel, prog_fd: int, event_fd: int, cookie: int = 0) -> int | None:
    """Attach a program to a perf event: the link's fd, or None where the event itself now holds the program.

    Raises OSError.
    """
    try:
        return kernel.link_perf_event(prog_fd, event_fd, cookie)
    except OSError as error:
        if error.errno != errno.EINVAL or cookie:
            raise
    kernel.perf_set_program(event_fd, prog_fd)  # before Linux 5.15 there are no links of perf events
    return None
