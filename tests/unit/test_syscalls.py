"""System calls as text: tables, quoting, sets, and records to lines, without a kernel."""

from __future__ import annotations

import random
import re
import struct
from types import SimpleNamespace

import pytest

from pytrace.defs.name_tables import SYSCALLS
from pytrace.defs.registers import OFFSETS
from pytrace.defs.syscalls import captures, structs
from pytrace.defs.syscalls.captures import captures_of, packed
from pytrace.defs.syscalls.constants import FLAGS, file_mode, octal, signal_name
from pytrace.defs.syscalls.decoders import decoder, words_of
from pytrace.defs.syscalls.lines import Lines
from pytrace.defs.syscalls.sets import SetError, numbers_of
from pytrace.defs.syscalls.signals import delivered, ended
from pytrace.defs.syscalls.signatures import SIGNATURES

NUMBERS = {name: number for number, name in reversed(SYSCALLS.items())}
CODE = 0x33


class Output:
    """Takes the lines; `run` is what the handlers see of a session."""

    def __init__(self) -> None:
        self.text = ""
        self.run = SimpleNamespace(output=SimpleNamespace(printf=self._add), user_error=print, request_exit=print)

    def _add(self, data: bytes) -> None:
        self.text += data.decode("latin-1")

    def lines(self) -> list[str]:
        return self.text.splitlines()


def entry(name: str, *arguments: int, thread: int = 7, time: int = 1000, extra: bytes = b"") -> bytes:
    """A record as syscall_entry() writes it."""
    registers = bytearray(captures.REGISTER_BYTES)
    values = dict(zip(captures.REGISTERS, arguments, strict=False))
    for register, value in {**values, "orig_rax": NUMBERS.get(name, 999), "cs": CODE}.items():
        struct.pack_into("<Q", registers, OFFSETS[register] - captures.FIRST_REGISTER, value & 2**64 - 1)
    return struct.pack("<QQII", 0, time, thread, 0) + bytes(registers) + extra


def back(
    name: str, result: int, *, thread: int = 7, time: int = 3000, again: bool = False, extra: bytes = b""
) -> bytes:
    """A record as syscall_return() writes it."""
    return struct.pack("<QQIIqq", 0, time, thread, again, result, NUMBERS.get(name, 999)) + extra


def copied(data: bytes) -> bytes:
    """A capture as it lies in a record."""
    return struct.pack("<q", len(data)) + data + bytes(-len(data) % 8)


UNREAD = struct.pack("<q", -14)


def tracer(flags: int = 0, size: int = 32, clock: int = 0) -> tuple[Lines, Output]:
    output = Output()
    lines = Lines(output.run)
    lines.style(flags, size, clock)
    return lines, output


# ---------------------------------------------------------------- tables


def test_signatures_are_of_known_calls_and_fit() -> None:
    assert set(SIGNATURES) <= set(SYSCALLS.values())
    for signature in SIGNATURES.values():
        begins, ends = captures_of(signature.arguments)
        assert len(signature.arguments) <= 6 and len(begins) <= captures.ENTRY and len(ends) <= captures.RETURN
    table = packed(SYSCALLS)
    row = (captures.ENTRY + captures.RETURN) * 8
    assert len(table) == captures.CALLS * row and not any(table[-row:])
    at = NUMBERS["readlinkat"] * row
    assert [bool(any(table[at + 8 * i : at + 8 * i + 8])) for i in range(8)] == [True, *[False] * 3] * 2


def anything(chance: random.Random) -> bytes:
    """What captures may look like."""
    pieces = [copied(chance.randbytes(chance.choice((1, 4, 8, 16, 24, 144, 400)))) for _ in range(4)]
    found = b"".join(chance.choice((piece, UNREAD, struct.pack("<q", 0))) for piece in pieces)
    return found[: chance.choice((0, 9, 2000))]


