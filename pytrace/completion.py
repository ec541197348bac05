"""What could be typed next: completion of a command line for the scripts in `completions/`.

Place in the pipeline: beside `arguments`, run by a shell at each TAB as `pytrace --complete bash LINE WORDBREAKS` or
`pytrace --complete zsh WORD…`.  In: what stands before the cursor.  Out: a line of flags for the shell, then a
candidate a line, for zsh with what it means behind a tab.  What a newcomer would get wrong: nothing is listed here:
options, their values, tools, providers, builtins and probes come from the tables, headers and the kernel.  And nothing
is ever said on stderr, since that would land in the middle of the user's line.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import PytraceError
from pytrace.option_table import OPTIONS, OptionDef
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytrace.toolbox import Tool

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "completions")
_SCRIPTS = {"bash": "bash/pytrace", "zsh": "zsh/_pytrace"}
_SUFFIXES = (".pt", ".bt")
COMPARE = ("compare", "whether real bpftrace says the same of a script")


@record
class Offer:
    """Candidates for the whole word, each with its meaning.  `more`: something else follows each, so that no space is
    put behind it; `files`: they are names of files, which the shell quotes."""

    candidates: tuple[tuple[str, str], ...] = ()
    more: bool = False
    files: bool = False


def script(shell: str) -> str:
    """What `--completion SHELL` prints."""
    with open(os.path.join(_FOLDER, _SCRIPTS[shell]), encoding="ascii") as f:
        return f.read()


def answer(arguments: list[str]) -> str:
    """What `pytrace --complete` prints; "" for a request that makes no sense."""
    try:
        match arguments:
            case ["bash", line, breaks]:
                words, quote, raw = split_line(line)
                found = complete(words[1:])
                # bash replaces what stands behind a colon or equals sign, except within quotes
                cut = 0 if quote else max((raw.rfind(c) for c in breaks), default=-1) + 1
                return _text(found, (text[cut:] for text, _ in found.candidates))
            case ["zsh", *words] if words:
                found = complete([_unquoted(word) for word in words])
                return _text(found, (f"{text}\t{' '.join(meaning.split())}" for text, meaning in found.candidates))
    except (PytraceError, OSError):
        pass
    return ""


def _text(offer: Offer, rows: Iterable[str]) -> str:
    flags = " ".join(name for name, wanted in (("nospace", offer.more), ("filenames", offer.files)) if wanted)
    return "\n".join((flags, *(row for row in rows if "\n" not in row))) + "\n"


def split_line(line: str) -> tuple[list[str], str, str]:
    """The words of an unfinished line as a shell reads them, the quote that is open at its end, and the last word as
    it was typed."""
    words, word, quote, begin, at = [], "", "", 0, 0
    while at < len(line):
        c = line[at]
        if c == "\\" and quote != "'" and at + 1 < len(line):
            at += 1
            word += line[at]
        elif quote:
            quote, word = ("", word) if c == quote else (quote, word + c)
        elif c in "'\"":
            quote = c
        elif c in " \t":
            words += [word] if line[begin:at] else []
            word, begin = "", at + 1
        else:
            word += c
        at += 1
    return [*words, word], quote, line[begin:]


def _unquoted(word: str) -> str:
    return split_line(word)[0][-1] if word[:1] in ("'", '"') else word


# ---------------------------------------------------------------- where on the line


@record(frozen=False)
class _Place:
    """What the words before the one that is completed have said."""

    table: tuple[OptionDef, ...] = OPTIONS
    wants: str = ""
    """What the last of them takes as its argument, as `OptionDef.argument`; "" for nothing."""
    option: OptionDef | None = None
    given: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    tool: Tool | None = None
    after: bool = False
    """Behind `--`."""

    def read(self, word: str) -> None:
        """Take in one word more."""
        if self.wants:
            self.wants, self.option = "", None
        elif word == "--":
            self.after = True
        elif word.startswith("-") and word != "-":
            self._read_option(word)
        else:
            if word == "compare" and not self.words and not self.given and not os.path.exists(word):
                from pytrace.compare.arguments import OPTIONS as ITS_OPTIONS

                self.table = ITS_OPTIONS
                return
            self.words.append(word)
            if len(self.words) == 1 and not self.given & {"e", "list"}:
                from pytrace import toolbox

                self.tool = toolbox.find(word)

    def _read_option(self, word: str) -> None:
        own = self.tool.option(word) if self.tool else None
        if own is not None:
            self.wants = own.argument if "=" not in word else ""
            return
        if self.after:
            return
        name, equals, _ = word[2:].partition("=")
        rows = [long_option(self.table, name)] if word.startswith("--") else _letters(self.table, word[1:])
        for option in rows:
            if option is not None:
                self.given.add(option.name)
                if option.argument and not equals and (word.startswith("--") or word.endswith(option.short)):
                    self.wants, self.option = option.argument, option


def long_option(table: Iterable[OptionDef], name: str) -> OptionDef | None:
    """The option of that name or abbreviation, None if there is none or several."""
    found = [o for o in table if o.long and o.long.startswith(name)]
    return next((o for o in found if o.long == name), found[0] if len(found) == 1 else None)


def _letters(table: Iterable[OptionDef], letters: str) -> list[OptionDef | None]:
    """The options of a cluster, as far as the first one that takes the rest of it."""
    rows: list[OptionDef | None] = []
    for letter in letters:
        rows.append(next((o for o in table if o.short == letter), None))
        if rows[-1] is not None and rows[-1].argument:
            break
    return rows


# ---------------------------------------------------------------- what can stand there


def complete(words: list[str]) -> Offer:
    """What the last of `words`, those behind the command's name, can become."""
    *before, current = words or [""]
    place = _Place()
    for word in before:
        place.read(word)
    if place.wants:
        return _argument(place.wants, place.option, current)
    if current.startswith("--") and "=" in current and (place.tool or not place.after):
        return _with_name(place, current)
    if current.startswith("-"):
        return _options(place, current)
    if place.after:
        return Offer() if place.tool is None else _parameter(place.tool, place.words, current)
    if "help" in place.given:
        return _matching(_topics(), current)
    if "list" in place.given and "e" not in place.given:
        return _either(_search(current), _scripts(current))
    if place.tool is not None:
        return _parameter(place.tool, place.words[1:], current)
    if place.words or "e" in place.given:
        return _files(current)
    first = [*_tools(), COMPARE] if place.table is OPTIONS else []
    found = _either(_matching(first, current), _scripts(current))
    return found if found.candidates else _files(current)


