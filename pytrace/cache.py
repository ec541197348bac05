"""The cache: Programs and listings on disk, so that a second start needs neither lark nor llvmlite, and a second `-l`
asks the kernel only whether anything has changed (DESIGN §4).

Place in the pipeline: between driver and compiler.  In: a key and a Program or a listing; out: the same, or None.  What
a newcomer would get wrong: nothing in the store is trusted.  The folder must be the user's own and closed to others,
every entry carries a checksum, holds plain data only (`marshal` of builtin values, never pickle), and whatever is odd
about one makes it a miss: it is made again and written anew.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.program import Program

_DIGEST = 16
PROGRAMS, LISTINGS = "program", "listing"
_MOST = {PROGRAMS: 512, LISTINGS: 64}
"""Kind of entry, which is the suffix of its file -> how many are kept."""
_LARGEST = 16 << 20
"""Bytes of an entry; what is larger is not worth the room."""


def _digest(data: bytes | memoryview) -> bytes:
    from _blake2 import blake2b  # what hashlib would give, without loading OpenSSL (4 ms)

    return blake2b(data, digest_size=_DIGEST).digest()


def default_dir() -> str:
    """`$PYTRACE_CACHE_DIR`, `$XDG_CACHE_HOME/pytrace` or `~/.cache/pytrace`; "" where there is no home."""
    given = os.environ.get("PYTRACE_CACHE_DIR")
    if given:
        return given
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "pytrace") if os.path.isabs(base) else ""


def tool_identity() -> tuple[Any, ...]:
    """What changes when pytrace itself, its Python or its LLVM does."""
    from pytrace import __version__

    here = os.path.dirname(os.path.abspath(__file__))
    checkout = os.path.join(os.path.dirname(here), "grammar")
    newest = 0
    if os.path.isdir(checkout):  # run from a checkout, where the version does not change with every edit
        newest = max(
            _newest(os.path.join(os.path.dirname(here), d)) for d in ("pytrace", "grammar", "codegen", "runtime")
        )
    return (__version__, sys.version_info[:3], _llvm_identity(), newest)


def _newest(folder: str) -> int:
    latest = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    latest = max(latest, _newest(entry.path))
            elif entry.name.endswith((".py", ".lark", ".bin")):
                latest = max(latest, entry.stat().st_mtime_ns)
    return latest


def _llvm_identity() -> tuple[Any, ...]:
    """llvmlite's place, size and time, found without importing it."""
    for base in sys.path:
        path = os.path.join(base, "llvmlite", "_version.py")
        try:
            info = os.stat(path)
        except OSError:
            continue
        return (path, info.st_size, info.st_mtime_ns)
    return ()


def key_of(parts: tuple[Any, ...]) -> str:
    """The name of an entry: a hash of everything that the Program depends on and that is known beforehand."""
    return _digest(repr((tool_identity(), parts)).encode("utf-8", "surrogateescape")).hex()


class Cache:
    """The entries of one kind in `folder`, made on the first `put`.  Folders of another owner or open to others are not
    used."""

    def __init__(self, folder: str, kind: str = PROGRAMS) -> None:
        self.folder = folder
        self._kind, self._suffix = kind, "." + kind
        self._magic = f"pytrace-{kind}\n".encode("ascii")

    def get(self, key: str, is_current: Any) -> Program | None:
        """The Program stored under `key` if `is_current(fingerprint)` still holds, else None."""
        plain = self.get_plain(key, is_current)
        if plain is None:
            return None
        from pytrace.program import Program

        try:
            return Program.from_plain(plain)
        except (ValueError, TypeError, IndexError, KeyError):
            return None

    def put(self, key: str, fingerprint: tuple[str, ...], program: Program) -> None:
        """Store, atomically; a store that cannot be written to is no error, only slower the next time."""
        self.put_plain(key, fingerprint, program.to_plain())

    def get_plain(self, key: str, is_current: Any) -> Any:
        """As `get`, for an entry of builtin values, whose form the caller must not trust."""
        path = os.path.join(self.folder, key + self._suffix)
        try:
            if not self._trusted():
                return None
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            return None
        start = len(self._magic) + _DIGEST
        body = memoryview(data)[start:]
        if not data.startswith(self._magic) or _digest(body) != data[len(self._magic) : start]:
            return None
        try:
            fingerprint, plain = marshal.loads(body)
            return plain if is_current(fingerprint) else None
        except (ValueError, TypeError, EOFError):
            return None

    def put_plain(self, key: str, fingerprint: tuple[str, ...], plain: Any) -> None:
        """As `put`."""
        body = marshal.dumps((tuple(fingerprint), plain))
        if len(body) > _LARGEST:
            return
        path = os.path.join(self.folder, key + self._suffix)
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if not self._trusted():
                return
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, self._magic + _digest(body) + body)
            finally:
                os.close(fd)
            os.replace(temporary, path)
            self._trim()
        except OSError:
            return

    def clear(self) -> int:
        """Remove all entries of every kind; how many there were of this one."""
        removed = 0
        try:
            names = os.listdir(self.folder) if self._trusted() else []
        except OSError:
            return 0
        for name in names:
            if any(f".{kind}" in name for kind in _MOST):
                os.unlink(os.path.join(self.folder, name))
                removed += name.endswith(self._suffix)
        return removed

    def _trusted(self) -> bool:
        info = os.lstat(self.folder)
        return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077

    def _trim(self) -> None:
        """Keep the newest entries only."""
        with os.scandir(self.folder) as entries:
            found = [e for e in entries if e.name.endswith(self._suffix)]
        if len(found) > _MOST[self._kind]:
            found.sort(key=lambda e: e.stat().st_mtime_ns)
            for entry in found[: len(found) - _MOST[self._kind] * 3 // 4]:
                os.unlink(entry.path)