def test_whatever_a_record_holds_is_written() -> None:
    """Arguments and memory belong to the traced program: nothing in them may end the trace."""
    chance = random.Random(5)
    for name in [*SIGNATURES] * 12:
        lines, output = tracer(chance.choice((0, 1, 2, 64)))
        values = [chance.choice((0, 1, 3, 4096, 2**32 - 1, 2**63, 2**64 - 9, chance.getrandbits(64))) for _ in range(6)]
        extra = anything(chance)
        lines.entry(entry(name, *values, extra=extra))
        if chance.random() < 0.3:
            lines.waiting()
        lines.returned(back(name, chance.choice((0, 5, -2, -512, 2**40)), again=chance.random() < 0.3, extra=extra))
        assert output.text.startswith((f"{name}(", f"[pid     7] {name}("))
        assert " = " in output.text and output.text.isascii()


def test_calls_without_a_signature_are_written_by_their_types() -> None:
    description = """
field:unsigned short common_type;	offset:0;	size:2;	signed:0;
field:int __syscall_nr;	offset:8;	size:4;	signed:1;
field:int dfd;	offset:16;	size:8;	signed:0;
field:const char * name;	offset:24;	size:8;	signed:0;
field:umode_t mode;	offset:32;	size:8;	signed:0;
field:unsigned int count;	offset:40;	size:8;	signed:0;
field:size_t size;	offset:48;	size:8;	signed:0;
"""
    assert words_of(description) == ("dirfd", "p", "mode", "u", "z")
    assert words_of("") == ("x",) * 6
    assert decoder(4095, False).name == "syscall_0xfff" and decoder(5, True).name == "syscall_i386_0x5"


@pytest.mark.parametrize(
    ("table", "value", "text"),
    [
        ("open", 0, "O_RDONLY"),
        ("open", 0o2102001, "O_WRONLY|O_APPEND|O_LARGEFILE|O_CLOEXEC"),
        ("open", 0x101000, "O_RDONLY|O_SYNC"),
        ("open", 0x1003, "O_ACCMODE|O_DSYNC"),
        ("open", 0x410002, "O_RDWR|O_TMPFILE"),
        ("map", 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"),
        ("prot", 0, "PROT_NONE"),
        ("access", 5, "R_OK|X_OK"),
        ("file", 0, "0"),
        ("msync", 0x18, "0x18"),
    ],
)
def test_flags(table: str, value: int, text: str) -> None:
    assert FLAGS[table].text(value) == text


def test_numbers_with_a_name() -> None:
    assert [octal(n) for n in (0, 0o7, 0o22, 0o644, 0o1777)] == ["000", "007", "022", "0644", "01777"]
    assert file_mode(0o104755) == "S_IFREG|S_ISUID|0755" and file_mode(0o020666) == "S_IFCHR|0666"
    assert [signal_name(n) for n in (9, 32, 33, 99)] == ["SIGKILL", "SIGRTMIN", "SIGRT_1", "99"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", '"plain"'),
        (b'"\\', '"\\"\\\\"'),
        (b"\n\t\v\f\r", '"\\n\\t\\v\\f\\r"'),
        (b"\x001", '"\\0001"'),
        (b"\x00a\x7f\xff", '"\\0a\\177\\377"'),
        (b"\x1f8", '"\\378"'),
        (b"\x008", '"\\08"'),
    ],
)
def test_quoting(data: bytes, text: str) -> None:
    assert structs.quoted(data) == text
    assert structs.quoted(data, cut=True) == text + "..."


def test_quoting_in_hexadecimal() -> None:
    assert structs.quoted(b"a\n", False, True) == '"a\\n"'
    assert structs.quoted(b"a\xe9", False, True) == '"\\x61\\xe9"'


def test_structs() -> None:
    assert structs.signal_set(struct.pack("<Q", 1 << 1 | 1 << 14)) == "[INT TERM]"
    assert structs.signal_set(struct.pack("<Q", 2**64 - 1 - (1 << 8))) == "~[KILL]"
    six = struct.pack(">HHI", 10 << 8, 80, 0) + bytes(15) + b"\1" + bytes(4)
    assert 'inet_pton(AF_INET6, "::1", &sin6_addr)' in structs.socket_address(six)
    assert structs.socket_address(b"\1\0\0abc") == '{sa_family=AF_UNIX, sun_path=@"abc"}'
    status = structs.SHOWN["wait_status"][1]
    assert status(struct.pack("<I", 0x0B7F)) == "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSEGV}]"
    assert status(struct.pack("<I", 0x8B)) == "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]"


# ---------------------------------------------------------------- sets


