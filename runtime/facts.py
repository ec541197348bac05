"""What a Program's globals are set from: facts about this machine, this run and this process.

Place in the pipeline: read by the loader before programs are loaded.  In: the kernel, the child's pid.  Out: functions
by `GlobalSpec.source`.  What a newcomer would get wrong: they are called only for the sources that a Program names, so
a look at /proc costs nothing when no script asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pytrace.runtime.sys import Kernel


def sources(kernel: Kernel, child: int | None) -> Mapping[str, Callable[[], int]]:
    """uint64 values by name; times in nanoseconds."""
    return {
        "start_ns": kernel.boot_time_ns,
        "cpid": lambda: child or 0,
        "has_cpid": lambda: int(child is not None),
        "ncpus": kernel.possible_cpus,
        "tai_offset": kernel.tai_offset_ns,
        "pidns_dev": lambda: kernel.pid_namespace()[0],
        "pidns_ino": lambda: kernel.pid_namespace()[1],
        "tracer_pid": os.getpid,
    }
