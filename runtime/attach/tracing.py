"""Programs whose place was fixed when they were loaded: raw tracepoints, fentry and fexit, iterators.

Place in the pipeline: see `runtime.attach`.  In: a program's fd.  Out: Links.  Raises KernelError.
What a newcomer would get wrong: an iterator's program does not run when it is attached, but when the Session reads
from it, once; with a `pin` it never runs here, only for those who read the pinned file.
"""

from __future__ import annotations

import errno

from pytrace.runtime.link import Link, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.link import Attacher
    from pytrace.runtime.sys import Kernel

_BPF_FS = "/sys/fs/bpf/"


def attach_raw_tracepoint(session: Attacher, prog_fd: int, event: str = "") -> Link:
    """Attach a tracing program for a raw tracepoint; `event` for one of type raw_tracepoint."""
    advice = {
        errno.ENOENT: "there is no such raw tracepoint",
        errno.EINVAL: "it may read arguments beyond those of this tracepoint",
    }
    return _open(session.kernel, prog_fd, event, "Failed to attach to the raw tracepoint", advice)


def attach_fentry(session: Attacher, prog_fd: int) -> Link:
    """Attach a program for the entry or return of the kernel function that it was loaded for."""
    advice = {
        errno.EBUSY: "the function is already patched or traced by something else",
        errno.E2BIG: "too many programs are attached to this function",
    }
    return _open(session.kernel, prog_fd, "", "Failed to attach to the kernel function", advice)


def _open(kernel: Kernel, prog_fd: int, name: str, what: str, advice: dict[int, str]) -> Link:
    try:
        fd = kernel.raw_tracepoint_open(prog_fd, name)
    except OSError as error:
        raise refused(what, error, advice) from None
    return Link(kernel, [fd])


class IterLink(Link):
    """An iterator.  `pin`: absolute path under a bpf file system, "" to run it."""

    def __init__(self, kernel: Kernel, fd: int, pin: str) -> None:
        super().__init__(kernel, [fd])
        self.pin = pin

    def open(self) -> int:
        """An fd that yields the iterator's output.  Raises KernelError."""
        try:
            return self._kernel.iter_create(self.links[0])
        except OSError as error:
            raise refused("Failed to open iter probe link", error) from None

    def store(self) -> str:
        """Pin it; the path.  Raises KernelError."""
        path = self.pin if self.pin.startswith("/") else _BPF_FS + self.pin
        outside = f"{path} must be in a bpf file system (mount -t bpf bpf /sys/fs/bpf), in a folder that exists"
        advice = {errno.EEXIST: f"{path} exists", errno.ENOENT: outside, errno.EPERM: outside, errno.EINVAL: outside}
        try:
            self._kernel.pin(self.links[0], path)
        except OSError as error:
            raise refused("Failed to pin iter probe link", error, advice) from None
        return path


_TREES = ("cgroup",)
"""Iterators that walk a tree and must be told in which order."""


def attach_iter(session: Attacher, prog_fd: int, pin: str = "", iterator: str = "") -> IterLink:
    """Attach an iterator, restricted to the traced process if there is one."""
    kernel, advice = session.kernel, {errno.EBADF: "this iterator needs a map, and a script cannot name one"}
    try:
        link = kernel.link_iter(prog_fd, session.target_pid, parents_first=iterator in _TREES)
        return IterLink(kernel, link, pin)
    except OSError as error:
        raise refused("Failed to attach the iterator", error, advice) from None