def _matching(rows: Iterable[tuple[str, str]], current: str) -> Offer:
    return Offer(tuple(row for row in rows if row[0].startswith(current)))


def _either(one: Offer, other: Offer) -> Offer:
    """The candidates of both; only those of one are files to be quoted."""
    if not one.candidates or not other.candidates:
        return one if one.candidates else other
    found = (*one.candidates, *other.candidates)
    return Offer(found, more=one.more and other.more)


def _options(place: _Place, current: str) -> Offer:
    rows: list[tuple[str, str]] = []
    for own in place.tool.options if place.tool else ():
        rows += [(f"-{own.letter}", own.doc)] if own.letter else []
        rows.append((f"--{own.long}" + ("=" if own.argument else ""), own.doc))
    taken = {text.rstrip("=") for text, _ in rows}
    for option in () if place.after else place.table:
        names = (option.short and f"-{option.short}", option.long and f"--{option.long}")
        rows += [(name, option.doc) for name in names if name and option.doc and name not in taken]
    found = _matching(rows, current)
    return Offer(found.candidates, more=bool(found.candidates) and all(t.endswith("=") for t, _ in found.candidates))


def _with_name(place: _Place, current: str) -> Offer:
    """`--name=…`"""
    name, _, value = current.partition("=")
    own = place.tool.option(name) if place.tool else None
    option = None if own or place.after else long_option(place.table, name[2:])
    wants = own.argument if own else option.argument if option else ""
    found = _argument(wants, option, value)
    return Offer(tuple((f"{name}={text}", meaning) for text, meaning in found.candidates), found.more, found.files)


def _argument(wants: str, option: OptionDef | None, current: str) -> Offer:
    """The argument of an option."""
    if option is not None and option.values:
        given, comma, last = current.rpartition(",") if option.many else ("", "", current)
        used = given.split(",")
        return Offer(tuple((given + comma + v, "") for v in option.values if v.startswith(last) and v not in used))
    return _KINDS[wants](current) if wants in _KINDS else Offer()


def _parameter(tool: Tool, words: list[str], current: str) -> Offer:
    """A tool's parameter in the place behind `words`."""
    at = len(words)
    name = tool.parameters[at][0].upper() if at < len(tool.parameters) else ""
    return _KINDS[name](current) if name in _KINDS else Offer()


def _tools() -> list[tuple[str, str]]:
    from pytrace import toolbox

    return [(name, toolbox.purpose(name)) for name in toolbox.names()]


def _topics() -> list[tuple[str, str]]:
    """What `--help NAME` explains."""
    from pytrace.defs.index import NAMES

    names = {name for names in NAMES.values() for name in names if name.isidentifier() and not name.startswith("_")}
    return [*((name, "") for name in sorted(names)), *_tools(), COMPARE]


def _files(current: str, wanted: Callable[[str], bool] = lambda path: True) -> Offer:
    """The files that `current` begins the path of and that are wanted, and the folders."""
    folder, _, name = current.rpartition("/")
    folder = f"{folder}/" if "/" in current else ""
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            rows = [(e.name, e.is_dir()) for e in entries if e.name.startswith(name) and (name or e.name[0] != ".")]
    except OSError:
        return Offer()
    found = sorted(f"{n}/" if is_folder else n for n, is_folder in rows if is_folder or wanted(folder + n))
    return Offer(tuple((folder + n, "") for n in found), more=len(found) == 1 and found[0].endswith("/"), files=True)


