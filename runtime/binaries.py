"""Which file a uprobe's or USDT probe's target means: paths, PATH, globs, library names, what a process has mapped.

Place in the pipeline: below `runtime.machine`.  In: the target as written, the PID of -p.  Out: paths that can be
opened from here.  What a newcomer would get wrong: a process in another mount namespace has other files under the
same names; its paths are reached through /proc/PID/root.
"""

from __future__ import annotations

import os
from struct import unpack_from

from pytrace.runtime.elf import ET_DYN, ET_EXEC, elf_type

_LD_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_X86_64_LIBRARY = 0x0303
"""FLAG_X8664_LIB64 | FLAG_ELF_LIBC6 of glibc's ldconfig.h."""


def in_other_namespace(pid: int) -> bool:
    """Whether a process sees other mounts than we do; False where that cannot be read."""
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return False


def through_root(pid: int, path: str) -> str:
    """`path` of process `pid` as it opens from here; what already leads through its folder in /proc stays."""
    if path.startswith(f"/proc/{pid}/"):
        return path
    return f"/proc/{pid}/root" + ("" if path.startswith("/") else "/") + path


def resolve(pattern: str, pid: int | None, unsafe: bool = False) -> list[str]:
    """The executables and libraries that `pattern` means, the best first.  `unsafe`: any file that exists."""
    if "\0" in pattern:
        return []
    foreign = pid is not None and in_other_namespace(pid)
    candidates = [pattern]
    if "/" not in pattern:
        candidates += [f"{folder}/{pattern}" for folder in _search_path(pid if foreign else None) if folder]
    if "*" in pattern:
        from glob import glob, has_magic

        candidates = [p for c in candidates for p in (sorted(glob(c)) if has_magic(c) else [c])]
    found = []
    for candidate in candidates:
        path = through_root(pid, candidate) if foreign and pid is not None else candidate
        if _is_probeable(path, unsafe and "*" not in pattern):
            found.append(path)
    return found


def _search_path(pid: int | None) -> list[str]:
    path = os.environ.get("PATH", "")
    if pid is not None:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                for item in file.read().split(b"\0"):
                    if item.startswith(b"PATH="):
                        path = os.fsdecode(item[5:])
        except OSError:
            pass
    return path.split(":")


def _is_probeable(path: str, unsafe: bool) -> bool:
    if unsafe and os.path.exists(path):
        return True
    archive, inside, _ = path.partition("!/")
    if inside and os.path.exists(archive):
        return True
    kind = elf_type(path)
    if kind == ET_EXEC:
        return bool(os.stat(path).st_mode & 0o100)
    return kind == ET_DYN


def archive_member(path: str) -> tuple[str, int, int] | None:
    """(archive, offset, size) of `archive.zip!/lib/libx.so`, whose member must be stored uncompressed; None for a file.

    Android maps libraries straight out of its packages; a uprobe there is one on the archive.
    """
    archive, inside, member = path.partition("!/")
    if not inside:
        return None
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(archive) as file:
            info = file.getinfo(member)
            if info.compress_type != 0:
                return None
    except (OSError, BadZipFile, KeyError):
        return None
    with open(archive, "rb") as raw:
        raw.seek(info.header_offset)
        name_length, extra_length = unpack_from("<HH", raw.read(30), 26)
    return archive, info.header_offset + 30 + name_length + extra_length, info.file_size


def library(name: str, pid: int | None) -> str | None:
    """The file of `libc`, `libssl.so.3`: what the process has mapped, else what the dynamic linker would take."""
    if not name.startswith("lib") or "/" in name or "*" in name:
        return None
    stem = name if ".so" in name else name + ".so"
    if pid is not None:
        for path in mapped(pid, through=False):
            base = path.rpartition("/")[2]
            if base.startswith((stem, name + "-")):
                return path
    return next((path for soname, path in linker_cache() if soname.startswith(stem)), None)


def linker_cache() -> list[tuple[str, str]]:
    """(soname, path) of the 64-bit libraries in ld.so.cache (glibc's dl-cache.h), in its order."""
    try:
        with open(_LD_CACHE, "rb") as file:
            data = file.read()
    except OSError:
        return []
    start = data.find(_CACHE_MAGIC)
    if start < 0:
        return []
    count = unpack_from("<I", data, start + 20)[0]
    rows = []
    for at in range(start + 48, start + 48 + 24 * count, 24):
        flags, key, value = unpack_from("<iII", data, at)
        if flags == _X86_64_LIBRARY:
            rows.append((_text(data, start + key), _text(data, start + value)))
    return rows


def _text(data: bytes, at: int) -> str:
    return os.fsdecode(data[at : data.index(b"\0", at)])


def executable_of(pid: int) -> str | None:
    """What `pid` runs, as a path that opens from here; by its link in /proc where the file has no path any more."""
    link = f"/proc/{pid}/exe"
    try:
        path = through_root(pid, os.readlink(link))
        return path if os.path.samefile(path, link) else link
    except FileNotFoundError:
        return link if os.path.exists(link) else None
    except OSError:
        return None


def mapped(pid: int, through: bool = True) -> list[str]:
    """The files of a process's executable mappings, each once, as paths that open from here.

    `through`: always by way of /proc/PID/root; otherwise only where the process sees other mounts.
    """
    foreign = through or in_other_namespace(pid)
    found: dict[str, None] = {}
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/") and "(deleted)" not in fields[5]:
                    found[through_root(pid, fields[5]) if foreign else fields[5]] = None
    except OSError:
        return []
    return [path for path in found if elf_type(path) in (ET_EXEC, ET_DYN)]


def mapped_by_all() -> list[str]:
    """The files of all processes' executable mappings."""
    found: dict[str, None] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found.update(dict.fromkeys(mapped(int(name), through=False)))
    return list(found)
