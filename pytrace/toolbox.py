"""The bundled tools: where they are, what their headers say, and their own options on the command line.

Place in the pipeline: under `arguments`, and for `--tools` and help.  In: a tool's name and the words behind it.  Out:
its file, its manual, and the words as parameters of the script (`-p 5` becomes `--pid=5`).  What a newcomer would get
wrong: a tool's header is no mere comment.  Each line of it that begins with `-` declares an option (`-p, --pid=PID
text`), and a line `// parameters: interval=1 count=9` names the script's `$1`, `$2` … and what they are when they are
not given (without `=` it must be given); an option of the same name gives one too, since attach points take positional
parameters only (one that is written `--name=` there can be given by its option only).  An option may have several
letters (`-tt`); one that may be given several times (`--pid=PID...`) becomes a list with commas.  A section EXPRESSION
declares terms (`tool_terms`), and `// ignored: nU` letters that change nothing.  A name that ends in `...` stands for
one or more.  A line `// generator: MODULE` means that the script is made from those words, by `generate` of that
module.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import UsageError
from pytrace.record import record

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools")
_PARAMETERS = "// parameters:"
_REPEATED = "..."
_IGNORED = "// ignored:"
_GENERATOR = "// generator:"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.probespec.script import Generated
    from pytrace.tool_terms import Term


def names() -> list[str]:
    """All bundled tools in order."""
    return sorted(f[:-3] for f in os.listdir(_FOLDER) if f.endswith(".pt"))


def path_of(name: str) -> str | None:
    """The file of the bundled tool `name`, None if there is none."""
    path = os.path.join(_FOLDER, name + ".pt")
    return path if "/" not in name and os.path.isfile(path) else None


def manual(name: str) -> str | None:
    """What a tool's header says, without the comment's marks; None if there is no such tool."""
    path = path_of(name)
    return None if path is None else _manual(_read(path))


def purpose(name: str) -> str:
    """What a tool is for, in one line of its header."""
    title = (manual(name) or "").partition("NAME\n")[2].partition("\n")[0]
    return title.partition(" - ")[2]


def table() -> str:
    """One line for each tool: its name and purpose."""
    return "".join(f"{name:<15} {purpose(name)}\n" for name in names())


def _read(path: str) -> str:
    with open(path, encoding="latin-1") as f:
        return f.read()


def _manual(text: str) -> str:
    return text.partition("/*\n")[2].partition("*/")[0]


@record
class ToolOption:
    """One option as a header declares it; `letter` may be several (`tt`); `argument`: what its value is (PID, SECONDS),
    "" for none; `repeated`: it may be given several times."""

    letter: str
    long: str
    argument: str
    doc: str
    repeated: bool = False


class Tool:
    """One tool's options and positional parameters, as its header declares them."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        lines = [line for line in _manual(text).splitlines() if line.startswith("    -")]
        self.options = [option for line in lines if (option := _declared(line))]
        self.letters = {o.letter: o.long for o in self.options if o.letter}
        """Flag letter to long name."""
        self.takes_value = {o.long: bool(o.argument) for o in self.options}
        """Long name to whether a value follows."""
        self.repeated = {o.long for o in self.options if o.repeated}
        self.terms = self._terms(_manual(text))
        """What its expressions are made of; empty for a tool without expressions."""
        self.ignored = text.partition(_IGNORED)[2].partition("\n")[0].strip()
        """Flag letters that are accepted and change nothing."""
        self.parameters = [word.partition("=") for word in text.partition(_PARAMETERS)[2].partition("\n")[0].split()]
        self.generator = text.partition(_GENERATOR)[2].partition("\n")[0].strip()
        """The module that makes the script, "" if the tool is a script."""

    def option(self, word: str) -> ToolOption | None:
        """The one that a word ends with, which may be a cluster of letters; None if there is no such option."""
        name = word[2:].partition("=")[0] if word.startswith("--") else self.letters.get(word[-1:], "")
        return next((o for o in self.options if o.long == name), None)

    def _terms(self, manual: str) -> list[Term]:
        if "\nEXPRESSION\n" not in manual:
            return []
        from pytrace import tool_terms

        terms = tool_terms.declared(manual)
        for term in terms:
            self.takes_value[term.option] = bool(term.value)
        return terms

    def take(self, argv: list[str], at: int) -> tuple[list[str], int] | None:
        """`argv[at]`, an option, as words `--name[=value]`, and where to go on; None if it is not this tool's."""
        word = argv[at]
        if word.startswith("--"):
            name, equals, _ = word[2:].partition("=")
            if name not in self.takes_value:
                return None
            if equals or not self.takes_value[name]:
                return [word], at + 1
            return self._with_value(f"option '--{name}'", name, argv, at + 1)
        if word[1:] in self.letters and not self.takes_value[self.letters[word[1:]]]:
            return [f"--{self.letters[word[1:]]}"], at + 1
        if word[1:2] not in self.letters and word[1:2] not in tuple(self.ignored):
            return None
        found: list[str] = []
        for i, letter in enumerate(word[1:], 1):
            if letter in self.ignored:
                continue
            long = self.letters.get(letter)
            if long is None:
                raise UsageError(f"{self.name}: invalid option -- '{letter}'")
            if not self.takes_value[long]:
                found.append(f"--{long}")
            elif i + 1 < len(word):
                return [*found, f"--{long}={word[i + 1 :]}"], at + 1
            else:
                more, at = self._with_value(f"option '-{letter}'", long, argv, at + 1)
                return found + more, at
        return found, at + 1

    def _with_value(self, shown: str, long: str, argv: list[str], at: int) -> tuple[list[str], int]:
        if at == len(argv):
            raise UsageError(f"{self.name}: {shown} requires an argument")
        return [f"--{long}={argv[at]}"], at + 1

    def words(self, given: list[str]) -> list[str]:
        """The parameters `given` with the positional ones completed.  Raises UsageError for too many of them."""
        named = [w for w in given if w.startswith("--")]
        positional = [w for w in given if not w.startswith("--")]
        if self.terms:
            from pytrace import tool_terms

            named, positional = named + tool_terms.parse(self.name, self.terms, positional), []
        if self.generator:
            return named + self._listed(positional)
        open_ = sum(not name.startswith("--") for name, _, _ in self.parameters)
        if len(positional) > open_:
            hint = f"pytrace --help {self.name}"
            raise UsageError(f"{self.name}: unexpected argument '{positional[open_]}'", hint=hint)
        for i, (given_name, optional, default) in enumerate(self.parameters):
            name = given_name.removeprefix("--")
            chosen = [w for w in named if w.startswith(f"--{name}=")]
            named = [w for w in named if w not in chosen]
            if name in self.repeated and chosen:
                chosen = ["=" + ",".join(w.partition("=")[2] for w in chosen)]
            if i == len(positional):
                if not optional and not chosen and "--help" not in named:
                    raise UsageError(f"{self.name}: {name} is missing", hint=f"pytrace --help {self.name}")
                positional.append(chosen[-1].partition("=")[2] if chosen else default)
        return named + positional

    def _listed(self, positional: list[str]) -> list[str]:
        """The words of a parameter that stands for several."""
        hint = f"pytrace --help {self.name}"
        if self.parameters and not positional:
            raise UsageError(f"{self.name}: {self.parameters[0][0].rstrip('.')} is missing", hint=hint)
        if positional and not self.parameters:
            raise UsageError(f"{self.name}: unexpected argument '{positional[0]}'", hint=hint)
        return positional


def generate(name: str, generator: str, named: tuple[str, ...], positional: tuple[str, ...]) -> Generated:
    """The script of a tool that is made from its words.  Raises UsageError, ScriptError."""
    from importlib import import_module

    from pytrace.probespec.words import Words

    generated: Generated = import_module(generator).generate(Words(name, named, positional))
    return generated


def _declared(line: str) -> ToolOption | None:
    """`    -p, --pid=PID   only this process`; None if no long name is given."""
    words, _, doc = line.strip().partition("  ")
    first, comma, _ = words.partition(",")
    letter = first[1:] if comma and first[1:2] != "-" else ""
    long, _, argument = words.partition("--")[2].partition("=")
    repeated = argument.endswith(_REPEATED)
    return ToolOption(letter, long, argument.removesuffix(_REPEATED), doc.strip(), repeated) if long else None


def find(name: str) -> Tool | None:
    """The bundled tool `name`, unless a file of that name is here: that is run instead."""
    path = path_of(name)
    return None if path is None or os.path.exists(name) else Tool(name, _read(path))
