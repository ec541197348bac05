"""Identities of what a compiled Program depends on, cheap enough to check on every start.

Place in the pipeline: under the compile cache and under the live Target.  In: a path, a question.  Out: short strings;
`is_current` says whether a list of them still holds.  What a newcomer would get wrong: these strings are compared, not
trusted to name anything; whatever cannot be read any more is simply not current.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SEPARATOR = "\x00"
_MODULES = "/proc/modules"


def kernel() -> str:
    """The running kernel's build: release, version and, where it can be read, the GNU build id note."""
    uname = os.uname()
    try:
        with open("/sys/kernel/notes", "rb") as f:
            notes = f.read(256).hex()
    except OSError:
        notes = ""
    return _SEPARATOR.join((uname.release, uname.version, uname.machine, notes))


def file(path: str) -> str:
    """A file or folder by path, inode, size and time of change."""
    return _SEPARATOR.join(("file", path, _stat(path)))


def content(path: str) -> str:
    """A small file of proc, sysfs or tracefs by what it says."""
    return _SEPARATOR.join(("content", path, _content(path)))


def unreadable(path: str) -> str:
    """A file that could not be read."""
    return _SEPARATOR.join(("unreadable", path, "True"))


def modules() -> str:
    """The kernel's modules.  One that was loaded anew, perhaps built anew, has another size or address, and one that is
    `Loading` has yet to bring what it has."""
    return _SEPARATOR.join(("modules", _MODULES, _modules(_MODULES)))


def environment(name: str) -> str:
    """A variable of our environment, such as PATH."""
    return _SEPARATOR.join(("environment", name, _variable(name)))


def never() -> str:
    """For answers that hold for one run only: what runs at the moment."""
    return _SEPARATOR.join(("never", "", ""))


def boot() -> str:
    """This boot of the machine: kernel addresses and ids that were looked up hold for no other."""
    return content("/proc/sys/kernel/random/boot_id")


def is_current(fingerprint: Iterable[str]) -> bool:
    """Whether every identity of `fingerprint` is the same now."""
    for identity in fingerprint:
        kind, path, recorded = identity.split(_SEPARATOR, 2)
        if kind not in _CHECKS or _CHECKS[kind](path) != recorded:
            return False
    return True


def _stat(path: str) -> str:
    try:
        info = os.stat(path)
    except (OSError, ValueError):  # a name may have a NUL
        return "absent"
    return f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}"


def _variable(name: str) -> str:
    return os.environ.get(name, "")


def _modules(path: str) -> str:
    """/proc/modules without who uses them, which changes all the time: `name size users names state address`."""
    rows = (line.split(" ") for line in _content(path).split("\n"))
    return ",".join(sorted(f"{row[0]} {row[1]} {row[4]} {row[5]}" for row in rows if len(row) > 5))


def _is_unreadable(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as f:
            f.read(1)
        return "False"
    except OSError:
        return "True"


def _content(path: str) -> str:
    try:
        with open(path, "rb") as f:
            return f.read().decode("latin-1")
    except OSError:
        return "absent"


_CHECKS: dict[str, Callable[[str], str]] = {
    "file": _stat, "content": _content, "environment": _variable, "modules": _modules,
    "unreadable": _is_unreadable,
}  # fmt: skip
"""Kind of identity -> what it is now.  A kind that is not here (`never`) is never current."""
