"""Scripts damaged by chance, and what the compiler makes of each, in a process that may die of it.

In: a seed.  Out: texts, and for each how it ended.  What a newcomer would get wrong: most damage should be
small, or nothing but the parser is tested; two of three mutants keep the shape of the script and change its literals,
names and operators only, so that many of the texts reach code generation and the kernel.
"""

from __future__ import annotations

import os
import random
import re
import select
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tests.harness import datafile
from tests.harness.machine import ROOT

TOKEN = re.compile(r'\s+|"(?:\\.|[^"\\\n])*"|[$@]?\w+|&&|\|\||[-+*/%&|^=!<>]=|<<|>>|\+\+|--|->|//[^\n]*|.', re.S)
NUMBERS = (
    "0", "1", "-1", "2", "7", "127", "128", "255", "256", "65536", "2147483648", "4294967295", "0x7fffffffffffffff",
    "9223372036854775808", "18446744073709551615", "1e3", "5s", "100ull", "$1",
)  # fmt: skip
WORDS = (
    '""', '"a"', '"%d"', '"%s %d"', '"' + "x" * 100 + '"', "comm", "pid", "true", "nsecs", "(1, 2)", '(1, "a")',
    "kstack", "ustack(3)", "count()", "@", "@m[1]", "$x", "retval", "arg0", "args.x", "curtask", "cpu", "ctx",
)  # fmt: skip
OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", ">", "&&", "||", "=", "+=", "/=", ".")
CASTS = (
    "(int8)", "(uint64)", "(int8[4])", "(string)", "(int32 *)", "(bool)", "(struct task_struct *)", "-", "!", "~", "*",
    "&", "++", "sizeof", "str", "kptr", "hist", "len", "delete",
)  # fmt: skip
SPLINTERS = ("(", ")", "{", "}", "[", "]", ";", ",", ":", '"', "$", "@", "/", "\0", "\xff", "\\", "#", "'", "?", " ")
PROBES = (
    "begin", "end", "interval:ms:10", "profile:hz:99", "tracepoint:syscalls:sys_enter_openat", "self:signal:SIGUSR1",
    "tracepoint:sched:sched_switch", "rawtracepoint:sched_switch", "uprobe:{programs}/calls:plus", "kprobe:vfs_read",
    "uretprobe:{programs}/calls:plus", "software:page-faults:100", "fentry:vfs_read", "iter:task",
)  # fmt: skip


@cache
def whole() -> tuple[str, ...]:
    """The scripts that are meant to run: of the live and conformance cases, the tools, the list of differences."""
    texts = [case.script for path in sorted((ROOT / "tests").glob("*/*.case")) for case in datafile.read(path)]
    texts += [path.read_text(encoding="latin-1") for path in sorted((ROOT / "pytrace" / "tools").glob("*.pt"))]
    listed = (ROOT / "docs" / "differences.md").read_text(encoding="latin-1")
    texts += re.findall(r"(?ms)^```bpftrace\n(.*?)^```", listed)
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


@cache
def broken() -> tuple[str, ...]:
    """The scripts of tests/cases, most of which are wrong already."""
    parts: list[str] = []
    for path in sorted((ROOT / "tests" / "cases").glob("*/*.txt")):
        parts += re.split(r"(?m)^===.*\n", path.read_text(encoding="latin-1"))[1:]
    return tuple(dict.fromkeys(part.partition("\n---\n")[0] for part in parts))


def _script(chance: random.Random) -> str:
    return chance.choice(whole() if chance.random() < 0.9 else broken())


# ---------------------------------------------------------------- damage


def mutants(seeds: range, programs: str) -> Iterator[str]:
    """One text for each seed, the same for the same seed; `programs` stands for {programs} of the data files."""
    for seed in seeds:
        yield mutant(seed).replace("{programs}", programs)


def mutant(seed: int) -> str:
    """The text of a seed: a script with one to four mutations."""
    chance = random.Random(seed)
    tokens = TOKEN.findall(_script(chance))
    gentle = chance.random() < 0.65
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4])):
        if tokens:
            tokens = chance.choice(GENTLE if gentle else ROUGH)(chance, tokens)
    return "".join(tokens)


def _places(tokens: list[str], pattern: str) -> list[int]:
    return [at for at, token in enumerate(tokens) if re.fullmatch(pattern, token)]


def _replaced(chance: random.Random, tokens: list[str], pattern: str, others: Sequence[str]) -> list[str]:
    if places := _places(tokens, pattern):
        tokens[chance.choice(places)] = chance.choice(others)
    return tokens


def _number(chance: random.Random, tokens: list[str]) -> list[str]:
    return _replaced(chance, tokens, r"\d\w*", NUMBERS)


def _operand(chance: random.Random, tokens: list[str]) -> list[str]:
    return _replaced(chance, tokens, r'\d\w*|".*"|[$@]\w+', WORDS)


