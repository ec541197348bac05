"""LLVM in its own process: the object comes back, and whatever ends the process becomes a message."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pytrace.codegen import backend
from pytrace.diagnostics import InternalError
from pytrace.llvm_process import LlvmProcess

MODULE = 'target triple = "bpfel"\ntarget datalayout = ""\ndefine i64 @f() section "prog.f" {{ ret i64 {} }}\n'


def nothing() -> None:
    pass


@pytest.fixture
def process() -> Iterator[LlvmProcess]:
    made = LlvmProcess()
    yield made
    made.end()
    made.reap()
    with pytest.raises(ChildProcessError):
        os.waitpid(made._pid or -1, os.WNOHANG)


def test_the_object_is_that_of_this_process(process: LlvmProcess) -> None:
    text = MODULE.format(7)
    assert process.emit(text, "v3", nothing) == backend.emit(text, "v3")


def test_what_is_done_meanwhile(process: LlvmProcess) -> None:
    done: list[str] = []
    process.emit(MODULE.format(1), "v3", lambda: done.append("here"))
    assert done == ["here"]


def test_a_long_text(process: LlvmProcess) -> None:
    """Longer than a pipe holds, both ways."""
    more = (f'define i64 @g{n}() section "prog.g{n}" {{ ret i64 {n} }}\n' for n in range(5000))
    text = MODULE.format(1) + "".join(more)
    assert len(process.emit(text, "v3", nothing)) > 1 << 17


def test_what_llvm_refuses(process: LlvmProcess) -> None:
    with pytest.raises(InternalError, match="LLVM refuses the module"):
        process.emit(MODULE.format("%nowhere"), "v3", nothing)


def test_an_end_by_a_signal(process: LlvmProcess) -> None:
    os.kill(process._pid, signal.SIGKILL)
    with pytest.raises(InternalError, match="ended by signal 9"):
        process.emit(MODULE.format(1), "v3", nothing)


def test_never_asked(process: LlvmProcess) -> None:
    """A script with an error: the process is let go before it has loaded."""
