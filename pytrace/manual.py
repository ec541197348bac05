"""The manual pages: pytrace(1), the command, and pytrace-language(7), what scripts are made of.

Place in the pipeline: run by hand after a change of what they are made from (`python -m pytrace.manual` writes
docs/man, which the wheel installs); a unit test fails while a page there is not what this would write.  In: the
options, the tools' headers, the settings, the variables of the environment, the rows.  Out: man(7) macros.  What a
newcomer would get wrong: a page says nothing about an option or a function that its row does not say; only what binds
them stands here.
"""

from __future__ import annotations

from pathlib import Path

from pytrace import __version__, reference, toolbox
from pytrace.compare import arguments as comparing
from pytrace.defs import load_registry
from pytrace.environment import VARIABLES
from pytrace.option_table import SECTIONS
from pytrace.sema.config import SETTINGS
from pytrace.usage import EXAMPLES, PURPOSE, SYNOPSIS, filled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytrace.option_table import OptionDef

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "man"
_DATE = "2026-11-28"

_DESCRIPTION = """\
Compiles a program in the bpftrace language to BPF, runs it in the kernel, and prints what it finds. The language, the
options and the output are those of bpftrace 0.27.

The program is the text of -e, the file, or standard input; words behind it are its parameters ($1, $2 and so on), those
behind -- that begin with -- its named ones (getopt()). It runs until exit(), Ctrl-C, or the end of the process of -p or
-c; then the maps are printed. Options may stand anywhere before --, and long ones may be abbreviated.

Root is needed, or the capabilities CAP_BPF and CAP_PERFMON with, for users that are not root, CAP_DAC_READ_SEARCH and
CAP_DAC_OVERRIDE. What scripts are written in is told by pytrace-language(7), and by pytrace --help NAME.
"""
_TOOLS = """\
Bundled scripts that are run by their names. Each has options of its own, which stand behind its name; pytrace --help
NAME prints its manual. A file of that name in the working directory is run instead.
"""
_COMPARING = """\
pytrace compare runs a script with real bpftrace and with pytrace, and says whether what they print is equal (status 0),
different (1), or could not be compared (2). It has options of its own.
"""
_CONFIGURATION = """\
In a script's block config = { key = value; }, or in the environment as BPFTRACE_ and the key in capital letters,
which wins.
"""
_STATUS = (
    ("0", "The end of a run: exit(), Ctrl-C, the end of the process of -p or -c, a listing, a help text."),
    ("N", "exit(N), of which the lower eight bits are kept."),
    ("1", "Something is wrong with the command line or the script, or a privilege is missing; a test: probe failed."),
    ("2", "A setting in the environment has a value that it cannot have."),
    ("255", "The kernel refuses a program, or a probe cannot be attached."),
)
_LANGUAGE = """\
A script is a list of probes, each with a condition that may be missing and what is done when it fires:
"""
_LANGUAGE_EXAMPLE = """\
tracepoint:syscalls:sys_exit_read /args.ret > 0/
{
  @bytes[comm] = hist(args.ret);
}
"""


# ---------------------------------------------------------------- man(7)