def _scripts(current: str) -> Offer:
    return _files(current, lambda path: path.endswith(_SUFFIXES))


def _folders(current: str) -> Offer:
    return _files(current, lambda path: False)


def _commands(current: str) -> Offer:
    """Programs of PATH, or by their path."""
    if "/" in current or not current:
        return _files(current, lambda path: os.access(os.path.expanduser(path), os.X_OK))
    found: set[str] = set()
    for folder in os.environ.get("PATH", "").split(":"):
        try:
            names = [n for n in os.listdir(folder or ".") if n.startswith(current)]
        except OSError:
            continue
        found.update(n for n in names if os.access(os.path.join(folder, n), os.X_OK))
    return Offer(tuple((name, "") for name in sorted(found)))


def _processes(current: str) -> Offer:
    rows = []
    for pid in sorted((n for n in os.listdir("/proc") if n.isdecimal() and n.startswith(current)), key=int):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
                rows.append((pid, f.read().strip()))
        except OSError:
            continue
    return Offer(tuple(rows))


# ---------------------------------------------------------------- probes


def _probes(current: str) -> Offer:
    """The next part of a probe's name: the provider, then a part of what `-l` finds.  A single one that is not whole is
    followed at once, since a shell closes the quote behind it."""
    if "*" in current:
        return Offer()
    parts = _providers(current) if ":" not in current else _parts(current)
    while len(parts) == 1 and parts[0][0].endswith(":") and parts[0][0] != current:
        current = parts[0][0]
        parts = _parts(current)
    return Offer(tuple(parts), more=bool(parts) and all(text.endswith((":", "/")) for text, _ in parts))


def _search(current: str) -> Offer:
    """What `-l` looks for: several names of probes with commas between them."""
    before, comma, last = current.rpartition(",")
    found = _probes(last)
    return Offer(tuple((before + comma + text, meaning) for text, meaning in found.candidates), found.more)


def _providers(current: str) -> list[tuple[str, str]]:
    from pytrace.defs import load_registry

    rows = sorted(load_registry().providers(), key=lambda row: row.name)
    return [(f"{row.name}:", row.doc) for row in rows if row.listing and row.name.startswith(current)]


def _parts(current: str) -> list[tuple[str, str]]:
    """The next part behind the last colon of `current`, with the colon behind it if more parts follow."""
    from pytrace.defs import load_registry

    provider, _, rest = current.partition(":")
    row = load_registry().probe(provider)
    if row is None:
        return []
    if row.user_space and ":" not in rest:
        return [(f"{provider}:{path}{'' if path.endswith('/') else ':'}", "") for path, _ in _files(rest).candidates]
    found = {}
    # what one part means, an event or a function of any module, and what it is the first of two of
    for name in _listed(f"{current}*" if ":" in rest else f"{current}*,{current}*:*"):
        text = f"{provider}:{name.partition(':')[2]}"
        if "traceable" in row.features and ":" not in rest:
            text = f"{provider}:{text.rpartition(':')[2]}" if not text.startswith(current) else text
        if text.startswith(current):
            part, colon, _ = text[len(current) :].partition(":")
            found[f"{current}{part}{colon}"] = ""
    return list(found.items())


def _listed(search: str) -> list[str]:
    from pytrace.driver import find_probes
    from pytrace.options import Options

    text: bytes = find_probes(search, Options())[0]
    return text.decode("latin-1").splitlines()


def _program(current: str) -> Offer:
    """The attach point that a program begins with, or that follows another's body or comma."""
    depth, start = 0, 0
    for at, c in enumerate(current):
        depth += (c == "{") - (c == "}")
        if depth == 0 and c in "},":
            start = at + 1
    begun = current[start:].lstrip()
    if depth or any(c in begun for c in ' {"'):
        return Offer()
    done = current[: len(current) - len(begun)]
    found = _probes(begun)
    names = [(done + text, meaning) for text, meaning in found.candidates]
    if len(names) == 1 and not found.more:  # two that end differently keep the shell from closing the quote
        names = [(names[0][0] + " {", ""), (names[0][0] + " /", "")]
    return Offer(tuple(names), found.more)


_KINDS: dict[str, Callable[[str], Offer]] = {
    "FILE": _files, "PATH": _files, "DIR": _folders, "CMD": _commands, "COMMAND": _commands, "PID": _processes,
    "TID": _processes, "PROGRAM": _program, "PATTERN": _probes, "PROBE": _probes, "FUNCTION": _probes,
}  # fmt: skip
"""What an option of ours or of a tool, or a tool's parameter, takes -> how it is completed."""
