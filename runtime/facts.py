"""What a Program's globals are set from: facts about this machine, this run and this process.

Place in the pipeline: read by the loader before programs are loaded.  In: the kernel, the child's pid.  Out: functions
by `GlobalSpec.source`.  What a newcomer would get wrong: they are called only for the sources that a Program names, so
a look at /proc costs nothing when no script asks for it.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytrace.runtime.sys import Kernel


def sources(
    kernel: Kernel, child: int | None, target: int | None = None, wanted: Iterable[str] = ()
) -> Mapping[str, Callable[[], int]]:
    """uint64 values by name; times in nanoseconds.  `target`: the process of -p; `wanted`: the names that a
    Program has, since those of the form `kind:what` (a kernel symbol, a cgroup) are without number."""
    found: dict[str, Callable[[], int]] = {
        "start_ns": kernel.boot_time_ns,
        "cpid": lambda: child or 0,
        "has_cpid": lambda: int(child is not None),
        "ncpus": kernel.possible_cpus,
        "tai_offset": kernel.tai_offset_ns,
        "pidns_dev": lambda: kernel.pid_namespace()[0],
        "pidns_ino": lambda: kernel.pid_namespace()[1],
        "tracer_pid": os.getpid,
        "target_pid": lambda: target or 0,
    }
    for name in wanted:
        kind, colon, what = name.partition(":")
        if colon and kind in _LOOKUPS:
            found[name] = lambda look_up=_LOOKUPS[kind], what=what: look_up(what)  # type: ignore[misc]
    return found


def _kernel_symbol(name: str) -> int:
    with open("/proc/kallsyms", "rb") as file:
        for line in file:
            address, _, found = line.split(None, 3)[:3]
            if found == name.encode("latin-1"):
                return int(address, 16)
    raise MachineError(f"Failed to resolve kernel symbol: {name}")


def _cgroup(path: str) -> int:
    try:
        return os.stat(path).st_ino  # a cgroup's id is the inode number of its folder
    except OSError:
        raise MachineError(f"cgroupid() could not find the cgroup `{path}`") from None


_LOOKUPS: dict[str, Callable[[str], int]] = {"kaddr": _kernel_symbol, "cgroupid": _cgroup}
"""What a script that was compiled ahead asks for at each start."""
