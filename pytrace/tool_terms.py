"""The expressions of bundled tools: words such as `host 10.0.0.1 and port 80` as named parameters.

Place in the pipeline: under `toolbox`.  In: the section EXPRESSION of a tool's header, and the words that stand behind
the tool's options.  Out: `--host=10.0.0.1 --port=80`.  What a newcomer would get wrong: nothing here knows any term.  A
line of the section declares them, in its left column: `src port PORT` is the option `--src-port`, a word in brackets
may be left out, and terms that stand on one line, with commas between, exclude each other.  ADDRESS and PORT are
checked here, since a message about the tool's own lines would not help who typed them.
"""

from __future__ import annotations

import re

from pytrace.diagnostics import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_AND = ("and", "&&")


class Term:
    """One term: the option it stands for, the words that are typed, what follows them, and the line it is on."""

    def __init__(self, words: list[str], option: str, value: str, line: int) -> None:
        self.words = words
        self.option = option
        self.value = value
        """The placeholder of what follows, such as ADDRESS; "" if nothing does."""
        self.line = line


def declared(manual: str) -> list[Term]:
    """The terms of a header, those of most words first; none if it has no such section."""
    found = []
    lines = manual.partition("\nEXPRESSION\n")[2].partition("\n\n")[0].splitlines()
    for number, line in enumerate(lines):
        for text in re.split(r" {2,}", line.strip())[0].split(", "):
            words = text.split()
            value = words.pop() if words[-1].isupper() else ""
            kept = [w for w in words if not w.startswith("[")]
            option = "-".join(kept)
            found.append(Term(kept, option, value, number))
            if kept != words:
                found.append(Term([w.strip("[]") for w in words], option, value, number))
    return sorted(found, key=lambda term: -len(term.words))


def parse(tool: str, terms: list[Term], words: list[str]) -> list[str]:
    """`words` as `--option[=value]`.  Raises UsageError, with the word that is not understood."""
    words = [part for word in words for part in word.split()]  # an expression may be quoted as a whole
    found: list[str] = []
    lines: dict[int, str] = {}
    at = 0
    while at < len(words):
        if found and words[at] in _AND:
            at += 1
        term = next((t for t in terms if words[at : at + len(t.words)] == t.words), None)
        if term is None:
            shown = f"'{words[at]}'" if at < len(words) else f"the end behind '{words[-1]}'"
            raise UsageError(
                f"{tool}: {shown} is not understood in an expression", hint=f"pytrace --help {tool} lists the terms"
            )
        text = " ".join(term.words)
        if term.line in lines:
            other = lines[term.line]
            both = f"'{text}' stands twice" if other == text else f"'{other}' and '{text}' exclude each other"
            raise UsageError(f"{tool}: {both} in the expression")
        lines[term.line] = text
        at += len(term.words)
        if not term.value:
            found.append(f"--{term.option}")
            continue
        if at == len(words):
            raise UsageError(f"{tool}: '{text}' must be followed by {term.value}")
        found.append(f"--{term.option}={_checked(tool, text, term.value, words[at])}")
        at += 1
    return found


def _checked(tool: str, text: str, placeholder: str, given: str) -> str:
    kind = _KINDS.get(placeholder)
    try:
        return kind(given) if kind else given
    except (OSError, ValueError):
        raise UsageError(f"{tool}: '{given}' behind '{text}' is no {placeholder.lower()}") from None


def _address(text: str) -> str:
    """Raises OSError for what is none; names of hosts are not looked up."""
    from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    family = AF_INET6 if ":" in text else AF_INET
    return inet_ntop(family, inet_pton(family, text))


def _port(text: str) -> str:
    """A number, or the name of a service in /etc/services.  Raises OSError or ValueError."""
    if not text.isdecimal():
        from socket import getservbyname

        return str(getservbyname(text))
    if not 0 < int(text) < 65536:
        raise ValueError(text)
    return str(int(text))


_KINDS: dict[str, Callable[[str], str]] = {"ADDRESS": _address, "PORT": _port}