def names(text: str) -> set[str]:
    found = numbers_of(text)
    assert found is not None
    return {SYSCALLS[n] for n in found}


def test_sets() -> None:
    assert numbers_of("all") is None and names("none") == names("!all") == set()
    assert names("trace=openat,close") == {"openat", "close"}
    assert "openat" not in names("!openat") and "read" in names("!openat")
    assert {"openat", "execve", "newfstatat"} <= names("%file") and "read" not in names("%file")
    assert {"read", "close", "mmap", "openat"} <= names("%desc") and "getpid" not in names("%desc")
    assert names("/^getpp") == {"getppid"} and names("?nosuch,read") == {"read"}
    assert names("%net") == names("%network") and "connect" in names("%net")


@pytest.mark.parametrize("text", ["nosuch", "%nosuch", "/(", "read;write", ""])
def test_sets_that_are_wrong(text: str) -> None:
    with pytest.raises(SetError):
        numbers_of(text)


# ---------------------------------------------------------------- lines


def test_a_line() -> None:
    lines, output = tracer()
    lines.entry(entry("openat", -100, 0x1000, 0o2000000, extra=copied(b"/etc/hosts\0")))
    lines.returned(back("openat", 3))
    lines.entry(entry("close", 3))
    lines.returned(back("close", 0))
    lines.entry(entry("close", 3))
    lines.returned(back("close", -9))
    assert output.lines() == [
        'openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3',
        "close(3)                                = 0",
        "close(3)                                = -1 EBADF (Bad file descriptor)",
    ]


def test_memory_that_was_not_there_is_read_at_the_end() -> None:
    lines, output = tracer()
    lines.entry(entry("openat", -100, 0x1000, 0, extra=UNREAD))
    lines.returned(back("openat", 3, again=True, extra=copied(b"late\0")))
    lines.entry(entry("openat", -100, 0x1000, 0, extra=UNREAD))
    lines.returned(back("openat", -14, again=True, extra=UNREAD))
    assert [line.split(", ")[1] for line in output.lines()] == ['"late"', "0x1000"]


def test_memory_that_was_not_there_when_another_thread_interrupts() -> None:
    lines, output = tracer(1)
    lines.entry(entry("openat", -100, 0x1000, 0, thread=1, extra=UNREAD))
    lines.entry(entry("getpid", thread=2))
    lines.returned(back("getpid", 2, thread=2))
    lines.returned(back("openat", 3, thread=1, again=True, extra=copied(b"late\0")))
    assert [line.partition("] ")[2] for line in output.lines()] == [
        "openat(AT_FDCWD,  <unfinished ...>",
        "getpid()                    = 2",
        '<... openat resumed>"late", O_RDONLY) = 3',
    ]


def test_texts_are_cut() -> None:
    lines, output = tracer(size=4)
    lines.entry(entry("write", 1, 0x1000, 9, extra=copied(b"0123")))
    lines.returned(back("write", 9))
    lines.entry(entry("read", 1, 0x1000, 9))
    lines.returned(back("read", 4, extra=copied(b"0123")))
    assert output.lines()[0].startswith('write(1, "0123"..., 9)') and output.lines()[1].startswith('read(1, "0123", 9)')


def test_a_call_that_others_interrupt() -> None:
    lines, output = tracer(1)
    lines.entry(entry("read", 3, 0x1000, 9, thread=1))
    lines.entry(entry("getpid", thread=2))
    lines.returned(back("getpid", 2, thread=2))
    lines.returned(back("read", 2, thread=1, extra=copied(b"ab")))
    lines.entry(entry("openat", -100, 0x1000, 0, thread=1, extra=copied(b"x\0")))
    lines.entry(entry("pause", thread=2))
    lines.returned(back("openat", 3, thread=1))
    lines.rest()
    assert output.lines() == [
        "[pid     1] read(3,  <unfinished ...>",
        "[pid     2] getpid()                    = 2",
        '[pid     1] <... read resumed>"ab", 9)  = 2',
        '[pid     1] openat(AT_FDCWD, "x", O_RDONLY <unfinished ...>',
        "[pid     2] pause( <unfinished ...>",
        "[pid     1] <... openat resumed>)       = 3",
    ]


