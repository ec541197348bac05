"""Records of system calls to lines, in the form of strace.

Place in the pipeline: behind the handlers of `defs.functions.syscalls`; one `Lines` a run.  In: records in the order in
which they were written.  Out: text.  What a newcomer would get wrong: a call whose return does not follow its entry at
once, because another thread's record came between, is written twice: `read(3,  <unfinished ...>` and
`<... read resumed>"", 10) = 0`; and whoever asks for failed calls only gets each when it returned.
"""

from __future__ import annotations

import os
import time
from struct import Struct

from pytrace.defs.registers import OFFSETS
from pytrace.defs.syscalls.calls import Call, copied, program
from pytrace.defs.syscalls.captures import FIRST_REGISTER, REGISTER_BYTES, STRING
from pytrace.defs.syscalls.decoders import PLACES, Decoder, decoder
from pytrace.defs.syscalls.recording import ENTRY_HEAD, RETURN_HEAD
from pytrace.defs.syscalls.results import error_text, ready_text, result_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.defs.syscalls.summary import Summary
    from pytrace.facets import Handling

PREFIX, SPENT, FAILED, SUCCESSFUL, SUMMARY, SILENT, HEXADECIMAL, LONE = (1 << n for n in range(8))
"""Bits of the flags of syscall_style()."""
NO_CLOCK, DAY, MICROSECONDS, EPOCH, RELATIVE = range(5)
_COLUMN = 40
"""Where ` = ` stands, if the call is not longer."""
_REGISTERS = Struct(f"<{REGISTER_BYTES // 8}Q").unpack_from
_THREAD = Struct("<16xI").unpack_from
_ENTRY = Struct("<8xQI").unpack_from
_RETURN = Struct("<8xQIIqq").unpack_from
_NUMBER = (OFFSETS["orig_rax"] - FIRST_REGISTER) // 8
_SEGMENT = (OFFSETS["cs"] - FIRST_REGISTER) // 8
_COMPAT_SEGMENT = 0x23
"""__USER32_CS of arch/x86/include/asm/segment.h: the caller is 32-bit code."""
_NOTHING = (0,) * (REGISTER_BYTES // 8)


class Lines:
    """State of the output: calls that have begun, by thread, and which of them the last text belongs to."""

    def __init__(self, run: Handling) -> None:
        self._run = run
        self._write: Callable[[bytes], None] = run.output.printf
        self._flags, self._limit, self._clock = PREFIX, 32, NO_CLOCK
        self._is_bare = True
        """Nothing is to be written but calls and results."""
        self._begun: dict[int, bytes] = {}
        self._programs: dict[int, bytes] = {}
        """By thread: what the program has to say that its execve(2), about to return, has started."""
        self._cut: dict[int, int] = {}
        """Threads whose call was written as unfinished, and how many arguments of it."""
        self._open: int | None = None
        """The thread whose entry was the last record."""
        self._column = -1
        """How far the open call has been written already; -1 if it has not."""
        self._shown = 0
        """How many arguments of it."""
        self._decoders: dict[tuple[int, int], Decoder] = {}
        self._last = 0
        self._offset = 0
        self._summary: Summary | None = None

    def style(self, flags: int, size: int, clock: int) -> None:
        """What syscall_style() says."""
        self._flags, self._limit, self._clock = flags, size, clock
        self._offset = time.time_ns() - time.monotonic_ns()
        self._is_bare = not clock and not flags & (SPENT | FAILED | SUCCESSFUL | SUMMARY | SILENT)
        if flags & SUMMARY:
            from pytrace.defs.syscalls.summary import Summary

            self._summary = Summary()

    def attach(self, process: int) -> None:
        """What syscall_attach() asks: that the process is there; without it there is nothing to wait for."""
        if process and not os.path.exists(f"/proc/{process}"):
            self._run.user_error(f"attach to process {process}: No such process")
            self._run.request_exit(1)

    # ---------------------------------------------------------------- records

    def entry(self, data: bytes | memoryview) -> None:
        """A call begins."""
        thread = _THREAD(data)[0]
        if self._open is not None:  # of another thread, or of this one if the record of its return was lost
            self._interrupt()
        if self._cut:
            self._cut.pop(thread, None)
        self._begun[thread] = bytes(data)
        self._open, self._column = thread, -1

    def started(self, data: bytes | memoryview) -> None:
        """A new program's own idea of the execve(2) that is to return."""
        self._programs[_THREAD(data)[0]] = bytes(data)

    def returned(self, data: bytes | memoryview) -> None:
        """A call returns."""
        now, thread, again, result, number = _RETURN(data)
        entry = self._begun.pop(thread, None)
        if entry is None:
            self._return_alone(now, thread, result, number)
            return
        registers = _REGISTERS(entry, ENTRY_HEAD)
        form = self._decoder(registers)
        if self._is_bare and form.plain and self._open == thread and self._column < 0:
            # What most calls are: nothing was copied, and the same has been written before.
            key = (thread, result, form.key(registers))
            line = form.lines.get(key)
            if line is None:
                text, ending = self._plain(form, registers, result)
                line = f"{(self._leader(thread, 0) + text).ljust(_COLUMN - 1)} = {ending}\n".encode("latin-1")
                form.remember(key, line)
            self._write(line)
            self._open = None
            return
        self._write_return(now, thread, result, registers, entry, bytes(data), bool(again))

    def _write_return(
        self, now: int, thread: int, result: int, registers: tuple[int, ...], entry: bytes, data: bytes, again: bool
    ) -> None:
        form, began = self._decoder(registers), _ENTRY(entry)[0]
        failed = -4096 < result < 0
        if self._summary is not None:
            self._summary.add(form.name, now - began, failed)
        whole = self._open == thread
        if self._is_hidden(failed):
            self._forget(thread)
            return
        if self._open is not None and not whole:
            self._interrupt()
        cut = thread in self._cut
        if form.plain and not cut and self._column < 0:
            text, ending = self._plain(form, registers, result)
        else:
            call = self._call(form, registers, entry)
            self._finish(form, call, data, again, result)
            text, ending = self._body(form, call, thread), self._result(form, call)
        head = "" if self._column >= 0 else self._leader(thread, now if cut else began)
        spent = f" <{(now - began) // 1000 / 1e6:.6f}>" if self._flags & SPENT else ""
        written = max(self._column, 0)
        line = (head + text).ljust(_COLUMN - written - 1)
        self._write(f"{line} = {ending}{spent}\n".encode("latin-1"))
        self._forget(thread)

    def _forget(self, thread: int) -> None:
        if self._open == thread:
            self._open, self._column = None, -1
        self._cut.pop(thread, None)

    def _is_hidden(self, failed: bool) -> bool:
        flags = self._flags
        return bool(flags & SILENT or (flags & FAILED and not failed) or (flags & SUCCESSFUL and failed))

    def _return_alone(self, now: int, thread: int, result: int, number: int) -> None:
        """A call whose beginning was not seen: it began before, or by another name (execve in a thread)."""
        if not self._flags & LONE or self._is_hidden(-4096 < result < 0) or number < 0:
            return
        if self._open is not None:
            self._interrupt()
        form = self._decoder((*_NOTHING[:_NUMBER], number, *_NOTHING[_NUMBER + 1 :]))
        ending = error_text(-result) if -4096 < result < 0 else str(result)
        line = f"{self._leader(thread, now)}<... {form.name} resumed>)".ljust(_COLUMN - 1)
        self._write(f"{line} = {ending}\n".encode("latin-1"))

    # ---------------------------------------------------------------- one call

    def _decoder(self, registers: tuple[int, ...]) -> Decoder:
        key = registers[_NUMBER], registers[_SEGMENT]
        found = self._decoders.get(key)
        if found is None:
            number, segment = key
            found = self._decoders[key] = decoder(number & 0xFFFFFFFF, segment == _COMPAT_SEGMENT)
        return found

    def _call(self, form: Decoder, registers: tuple[int, ...], entry: bytes) -> Call:
        arguments = [registers[place] for place in PLACES]
        entered = copied(form.entered, entry, ENTRY_HEAD + REGISTER_BYTES, arguments)[0] if form.entered else {}
        return Call(arguments, entered, self._limit, bool(self._flags & HEXADECIMAL))

    def _finish(self, form: Decoder, call: Call, data: bytes, again: bool, result: int) -> None:
        """Add what the call's end brought: also what could not be read at its beginning."""
        at = RETURN_HEAD
        if self._programs and (started := self._programs.pop(_THREAD(data)[0], None)):
            path = next(c.index for c in form.entered if c.how == STRING)
            call.entered |= dict(zip((path, path + 1), program(started, ENTRY_HEAD), strict=True))
        if again and form.entered:
            later, at = copied(form.entered, data, at, call.arguments)
            for index, found in later.items():
                if found.is_whole and not call.entered[index].is_whole:
                    call.entered[index] = found
        call.finish(result, copied(form.returned, data, at, call.arguments)[0] if form.returned else {})

    def _plain(self, form: Decoder, registers: tuple[int, ...], result: int) -> tuple[str, str]:
        """Call and result of numbers only."""
        call = self._call(form, registers, b"")
        call.finish(result, {})
        return self._whole(form, call), self._result(form, call)

    def _head(self, form: Decoder, call: Call) -> tuple[str, int]:
        """A call as far as it is known when it begins, and how many arguments those are: none whose memory was not
        there yet."""
        unread = (at for at, found in call.entered.items() if not found.is_whole and call.arguments[at])
        known = min(form.known, *unread, form.known)
        shown = [show(call, at) for at, show in enumerate(form.shows[:known])]
        text = f"{form.name}({', '.join(s for s in shown if s is not None)}"
        return text + (", " if shown and known < len(form.shows) else ""), known

    def _arguments(self, form: Decoder, call: Call, first: int) -> str:
        shown = (show(call, at) for at, show in enumerate(form.shows[first:], first))
        return ", ".join([s for s in shown if s is not None])

    def _whole(self, form: Decoder, call: Call) -> str:
        return f"{form.name}({self._arguments(form, call, 0)})"

    def _body(self, form: Decoder, call: Call, thread: int) -> str:
        """What is to be written when the call ended: all of it, or what the beginning left open."""
        if thread in self._cut:
            return f"<... {form.name} resumed>{self._arguments(form, call, self._cut[thread])})"
        if self._column >= 0:
            return f"{self._arguments(form, call, self._shown)})"
        return self._whole(form, call)

    def _result(self, form: Decoder, call: Call) -> str:
        return result_text(form.result, call) + ready_text(form.name, call)

    # ---------------------------------------------------------------- what stands in front

    def _leader(self, thread: int, now: int) -> str:
        return (f"[pid {thread:5}] " if self._flags & PREFIX else "") + (self._time(now) if self._clock else "")

    def _time(self, now: int) -> str:
        """The time that was asked for, a blank behind it."""
        if self._clock == RELATIVE:
            passed, self._last = (now - self._last if self._last else 0), now
            return f"{passed // 1_000_000_000:6}.{passed // 1000 % 1_000_000:06} "
        seconds, rest = divmod(now + self._offset, 1_000_000_000)
        if self._clock == EPOCH:
            return f"{seconds}.{rest // 1000:06} "
        text = time.strftime("%H:%M:%S", time.localtime(seconds))
        return f"{text}.{rest // 1000:06} " if self._clock == MICROSECONDS else f"{text} "

    # ---------------------------------------------------------------- calls that take their time

    def waiting(self) -> None:
        """Write the beginning of the open call, so that one sees what a program waits for."""
        thread = self._open
        if thread is None or self._column >= 0 or self._holds_back():
            return
        text, self._shown = self._beginning(thread)
        self._column = len(text)
        self._write(text.encode("latin-1"))

    def _holds_back(self) -> bool:
        """Whether it depends on results what is written."""
        return bool(self._flags & (FAILED | SUCCESSFUL | SILENT))

    def _beginning(self, thread: int) -> tuple[str, int]:
        entry = self._begun[thread]
        registers = _REGISTERS(entry, ENTRY_HEAD)
        form = self._decoder(registers)
        text, known = self._head(form, self._call(form, registers, entry))
        return self._leader(thread, _ENTRY(entry)[0]) + text, known

    def _interrupt(self) -> None:
        """Something else is to be written while a call is open."""
        thread = self._open
        if thread is not None and not self._holds_back():
            text, known = ("", self._shown) if self._column >= 0 else self._beginning(thread)
            self._write(f"{text} <unfinished ...>\n".encode("latin-1"))
            self._cut[thread] = known
        self._open, self._column = None, -1

    def rest(self) -> None:
        """The end of the run: what has not returned, and the table."""
        if self._open is not None:
            self._interrupt()
        for thread in [t for t in self._begun if t not in self._cut and not self._flags & SILENT]:
            self._write(f"{self._beginning(thread)[0]} <unfinished ...>\n".encode("latin-1"))
        self._begun.clear()
        if self._summary is not None:
            self._write(self._summary.text().encode("latin-1"))

    # ---------------------------------------------------------------- signals and ends

    def signal(self, now: int, thread: int, number: int, code: int, first: int, second: int) -> None:
        """A signal is delivered."""
        if self._flags & SILENT:
            return
        if self._open is not None:
            self._interrupt()
        from pytrace.defs.syscalls.signals import delivered

        self._write(f"{self._leader(thread, now)}{delivered(number, code, first, second)}\n".encode())

    def exited(self, now: int, thread: int, status: int) -> None:
        """A thread ends: what it was in does not return."""
        from pytrace.defs.syscalls.signals import ended

        entry = self._begun.pop(thread, None)
        if entry is not None:
            self._never_returns(thread, entry)
        elif self._open is not None:
            self._interrupt()
        self._forget(thread)
        if not self._flags & SILENT:
            self._write(f"{self._leader(thread, now)}{ended(status)}\n".encode())

    def _never_returns(self, thread: int, entry: bytes) -> None:
        """`exit_group(0) = ?`"""
        began = _ENTRY(entry)[0]
        registers = _REGISTERS(entry, ENTRY_HEAD)
        form = self._decoder(registers)
        if self._summary is not None:
            self._summary.add(form.name, 0, False)
        if self._holds_back():
            return
        if self._open is not None and self._open != thread:
            self._interrupt()
        text = self._body(form, self._call(form, registers, entry), thread)
        head = "" if self._column >= 0 else self._leader(thread, began)
        line = (head + text).ljust(_COLUMN - max(self._column, 0) - 1)
        self._write(f"{line} = ?\n".encode("latin-1"))
