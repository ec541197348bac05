"""The command line's arguments: argv to `Invocation` (spec 06 §1).

Place in the pipeline: under `cli`.  In: argv.  Out: an Invocation; UsageError in the words of getopt_long(3) and of the
reference.  What a newcomer would get wrong: the order of checks is the reference's, because users see the first failure
only.  `getopt` of the standard library is not used: it does not tell where `--` stood, and its messages are not those
that scripts match on.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import UsageError
from pytrace.option_table import FORMATS, OPTIONS, Invocation, OptionDef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.options import Options
    from pytrace.toolbox import Tool


def _long(name: str, table: tuple[OptionDef, ...]) -> OptionDef:
    """The option called or uniquely abbreviated `name`.  Raises UsageError in the words of getopt_long(3)."""
    exact = [o for o in table if o.long and o.long == name]
    found = exact or [o for o in table if o.long and o.long.startswith(name)]
    if not found:
        raise UsageError(f"unrecognized option '--{name}'", usage=True)
    if len(found) > 1:
        rivals = " ".join(sorted(f"'--{o.long}'" for o in found))
        raise UsageError(f"option '--{name}' is ambiguous; possibilities: {rivals}", usage=True)
    return found[0]


def _short(letter: str, table: tuple[OptionDef, ...]) -> OptionDef:
    for option in table:
        if option.short == letter:
            return option
    raise UsageError(f"invalid option -- '{letter}'", usage=True)


def split(
    argv: list[str], table: tuple[OptionDef, ...] = OPTIONS
) -> tuple[list[tuple[OptionDef, str]], list[str], list[str]]:
    """Options in their order, the words before `--`, the words after it (GNU permutation)."""
    given: list[tuple[OptionDef, str]] = []
    words: list[str] = []
    at = 0
    tool = None
    while at < len(argv):
        word = argv[at]
        if tool is not None and word.startswith("-"):  # behind a bundled tool's name, the tool's own options come first
            own = tool.take(argv, at)
            if own is not None:
                words += own[0]
                at = own[1]
                continue
        at += 1
        if word == "--":
            return given, words, argv[at:]
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _long(name, table)
            if not option.argument:
                if equals:
                    raise UsageError(f"option '--{option.long}' doesn't allow an argument", usage=True)
            elif not equals:
                if at == len(argv):
                    raise UsageError(f"option '--{option.long}' requires an argument", usage=True)
                value = argv[at]
                at += 1
            given.append((option, value))
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                option, letters = _short(letters[0], table), letters[1:]
                value = ""
                if option.argument and letters:
                    value, letters = letters, ""
                elif option.argument:
                    if at == len(argv):
                        raise UsageError(f"option requires an argument -- '{option.short}'", usage=True)
                    value = argv[at]
                    at += 1
                given.append((option, value))
        else:
            words.append(word)
            if len(words) == 1 and table is OPTIONS:
                tool = _tool(word, given)
    return given, words, []


def _tool(word: str, given: list[tuple[OptionDef, str]]) -> Tool | None:
    """The bundled tool that the first word names, if that word is what is to be run."""
    if "/" in word or "." in word or any(o.short in "el" and o.short for o, _ in given):
        return None
    from pytrace import toolbox

    return toolbox.find(word)


def parse(argv: list[str], inv: Invocation | None = None) -> Invocation:
    """The invocation that `argv` (without the program's name) asks for, put into `inv`.  Raises UsageError."""
    inv = inv or Invocation()
    inv.options.environment = {
        k: v for k, v in os.environ.items() if k.startswith("BPFTRACE_") or k in ("CPATH", "C_INCLUDE_PATH", "ARCH")
    }
    given, words, after = split(argv)
    for option, value in given:
        option.apply(inv, value)
        if inv.action in ("help", "version", "info", "tools", "completion"):  # at once, in the order of the options
            inv.topic = inv.topic or "".join(words[:1])
            return inv
    if not argv:
        raise UsageError("", usage=True)
    if inv.options.command and inv.pid_text:
        raise UsageError("USAGE: Cannot use both -c and -p.", usage=True)
    if inv.action == "clear-cache":
        return inv
    if inv.action == "list":
        _listing(inv, words + after)
        return inv
    if not inv.script:
        inv.script = None
        if not words and not after:
            raise UsageError("USAGE: filename or -e 'program' required.")
        rest = words or after
        inv.file = rest.pop(0)
    parameters = words + after
    tool = _tool(inv.file, given) if inv.file else None
    if tool is not None:
        parameters = tool.words(_translated(tool, words) + _translated(tool, after))
        inv.generator = tool.generator
    inv.options.named = tuple(p[2:] for p in parameters if p.startswith("--"))
    inv.options.positional = tuple(p for p in parameters if not p.startswith("--"))
    return inv


def _translated(tool: Tool, parameters: list[str]) -> list[str]:
    """A tool's parameters with its flag letters as named ones, also behind `--`."""
    found: list[str] = []
    at = 0
    while at < len(parameters):
        own = tool.take(parameters, at) if parameters[at].startswith("-") else None
        words, at = own or ([parameters[at]], at + 1)
        found += words
    return found


def check_format(options: Options) -> None:
    """Raise UsageError for an output format that does not exist."""
    if options.format not in ("", *FORMATS):
        raise UsageError(f"Invalid output format \"{options.format}\"\nValid formats: 'text', 'json'")


def _listing(inv: Invocation, words: list[str]) -> None:
    inv.options.listing = True
    if len(words) > 1:
        raise UsageError("", usage=True)
    if words and os.path.exists(words[0]):
        inv.file = words[0]
    else:
        inv.search = words[0] if words and words[0] != "*" else "*:*"
