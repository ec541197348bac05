"""What `--help` says, and a usage error behind its message.

Place in the pipeline: under `cli`, imported only when it is shown.  In: the table of options.  Out: text in the form of
the reference's.  What a newcomer would get wrong: what an option does is said in its row, not here.
"""

from __future__ import annotations

from pytrace.option_table import SECTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.option_table import OptionDef

_COLUMN, _WIDTH = 19, 69
"""Where the text of an option begins, and how wide it is."""

PURPOSE = "a high-level tracing language for Linux powered by BPF"
SYNOPSIS = (
    "[options] filename",
    "[options] - <stdin input>",
    "[options] -e 'program'",
    "compare [options] filename | -e 'program'",
    "[options] TOOL [tool's options]",
)
_CONFIGURATION = """\
    Settings come from the script's config block and from BPFTRACE_* environment
    variables, as in bpftrace.
"""
EXAMPLES = (
    (
        """-e 'tracepoint:syscalls:sys_enter_execve { printf("%s %s\\n", comm, str(args.filename)); }'""",
        "programs that are started",
    ),
    ("-e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'", "system calls by process name"),
    ("-e 'profile:hz:99 { @[kstack] = count(); }'", "where the kernel spends its time"),
    ("-e 'tracepoint:block:block_rq_issue { @ = hist(args.bytes); }'", "sizes of block I/O requests"),
    ("-l '*sleep*'", 'probes with "sleep" in their name'),
    ("-lv 'tracepoint:syscalls:sys_enter_openat'", "the arguments of a tracepoint"),
    ("--help hist", "what hist() does"),
    ("opensnoop -x", "a bundled tool: files that could not be opened"),
    ("compare script.bt", "whether bpftrace says the same; more: pytrace compare --help"),
)
"""Words behind the command's name, and what they give."""


def usage() -> str:
    """The whole text."""
    lines = [f"pytrace - {PURPOSE}\n\nUSAGE:\n", *(f"    pytrace {words}\n" for words in SYNOPSIS)]
    lines.append(f"{'':35}a bundled tool, such as execsnoop\n")
    lines.append("    use -- after filename/-e 'program' for named script parameters\n\n")
    for heading, groups in SECTIONS:
        lines += [f"{heading}:\n", "\n".join("".join(map(option_help, group)) for group in groups), "\n"]
    lines += ["CONFIGURATION:\n", _CONFIGURATION, "\nEXAMPLES:\n"]
    lines += [f"    pytrace {words}\n        {meaning}\n" for words, meaning in EXAMPLES]
    return "".join(lines)


def option_help(option: OptionDef) -> str:
    """`    -o, --output FILE`, and its text beside it where there is room, else below."""
    head = f"    {option.spelling}"
    first = head.ljust(_COLUMN) if len(head) < _COLUMN else f"{head}\n{'':{_COLUMN}}"
    return first + f"\n{'':{_COLUMN}}".join(_text(option)) + "\n"


def _text(option: OptionDef) -> Iterator[str]:
    values = "(" + ", ".join(f"'{value}'" for value in option.values) + ")" if option.values else ""
    if len(option.doc) + len(values) < _WIDTH:
        yield f"{option.doc} {values}".rstrip()
        return
    yield from filled(option.doc, _WIDTH)
    if values:
        yield from filled(values, _WIDTH, " ")


def filled(text: str, width: int, indent: str = "") -> Iterator[str]:
    """`text` in lines of at most `width` characters, those behind the first with `indent`."""
    line = ""
    for word in text.split():
        if line.strip() and len(line) + 1 + len(word) > width:
            yield line
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    yield line
