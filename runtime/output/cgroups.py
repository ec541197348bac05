"""Paths of control groups, for cgroup_path() (spec 04 §3).

Place in the pipeline: called by `render`, imported only when a script uses cgroup_path().  In: a cgroup id, which is
the inode number of its directory.  Out: (hierarchy, path below its mount point).  What a newcomer would get wrong: an
id means something in each hierarchy that is mounted, so there may be several answers.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

_mounts: list[tuple[str, str]] | None = None
_found: dict[tuple[int, str], str] = {}


def _hierarchies() -> list[tuple[str, str]]:
    """(name, mount point) of each mounted hierarchy; cgroup v2 is called `unified`."""
    global _mounts
    if _mounts is None:
        _mounts = []
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                _, point, kind, *_ = line.split(" ")
                if kind == "cgroup2":
                    _mounts.append(("unified", point))
                elif kind == "cgroup":
                    _mounts.append((os.path.basename(point), point))
    return _mounts


def paths_of(cgroup: int, pattern: str = "") -> list[tuple[str, str]]:
    """The paths of group `cgroup` in the hierarchies whose name matches the wildcard `pattern` ("" = all)."""
    found = []
    for name, mount in sorted(_hierarchies(), key=lambda h: (h[0] != "unified", h[0])):
        if pattern and not fnmatchcase(name, pattern):
            continue
        path = _path_below(mount, cgroup)
        if path:
            found.append((name, path))
    return found


def _path_below(mount: str, cgroup: int) -> str:
    key = cgroup, mount
    known = _found.get(key)
    if known is not None and _inode(mount + known) == cgroup:
        return known
    for folder, _, _ in os.walk(mount):
        if _inode(folder) == cgroup:
            path = folder[len(mount) :] or "/"
            _found[key] = path
            return path.encode("utf-8", "surrogateescape").decode("latin-1")
    return ""


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1