def _operator(chance: random.Random, tokens: list[str]) -> list[str]:
    return _replaced(chance, tokens, r"[-+*/%&|^<>]=?|==|!=|<<|>>|&&|\|\|", OPERATORS)


def _name(chance: random.Random, tokens: list[str]) -> list[str]:
    """A name becomes another of the same script."""
    names = [tokens[at] for at in _places(tokens, r"[$@]?[A-Za-z_]\w*")]
    return _replaced(chance, tokens, r"[$@]?[A-Za-z_]\w*", names) if names else tokens


def _wrapped(chance: random.Random, tokens: list[str]) -> list[str]:
    """A cast or an operator in front of an operand."""
    if places := _places(tokens, r'\d\w*|".*"|[$@]\w+|pid|comm|nsecs'):
        at = chance.choice(places)
        tokens[at] = f"{chance.choice(CASTS)}({tokens[at]})"
    return tokens


def _probe(chance: random.Random, tokens: list[str]) -> list[str]:
    return _replaced(chance, tokens, "begin|BEGIN|end", PROBES)


def _deleted(chance: random.Random, tokens: list[str]) -> list[str]:
    at = chance.randrange(len(tokens))
    return tokens[:at] + tokens[at + chance.randint(1, 3) :]


def _doubled(chance: random.Random, tokens: list[str]) -> list[str]:
    at, length = chance.randrange(len(tokens)), chance.choice([1, 2, 5, 20])
    return tokens[: at + length] + tokens[at:]


def _swapped(chance: random.Random, tokens: list[str]) -> list[str]:
    one, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return tokens


def _spliced(chance: random.Random, tokens: list[str]) -> list[str]:
    other = TOKEN.findall(_script(chance)) or [" "]
    return tokens[: chance.randrange(len(tokens) + 1)] + other[chance.randrange(len(other)) :]


def _borrowed(chance: random.Random, tokens: list[str]) -> list[str]:
    """A few tokens of another script in between."""
    other, at = TOKEN.findall(_script(chance)) or [" "], chance.randrange(len(tokens))
    start = chance.randrange(len(other))
    return [*tokens[:at], *other[start : start + chance.randint(1, 12)], *tokens[at:]]


def _splintered(chance: random.Random, tokens: list[str]) -> list[str]:
    tokens.insert(chance.randrange(len(tokens) + 1), chance.choice(SPLINTERS))
    return tokens


def _truncated(chance: random.Random, tokens: list[str]) -> list[str]:
    text = "".join(tokens)
    return TOKEN.findall(text[: chance.randrange(len(text) + 1)])


Mutation = Callable[[random.Random, list[str]], list[str]]
GENTLE: tuple[Mutation, ...] = (_number, _number, _operand, _operand, _operator, _name, _wrapped, _wrapped, _probe)
ROUGH: tuple[Mutation, ...] = (
    _deleted, _deleted, _doubled, _swapped, _spliced, _borrowed, _splintered, _truncated, _operand, _number,
)  # fmt: skip


# ---------------------------------------------------------------- what becomes of them


@dataclass(frozen=True)
class Outcome:
    """`kind`: what `judge` said, or "died" (killed by a signal or past the time limit) or "escaped" (an exception)."""

    kind: str
    text: str
    detail: str = ""


def outcomes(texts: Sequence[str], judge: Callable[[str], str], limit: float) -> list[Outcome]:
    """What `judge` says to each text, called in a forked process; `limit` in seconds is for one text.

    `judge` returns `kind` or `kind: detail` in one line.
    """
    found: list[Outcome] = []
    while len(found) < len(texts):
        _part(texts, judge, limit, found)
    return found


def _part(texts: Sequence[str], judge: Callable[[str], str], limit: float, found: list[Outcome]) -> None:
    """Go on behind what has been found, until all are or the process ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _judge_all(texts[len(found) :], judge, writer)
    os.close(writer)
    seen, late = b"", False
    while len(found) < len(texts):
        late = not select.select([reader], [], [], limit)[0]
        data = b"" if late else os.read(reader, 65536)
        if not data:
            break
        *lines, seen = (seen + data).split(b"\n")
        for line in lines:
            kind, _, detail = line.decode("latin-1").partition(": ")
            found.append(Outcome(kind, texts[len(found)], detail.replace("\x1e", "\n")))
    os.close(reader)
    if late:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if len(found) < len(texts):
        why = f"no end within {limit} s" if late else f"ended with {status}"
        found.append(Outcome("died", texts[len(found)], why))


def _judge_all(texts: Sequence[str], judge: Callable[[str], str], writer: int) -> None:
    """In the child.  Does not return."""
    try:
        for text in texts:
            try:
                line = judge(text)
            except BaseException:  # noqa: BLE001 - this is what the tests look for
                line = "escaped: " + traceback.format_exc()
            os.write(writer, line.replace("\n", "\x1e").encode("latin-1", "replace") + b"\n")
    finally:
        os._exit(0)
