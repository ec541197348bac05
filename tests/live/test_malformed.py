"""Two hundred inputs that no script can be: each ends with a message and a documented status; nothing is left behind.

Documented statuses: 1 the script or the command line, 2 an environment variable or C definitions, 255 loading or
attaching.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import process

WHOLE = (
    'begin { $x = (1 + 2) * 3; @m["k", $x] = count(); if ($x > 4) { printf("%d %s\\n", $x, comm); } else { exit(); } }'
)
DEEP = 10_000

WRONG_TYPES = [
    'begin { $x = 1; $x = "s"; }',
    'begin { @x = 1; @x = "s"; }',
    "begin { @x = count(); @x = 1; }",
    "begin { @x = hist(1); @x = lhist(1, 0, 9, 1); }",
    'begin { @x[1] = 1; @x["a"] = 1; }',
    "begin { @x[1] = 1; @x[1, 2] = 1; }",
    "begin { @x = 1; @x[1] = 1; }",
    'begin { $s = "abc"; print($s * 2); }',
    'begin { print(-"a"); }',
    "begin { print((1, 2) * 2); }",
    'begin { print("a" < 1); }',
    "begin { print((1, 2).7); }",
    "begin { print((1, 2) + 1); }",
    "begin { $p = 5; print($p->x); }",
    "begin { $c = comm; print(*$c); }",
    "begin { print(1[0]); }",
    'begin { strncmp(1, "a", 3); }',
    "begin { printf(5); }",
    'begin { printf("%s", 1, 2); }',
    "begin { exit(comm); }",
    "begin { delete(5); }",
    "begin { clear($x); }",
    "begin { @a = hist(comm); }",
    "begin { @a = lhist(1, 10, 0, 1); }",
    "begin { @a = lhist(1, 0, 10, 0); }",
    "begin { for ($x : 5) { } }",
    "begin { unroll(comm) { } }",
    "begin { break; }",
    "begin { print($undefined); }",
    "begin { print(nothing()); }",
    "begin { print(nothing); }",
    "begin { count(); }",
    "begin { @ = sum(); }",
    "begin { $x = (struct no_such_thing *)1; print($x->y); }",
    "begin { print(sizeof(struct no_such_thing)); }",
    "begin { print(args.x); }",
    "begin { print(arg0); }",
    "begin { print(retval); }",
    "begin { print(comm, pid, tid, 4, 5); }",
    "begin / comm / { }",
]
ABSENT = [
    "tracepoint:no_such:event { }",
    "tracepoint:syscalls:sys_enter_nothing { }",
    "tracepoint:syscalls { }",
    "tracepoint { }",
    "tracepoint:a:b:c:d { }",
    "uprobe:/no/such/file:main { }",
    "uprobe:/etc/passwd:main { }",
    "uprobe:/bin/true:no_such_function_here { }",
    "uprobe:/bin/true { }",
    "uretprobe:/bin/true:main+4 { }",
    "uprobe::: { }",
    "kprobe: { }",
    "interval:0 { }",
    "interval:hz:0 { }",
    "interval:s:-1 { }",
    "interval:weeks:1 { }",
    "interval:s:99999999999999999999 { }",
    "profile:hz:abc { }",
    "profile { }",
    "software:nothing:1 { }",
    "software:cpu-clock:x { }",
    "hardware:nothing:1 { }",
    "nothing:a:b { }",
    "self:signal:SIGNOTHING { }",
    "self:nothing { }",
    "begin:x:y { }",
    "usdt:/bin/true:no:such { }",
    "watchpoint:0:8:w { }",
    "rawtracepoint:no_such_event { }",
    "*:* { }",
]
OPTIONS = [
    "",
    "-e",
    "-e ''",
    "--no-such-option",
    "-Z",
    "/no/such/script.bt",
    "/",
    "/bin/true",
    "no-such-tool",
    "-p 0 -e 'interval:s:1 { }' -c /bin/true",
    "-p abc -e 'begin { }'",
    "-p -1 -e 'begin { }'",
    "-p 99999999999 -e 'begin { }'",
    "-c /no/such/command -e 'interval:s:1 { }'",
    "-c /etc/passwd -e 'interval:s:1 { }'",
    "-f xml -e 'begin { }'",
    "-B sometimes -e 'begin { }'",
    "-o /no/such/folder/file -e 'begin { }'",
    "--mode nothing -e 'begin { }'",
    "-d nothing -e 'begin { }'",
    "--probe-filter '(' -e 'begin { }'",
    "-kk -e 'begin { }'",
    "--traceable-functions /no/such/file -e 'kprobe:x { }'",
    "--include /no/such/header.h -e 'begin { }'",
    "-e 'begin { print($1 $2); }' 1 2 3",
]


def truncated() -> Iterator[str]:
    """The beginnings of a script."""
    return (WHOLE[:length] for length in range(1, len(WHOLE), 2))


def noise() -> Iterator[str]:
    """Bytes of a fixed seed: half of them any byte, half of them what scripts are made of."""
    source = random.Random(20)
    pieces = [
        "begin",
        "{",
        "}",
        "(",
        ")",
        "@",
        "$x",
        "=",
        ";",
        '"',
        "/",
        "if",
        "1",
        ",",
        "[",
        "]",
        " ",
        "->",
        "tracepoint:",
    ]
    for number in range(30):
        if number % 2:
            yield "".join(chr(source.randrange(1, 256)) for _ in range(source.randrange(1, 200)))
        else:
            yield "".join(source.choice(pieces) for _ in range(source.randrange(2, 60))) + "{"


def extremes() -> Iterator[str]:
    """Numbers, names and nesting past every limit."""
    yield f"begin {{ print({'9' * 5000}); }}"
    yield f"begin {{ print(0x{'f' * 500}); }}"
    yield "begin { print(1e99); }"
    yield "begin { print(99999999999999999999d); }"
    yield f'begin {{ print("{"a" * 100_000}"); }}'
    yield f"begin {{ {'x' * 50_000}(); }}"
    yield f"tracepoint:{'x' * 50_000}:y {{ }}"
    yield f"begin {{ print({'(' * DEEP}1{')' * DEEP}; }}"
    yield f"begin {{ print({'(' * DEEP}1; }}"
    yield "begin { " + "if (1) { " * DEEP + "nothing();" + "}" * DEEP + " }"
    yield "begin {" * DEEP
    yield f"begin {{ print({'-' * DEEP}$x); }}"
    yield f"begin {{ print({'!' * DEEP}$x); }}"
    yield f"begin {{ print(1{' + 1' * DEEP} + $x); }}"
    yield f"begin {{ print($x{'[0]' * DEEP}); }}"
    yield f"begin {{ print($x{'.a' * DEEP}); }}"
    yield f"begin {{ print({'1 ? 2 : ' * DEEP}$x); }}"
    yield f"begin {{ $x = {'(int8)' * DEEP}$y; }}"
    yield "/*" * DEEP


SCRIPTS = [*truncated(), *noise(), *WRONG_TYPES, *ABSENT, *extremes()]


def verdict(done: process.Finished) -> str:
    """What is wrong with how it ended, "" if nothing is."""
    said = done.stdout + done.stderr
    if done.timed_out:
        return "did not end"
    if done.status not in (1, 2, 255):
        return f"status {done.status}"
    if "Traceback (most recent call last)" in said or "BUG" in said:
        return "an internal fault reached the user"
    return (
        "" if "ERROR" in said or "USAGE" in said or "No probes to attach" in said or done.status == 2 else "no message"
    )


def refused(command: str, folder: Path) -> str:
    done = process.run(command, timeout=30, cwd=folder)
    return f"{verdict(done)}: {command[:200]}\n{done.stderr[-400:]}" if verdict(done) else ""


@pytest.mark.feature("root", "btf", "tracepoint", "uprobe")
@pytest.mark.usefixtures("nothing_left_behind")
@pytest.mark.parametrize("part", range(8))
def test_scripts_are_refused(part: int, pytrace: str, tmp_path: Path) -> None:
    wrong = []
    for number, script in list(enumerate(SCRIPTS))[part::8]:
        path = tmp_path / f"{number}.bt"
        path.write_bytes(script.encode("latin-1"))
        wrong.append(refused(f"{pytrace} --no-warnings {path}", tmp_path))
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.feature("root", "btf")
@pytest.mark.usefixtures("nothing_left_behind")
def test_command_lines_are_refused(pytrace: str, tmp_path: Path) -> None:
    wrong = [refused(f"{pytrace} {options}", tmp_path) for options in OPTIONS]
    assert not any(wrong), "\n".join(filter(None, wrong))


@pytest.mark.feature("root", "btf")
def test_there_are_two_hundred() -> None:
    assert len(SCRIPTS) + len(OPTIONS) >= 200
    assert len({shlex.quote(script) for script in SCRIPTS}) == len(SCRIPTS)