def test_a_call_that_waits_is_shown_and_goes_on() -> None:
    lines, output = tracer()
    lines.entry(entry("read", 3, 0x1000, 9))
    lines.waiting()
    lines.waiting()
    assert output.text == "read(3, "
    lines.returned(back("read", 0, extra=copied(b"")))
    assert output.lines() == ['read(3, "", 9)                          = 0']
    lines.entry(entry("read", 3, 0x1000, 9))
    lines.waiting()
    lines.rest()
    assert output.lines()[1:] == ["read(3,  <unfinished ...>"]


def test_ends() -> None:
    lines, output = tracer()
    lines.entry(entry("exit_group", 3))
    lines.exited(9, 7, 3 << 8)
    lines.entry(entry("pause", thread=8))
    lines.signal(9, 8, 15, 0, 5 | 6 << 32, 0)
    lines.exited(9, 8, 15)
    assert output.lines() == [
        "exit_group(3)                           = ?",
        "+++ exited with 3 +++",
        "pause( <unfinished ...>",
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=5, si_uid=6} ---",
        "<... pause resumed>)                    = ?",
        "+++ killed by SIGTERM +++",
    ]
    assert ended(0x86) == "+++ killed by SIGABRT (core dumped) +++"
    assert delivered(11, 1, 16, 0) == "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10} ---"
    assert delivered(17, 1, 9, 7).endswith("si_code=CLD_EXITED, si_pid=9, si_uid=0, si_status=7} ---")
    assert delivered(14, 128, 0, 0) == "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---"


def test_results_of_the_kernel_itself() -> None:
    lines, output = tracer()
    lines.entry(entry("pause"))
    lines.returned(back("pause", -514))
    lines.entry(entry("mmap", 0, 4096, 3, 0x22, -1, 0))
    lines.returned(back("mmap", 0x7F0000000000))
    assert output.lines()[0].endswith("= ? ERESTARTNOHAND (To be restarted if no handler)")
    assert output.lines()[1].endswith("MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000")


def test_only_failed_and_only_successful_calls() -> None:
    for flags, kept in ((4, ["close(4)"]), (8, ["close(3)", "close(5)"])):
        lines, output = tracer(flags)
        for fd, result in ((3, 0), (4, -9), (5, 0)):
            lines.entry(entry("close", fd))
            lines.entry(entry("pause", thread=9))
            lines.returned(back("close", result))
        assert [line.split(" ")[0] for line in output.lines()] == kept


def test_only_the_end_of_a_call_was_seen() -> None:
    for flags, shown in ((0, []), (128, ["<... read resumed>)                     = 5"])):
        lines, output = tracer(flags)
        lines.returned(back("read", 5))
        assert output.lines() == shown


def test_summary() -> None:
    lines, output = tracer(16 | 32)
    for result in (0, -9, 0):
        lines.entry(entry("close", 3, time=1_000_000))
        lines.returned(back("close", result, time=3_000_000))
    lines.entry(entry("getpid", time=1_000_000))
    lines.returned(back("getpid", 1, time=3_000_000))
    lines.rest()
    rows = [line.split() for line in output.lines()]
    assert rows[0][:3] == ["%", "time", "seconds"]
    assert rows[2:4] == [["75.00", "0.006000", "2000", "3", "1", "close"], ["25.00", "0.002000", "2000", "1", "getpid"]]
    assert rows[-1] == ["100.00", "0.008000", "2000", "4", "1", "total"]


@pytest.mark.parametrize(("clock", "form"), [(1, r"\d\d:\d\d:\d\d "), (2, r"[\d:]{8}\.\d{6} "), (3, r"\d{10}\.\d{6} ")])
def test_times_of_day(clock: int, form: str) -> None:
    lines, output = tracer(clock=clock)
    lines.entry(entry("getpid"))
    lines.returned(back("getpid", 1))
    assert re.match(form + r"getpid\(\) ", output.text)


def test_times() -> None:
    lines, output = tracer(2, clock=4)
    for at in (5_000_000_000, 5_000_123_000):
        lines.entry(entry("close", 3, time=at))
        lines.returned(back("close", 0, time=at + 42_000))
    assert output.lines() == [
        "     0.000000 close(3)                  = 0 <0.000042>",
        "     0.000123 close(3)                  = 0 <0.000042>",
    ]
