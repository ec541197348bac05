"""What a Program that was compiled ahead (`--aot`) takes for granted: noted by the compiler, checked when it runs.

Place in the pipeline: beside a Session, for such Programs only.  In: the Machine that answered the compiler, and the
Program; later the notes.  Out: plain tuples; MachineError naming the first that does not hold.  What a newcomer would
get wrong: this is not the compile cache's fingerprint, which asks whether files were touched on *this* machine; here
another machine must do if it has the same programs, event layouts and, where kernel types were used, the same kernel.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import MachineError
from pytrace.runtime import identity, tracefs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytrace.program import Program
    from pytrace.runtime.machine import Machine

Premise = tuple[str, str, str]
"""(kind, what it is about, what it must be)."""


def premises(machine: Machine, program: Program) -> tuple[Premise, ...]:
    """What `program`, compiled with the answers of `machine`, depends on."""
    found: list[Premise] = [("machine", "", os.uname().machine)]
    if machine.has_used_btf:
        found.append(("kernel", os.uname().release, identity.kernel()))
    found += [("event", path, _event(path)) for path in machine.formats_read]
    paths = dict.fromkeys(str(p.params["path"]) for p in program.probes if p.params.get("path"))
    found += [("binary", path, _binary(path)) for path in paths]
    return tuple(found)


def check(found: Iterable[Premise]) -> None:
    """Raise MachineError for the first premise that does not hold here."""
    for kind, about, wanted in found:
        if kind not in _CHECKS:
            raise MachineError(f"This program depends on '{kind}', of which this pytrace knows nothing.")
        _CHECKS[kind](about, wanted)


_ANEW = "compile it anew on this machine with 'pytrace --aot'"


def _check_machine(_: str, wanted: str) -> None:
    here = os.uname().machine
    if here != wanted:
        raise MachineError(f"This program was compiled for {wanted}; this machine is {here}.", advice=_ANEW)


def _check_kernel(release: str, wanted: str) -> None:
    if identity.kernel() != wanted:
        here = os.uname().release
        found = f"another build of {here}" if here == release else here
        raise MachineError(
            f"This program uses types of the kernel that it was compiled on, {release}; this is {found}.", advice=_ANEW
        )


def _check_event(path: str, wanted: str) -> None:
    here = _event(path)
    if here == wanted:
        return
    name = ":".join(path.split("/")[-3:-1])
    said = "has other fields here than where" if here else "does not exist here, or cannot be read; it did where"
    raise MachineError(f"The tracepoint {name} {said} this program was compiled.", advice=_ANEW)


def _check_binary(path: str, wanted: str) -> None:
    here = _binary(path)
    if here == wanted:
        return
    if not here:
        raise MachineError(f"This program traces {path}, which cannot be read here.")
    raise MachineError(f"{path} is not the program that it was when this was compiled.", advice=_ANEW)


_CHECKS: dict[str, Callable[[str, str], None]] = {
    "machine": _check_machine, "kernel": _check_kernel, "event": _check_event, "binary": _check_binary,
}  # fmt: skip


def _event(path: str) -> str:
    """The digest of a format file but for the event's number, which differs between kernels; "" if there is none.

    `path` may name tracefs where it was mounted then; where it is mounted now is what counts.
    """
    _, events, tail = path.rpartition("/events/")
    try:
        with open(tracefs.root() + events + tail, "rb") as f:
            lines = [line for line in f.read().split(b"\n") if not line.startswith(b"ID:")]
    except OSError:
        return ""
    return _digest(b"\n".join(lines))


def _binary(path: str) -> str:
    """The build id of an ELF file, else the digest of what it holds (of the archive, for `archive!/member`)."""
    from pytrace.runtime import elf

    file = path.partition("!/")[0]
    try:
        if file == path and (build_id := elf.ElfFile(path).build_id()):
            return "build id " + build_id
    except (elf.ElfError, OSError):
        pass
    try:
        with open(file, "rb") as f:
            return _digest(f.read())
    except OSError:
        return ""


def _digest(data: bytes) -> str:
    from _blake2 import blake2b

    return blake2b(data, digest_size=16).hexdigest()
