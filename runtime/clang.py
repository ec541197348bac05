"""BPF C to a BPF object, by the machine's clang: for `import "x.bpf.c"`.

Place in the pipeline: under `runtime.machine`, when a script that imports C is compiled.  In: a path, folders to
search.  Out: the object's bytes, what clang said, the files that it read.  Raises ObjectRefused.  What a newcomer
would get wrong: clang is not ours and may be of any version, so nothing but its command line and a BPF object is relied
on; and `vmlinux.h` is written for it from the kernel's BTF only if the source asks for one and has none.
"""

from __future__ import annotations

import os

from pytrace.bpfobject import ObjectRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytrace.runtime.btf import Btf

_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}
"""uname's names -> those of `__TARGET_ARCH_…`, which libbpf's headers ask for."""


class Compiled:
    """`notes`: warnings; `files`: all that was read, the source included."""

    def __init__(self, data: bytes, notes: str, files: tuple[str, ...]) -> None:
        self.data, self.notes, self.files = data, notes, files


def compile_source(path: str, folders: Iterable[str], btf: Callable[[], Btf | None]) -> Compiled:
    """The object of the C source at `path`."""
    from shutil import which
    from subprocess import run
    from tempfile import TemporaryDirectory

    compiler = which("clang")
    if compiler is None:
        raise ObjectRefused(
            f"importing {path} needs clang, which was not found in PATH",
            "install clang (Debian, Ubuntu: apt install clang; Fedora: dnf install clang), or import the object that it"
            " makes elsewhere (clang -target bpf -g -O2 -c), a .bpf.o",
        )
    with TemporaryDirectory(prefix="pytrace-") as work:
        out, depends = os.path.join(work, "out.o"), os.path.join(work, "depends")
        own = _vmlinux(path, work, btf)
        command = [compiler, *_flags(), *(f"-I{folder}" for folder in folders), *own]
        done = run(
            [*command, "-MD", "-MF", depends, "-c", path, "-o", out], capture_output=True, check=False, text=True,
            errors="replace", stdin=-3,
        )  # fmt: skip
        said = "\n".join(line for line in done.stderr.splitlines() if not line.endswith(" generated."))
        if done.returncode:
            raise ObjectRefused("failed to build", said or f"clang ended with status {done.returncode}")
        with open(out, "rb") as file:
            data = file.read()
        files = [name for name in _depends(depends) if not name.startswith(work)]
    return Compiled(data, said, (*files, compiler))


def _flags() -> list[str]:
    machine = os.uname().machine
    flags = ["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-fno-color-diagnostics"]
    flags.append(f"-D__TARGET_ARCH_{_ARCHITECTURES.get(machine, machine)}")
    # <asm/types.h> and its kin lie where only a compiler for this machine looks
    folders = [f"/usr/include/{machine}-linux-gnu", "/usr/include"]
    return flags + [word for folder in folders if os.path.isdir(folder) for word in ("-idirafter", folder)]


def _depends(path: str) -> list[str]:
    """The files of a rule for make(1)."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        words = file.read().partition(": ")[2].replace("\\\n", " ").replace("\\ ", "\0").split()
    return [word.replace("\0", " ") for word in words]


def _vmlinux(path: str, work: str, btf: Callable[[], Btf | None]) -> list[str]:
    """The option that lets the source find a vmlinux.h of ours, behind all others."""
    with open(path, "rb") as file:
        if b"vmlinux.h" not in file.read():
            return []
    known = btf()
    if known is None:
        return []
    from pytrace.runtime.btf_listing import all_definitions

    with open(os.path.join(work, "vmlinux.h"), "w", encoding="latin-1") as header:
        header.write("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
        header.write("#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n")
        header.write(all_definitions(known))
        header.write("\n#pragma clang attribute pop\n#endif\n")
    return ["-idirafter", work]
