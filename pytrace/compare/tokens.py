"""The forms of what is printed: clock times, addresses, numbers, words; and lines that are about the machine.

Place in the pipeline: the lowest part of `compare`, and of the tests' own normalisation.  In: text.  Out: its tokens,
which joined again are the text.  What a newcomer would get wrong: a sign belongs to a number only where no operand
stands before it (`5-3` is three tokens, `(-3` two).
"""

from __future__ import annotations

import re

from pytrace.record import record

TIME = r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b|\b\d{4}-\d\d-\d\d\b"
"""Clock times and dates as time() and strftime() print them by default."""
ADDRESS = r"\b0x[0-9a-f]+\b|\bffff[0-9a-f]{12}\b"
"""Pointers, and kernel addresses as raw stacks have them."""
BUCKET = re.compile(r"([\[(].*?[)\]]) +(-?\d{1,40}) \|([@ ]*)\|")
"""A histogram's row: its range, its count, its bar."""
NOISE = re.compile(
    r"^(?:WARNING|ERROR): ([\w -]+: )?[Cc]ould ?n[o']t set RLIMIT_\w+ .*\n"
    r"|^WARNING: Could not read functions from /\S+/available_filter_functions\..*\n"
    r"|^libbpf: .*\n",
    re.M,
)
"""Messages about the machine that either tracer may print, whatever the script."""

_TOKEN = re.compile(
    rf"(?P<time>{TIME})|(?P<address>{ADDRESS})|(?P<number>(?<!\w)-?\d{{1,40}}(?:\.\d{{1,40}})?(?!\w))|(?P<word>\w+)"
    r"|(?P<space>[ \t]+)|(?P<other>.)",
    re.S,
)


@record
class Token:
    """`kind`: time, address, number, word, space or other."""

    kind: str
    text: str

    @property
    def value(self) -> int | float:
        """The value of a number or an address."""
        if self.kind == "address":
            return int(self.text, 16)
        return float(self.text) if "." in self.text else int(self.text)


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, in order, none left out."""
    return [Token(str(found.lastgroup), found[0]) for found in _TOKEN.finditer(text)]