def _text(text: str) -> str:
    """Text as roff has it: hyphens that can be copied, what stands in backticks in bold."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")
    escaped = escaped.replace("~", "\\(ti").replace("…", "\\|.\\|.\\|.").replace("→", "\\(->")
    parts = escaped.split("`")
    return "".join(f"\\fB{part}\\fR" if n % 2 and len(parts) % 2 else part for n, part in enumerate(parts))


def _filled(text: str) -> str:
    """Text in lines of moderate length, none of which looks like a request."""
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in filled(_text(text), 78))


def _paragraphs(text: str) -> Iterator[str]:
    for n, paragraph in enumerate(text.strip().split("\n\n")):
        if n:
            yield ".PP"
        yield _filled(paragraph)


def _entry(head: str, *texts: str) -> Iterator[str]:
    """A term in bold, and what it means; further texts as paragraphs of their own."""
    yield from (".TP", f".B {_argument(head)}")
    for n, text in enumerate(filter(None, texts)):
        if n:
            yield ".IP"
        yield _filled(text)


def _argument(text: str) -> str:
    """As the argument of a macro, in which quotes have a meaning."""
    return _text(text).replace('"', "\\(dq")


def _example(text: str) -> Iterator[str]:
    yield from (".EX", *(f"    {_text(line)}".rstrip() if line else "" for line in text.rstrip().split("\n")), ".EE")


def _page(name: str, section: int, heading: str, purpose: str, body: Iterable[str]) -> str:
    upper = name.upper().replace("-", "\\-")
    head = (
        '.\\" Made by python -m pytrace.manual: do not edit.',
        f'.TH {upper} {section} {_DATE} "pytrace {__version__}" "{heading}"',
        ".nh",  # words such as PYTRACE_CACHE_DIR are not to be divided
        ".SH NAME",
        f"{_text(name)} \\- {_text(purpose)}",
    )
    return "\n".join((*head, *body)) + "\n"


# ---------------------------------------------------------------- pytrace(1)


def command_page() -> str:
    """pytrace(1)."""
    return _page("pytrace", 1, "User Commands", PURPOSE, _command())


def _command() -> Iterator[str]:
    yield ".SH SYNOPSIS"
    for n, words in enumerate(SYNOPSIS):
        yield from (*([".br"] if n else []), f".B pytrace\n{_text(words)}")
    yield from (".SH DESCRIPTION", *_paragraphs(_DESCRIPTION))
    for heading, groups in SECTIONS:
        yield f".SH {heading}"
        for group in groups:
            for option in group:
                yield from _option(option)
    yield from (".SH TOOLS", *_paragraphs(_TOOLS))
    for name in toolbox.names():
        yield from _entry(name, _sentence(toolbox.purpose(name)))
    yield from (".SH COMPARING WITH BPFTRACE", *_paragraphs(_COMPARING))
    for heading, group in comparing.SECTIONS:
        yield f".SS {_argument(heading.capitalize())}"
        for option in group:
            yield from _option(option)
    yield from (".SH CONFIGURATION", *_paragraphs(_CONFIGURATION))
    for setting in SETTINGS.values():
        default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
        yield from _entry(f"{setting.key} = {default}", setting.doc)
    yield ".SH ENVIRONMENT"
    for variable in VARIABLES:
        yield from _entry(f"{variable.name}={variable.value}", variable.doc)
    yield ".SH EXIT STATUS"
    for status, meaning in _STATUS:
        yield from _entry(status, meaning)
    yield ".SH EXAMPLES"
    for n, (words, meaning) in enumerate(EXAMPLES):
        yield from (*([".PP"] if n else []), _filled(_sentence(meaning)[:-1] + ":"), ".PP")
        yield from _example(f"pytrace {words}")
    yield from (".SH SEE ALSO", ".BR pytrace\\-language (7),", ".BR bpf (2),", ".BR perf_event_open (2)")


def _option(option: OptionDef) -> Iterator[str]:
    values = f"One of {', '.join(option.values)}." if option.values else ""
    if option.many:
        values = values.replace("One of", "Some of, with commas between them:")
    yield from _entry(option.spelling, f"{_sentence(option.doc)} {option.more}", values)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


# ---------------------------------------------------------------- pytrace-language(7)


def language_page() -> str:
    """pytrace-language(7): docs/reference.md for a terminal."""
    purpose = "probes, builtins, functions and maps of pytrace scripts"
    return _page("pytrace-language", 7, "Miscellaneous Information", purpose, _language())


def _language() -> Iterator[str]:
    yield from (".SH DESCRIPTION", *_paragraphs(_LANGUAGE), ".PP", *_example(_LANGUAGE_EXAMPLE))
    for heading, rows in reference.sections(load_registry()).items():
        yield f".SH {heading.upper()}"
        for row in rows:
            yield f".SS {_argument(reference.title(row))}"
            yield from _example("\n".join(reference.signatures(row)))
            for paragraph in (*row.doc.split("\n\n"), *reference.notes(row)):
                yield from (".PP", _filled(paragraph))
    yield from (".SH SEE ALSO", ".BR pytrace (1)")


def files() -> dict[str, str]:
    """Path below docs/man -> page."""
    return {"man1/pytrace.1": command_page(), "man7/pytrace-language.7": language_page()}


if __name__ == "__main__":
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
