"""Attaching: one function for each way in which the kernel lets a program watch something.

Place in the pipeline: called by the `attach` hooks of the probe rows.  In: the session (`Attacher`), plain values, a
program's fd.  Out: a `Link`.  Failures are KernelError with what to do about them.
What a newcomer would get wrong: attaching and letting go are asymmetric: closing the link stops the program, while the
perf event behind it takes the kernel tens of milliseconds to destroy, which is why a Link keeps the two apart.
"""

from __future__ import annotations

from pytrace.runtime.attach.perf import (
    attach_interval,
    attach_perf_event,
    attach_profile,
    attach_tracepoint,
    attach_watchpoint,
)
from pytrace.runtime.attach.probe import (
    attach_kprobe,
    attach_kprobe_multi,
    attach_uprobe,
    attach_uprobe_multi,
)
from pytrace.runtime.attach.tracing import attach_fentry, attach_iter, attach_raw_tracepoint
from pytrace.runtime.link import Attacher, Link

__all__ = [
    "Attacher", "Link", "attach_fentry", "attach_interval", "attach_iter", "attach_kprobe", "attach_kprobe_multi",
    "attach_perf_event", "attach_profile", "attach_raw_tracepoint", "attach_tracepoint", "attach_uprobe",
    "attach_uprobe_multi", "attach_watchpoint",
]  # fmt: skip
