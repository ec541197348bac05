"""The seam to the kernel: every system call and every ctypes prototype of the runtime.

Place in the pipeline: under loader, maps, ring, attach and session.  In: numbers, fds, bytes.  Out: the same, or
`OSError`. What a newcomer would get wrong: nothing above this package calls bpf(2), perf_event_open(2) or ctypes; code
takes a `Kernel` and tests hand it another one.
"""

from __future__ import annotations

from pytrace.runtime.sys.bpf import BpfCalls, ProgramLoad
from pytrace.runtime.sys.perf import PerfCalls, PerfEvent
from pytrace.runtime.sys.process import ProcessCalls


class Kernel(BpfCalls, PerfCalls, ProcessCalls):
    """The running kernel.  A test makes a subclass, or any object with the methods that its case needs."""


kernel = Kernel()

__all__ = ["Kernel", "PerfEvent", "ProgramLoad", "kernel"]
