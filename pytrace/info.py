"""`--info`: what this machine offers, in the reference's layout (spec 06 §1).

Place in the pipeline: beside the listing, above the Target.  In: a Target.  Out: text.  What a newcomer would get
wrong: "could not tell" is shown as `no`, as the reference does, so ask `Target.feature` where the difference matters.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.target import Target

_WIDTH = 35
_HELPERS = (
    ("dpath", "dpath"), ("get_tai_ns", "get_tai_ns"), ("get_func_ip", "get_func_ip"),
    ("lookup_percpu_elem", "map_lookup_percpu_elem"), ("loop", "bpf_loop"),
)  # fmt: skip
_PROBES = (
    ("kprobe_multi", "kprobe_multi"), ("uprobe_multi", "uprobe_multi"), ("kprobe_session", "kprobe_session"),
    ("iter", "iter"),
)  # fmt: skip


def _yes(known: bool | None) -> str:
    return "yes" if known else "no"


def _pairs(rows: list[tuple[str, str]]) -> str:
    """Two `key: value` cells a line, each 35 columns wide, the first with the indent."""
    cells = [f"{key}: {value}" for key, value in rows]
    pairs = [cells[i : i + 2] for i in range(0, len(cells), 2)]
    return "".join("".join(cell.ljust(_WIDTH) for cell in ("  " + first, *rest)) + "\n" for first, *rest in pairs)


def _llvm_version() -> str:
    try:
        from llvmlite.binding import llvm_version_info
    except ImportError:
        return "none"
    return ".".join(map(str, llvm_version_info))


def _has_bcc() -> bool:
    from importlib.util import find_spec

    return find_spec("bcc") is not None


def report(target: Target) -> str:
    """The whole report, with a final empty line."""
    from pytrace import __version__
    from pytrace.version import REFERENCE

    uname = os.uname()
    limit = "1000000" if target.feature("large_programs") is not False else "4096"
    kernel = [
        ("Instruction limit", limit),
        ("btf", _yes(target.has_btf())),
        ("module btf", _yes(target.feature("module_btf"))),
    ]
    return (
        f"System\n  OS: {uname.sysname} {uname.release} {uname.version}\n  Arch: {uname.machine}\n\n"
        f"Build\n  version: {REFERENCE}\n  pytrace: v{__version__}\n  LLVM: {_llvm_version()}\n"
        f"  bfd: no\n  libdw (DWARF support): yes\n  libsystemd (systemd notify support): no\n"
        "  blazesym (advanced symbolization): no\n"
        f"  dwunwind (DWARF stack unwinding): {_yes(uname.machine == 'x86_64')}\n"
        f"  bcc: {_yes(_has_bcc())}\n\n"
        "Kernel helpers\n" + _pairs([(shown, _yes(target.feature(name))) for shown, name in _HELPERS])
        + "\nKernel features\n" + _pairs(kernel)
        + "\nProbe types\n" + _pairs([(shown, _yes(target.feature(name))) for shown, name in _PROBES]) + "\n"
    )  # fmt: skip
