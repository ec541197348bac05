"""A memory cgroup of a test's own, and processes that want more than it has.

In: how many megabytes it may have.  Out: processes that ended, or were killed.  What a newcomer would get wrong: only
what runs in the cgroup can be killed: the machine's memory is never short.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import machine
from tests.harness.process import environment

TAKE = """
import sys
name, folder, megabytes = sys.argv[1:]
with open("/proc/self/comm", "w") as comm:
    comm.write(name)
with open(folder + "/cgroup.procs", "w") as members:
    members.write("0")
memory = bytearray(int(megabytes) << 20)
for at in range(0, len(memory), 4096):
    memory[at] = 1
print("has it", flush=True)
sys.stdin.readline()
"""


class Limited:
    """A memory cgroup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def process(self, name: str, megabytes: int) -> Iterator[subprocess.Popen[str]]:
        """A process that writes to so much memory and waits; `name` is its comm."""
        words = [sys.executable, "-S", "-c", TAKE, name, str(self.folder), str(megabytes)]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        ) as child:
            yield child

    def take(self, name: str, megabytes: int) -> subprocess.Popen[str]:
        """The process, once it has its memory and has ended, or was killed."""
        with self.process(name, megabytes) as child:
            child.communicate("\n")
        return child


@contextmanager
def limited(megabytes: int) -> Iterator[Limited]:
    """A cgroup that may have so much memory, of either version, and no swap."""
    root, files = _root()
    folder = root / f"pytrace{os.getpid()}"
    folder.mkdir()
    try:
        for name in files:
            if (folder / name).exists():
                (folder / name).write_text("0" if "swap.max" in name else str(megabytes << 20))
        yield Limited(folder)
    finally:
        folder.rmdir()


def _root() -> tuple[Path, list[str]]:
    """The folder in which memory cgroups are made, and the files with the limits of one, in the order to write them."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(folder), ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        if kind == "cgroup2" and "memory" in (Path(folder) / "cgroup.controllers").read_text().split():
            (Path(folder) / "cgroup.subtree_control").write_text("+memory")
            return Path(folder), ["memory.max", "memory.swap.max"]
    machine.need("memory_cgroup")
    raise AssertionError("no folder for memory cgroups")
