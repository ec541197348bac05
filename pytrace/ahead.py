"""Programs compiled ahead (`--aot`): a Program as an executable file, and such a file back into a Program.

Place in the pipeline: beside the compile cache.  In: a Program, what it takes for granted, the options that stay with
it; later the parts of the file.  Out: a Python script that needs Linux, Python and pytrace's runtime, neither lark nor
llvmlite.  What a newcomer would get wrong: the file outlives this version of pytrace, so what it calls
(`pytrace.cli.run_ahead`) and the order of its arguments stay as they are; everything else may change, and
`FORM` and the Program's own format version say so.
"""

from __future__ import annotations

import marshal
import os

from pytrace.diagnostics import MachineError, UsageError
from pytrace.options import Options
from pytrace.program import FORMAT_VERSION, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORM = 1
"""Raised when the parts below change."""

_MARSHAL = 4
"""A format of marshal that every Python since 3.4 reads; the data are builtin values only."""

KEPT = ("output", "format", "buffering", "quiet", "warning_level", "map_rows")
"""Options that are given when the file is written and hold when it runs, unless it is told otherwise."""

_TEMPLATE = '''\
#!/usr/bin/env python3
# {title}
# Run it with --help for its options.  It needs Linux, Python 3.11 or newer, and pytrace's runtime for that Python.
import sys

if sys.version_info < (3, 11):
    sys.exit("ERROR: %s needs Python 3.11 or newer; %s is Python %d.%d"
             % (sys.argv[0], sys.executable, sys.version_info[0], sys.version_info[1]))
try:
    from pytrace.cli import run_ahead
except ImportError as error:
    if error.name == "pytrace":
        sys.exit("ERROR: %s needs pytrace's runtime, which %s does not have\\nHINT: install pytrace {version} for that"
                 " Python (lark and llvmlite are not needed), or start this file with the Python that has it"
                 % (sys.argv[0], sys.executable))
    sys.exit("ERROR: %s was written by pytrace {version}, and the pytrace that %s has cannot run it (%s)\\n"
             "HINT: install pytrace {version} or newer" % (sys.argv[0], sys.executable, error))
run_ahead({form}, {about!r}, b"""
{payload}""")
'''


def write(path: str, program: Program, premises: tuple[Any, ...], options: Options, script: str) -> None:
    """The executable file, in one step: `path` is whole or untouched.  Raises UsageError where it cannot be written."""
    from binascii import b2a_base64
    from textwrap import wrap
    from zlib import compress

    from pytrace import __version__

    kept = {name: getattr(options, name) for name in KEPT}
    packed = compress(marshal.dumps((premises, kept, program.to_plain()), _MARSHAL), 9)
    name = script.encode("ascii", "backslashreplace").decode("ascii")
    text = _TEMPLATE.format(
        title=f"Written by pytrace {__version__} --aot from {name!r}.",
        version=__version__,
        form=FORM,
        about={"script": script, "pytrace": __version__, "program": FORMAT_VERSION},
        payload="".join(line + "\n" for line in wrap(b2a_base64(packed, newline=False).decode("ascii"), 116)),
    )
    temporary = f"{path}.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777)
        try:
            with open(fd, "wb") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageError(f"failed to open file '{path}': {error.strerror}") from None


def read(form: int, about: dict[str, Any], payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any], Program]:
    """(premises, kept options, Program) of a file.  Raises MachineError for one of another version, or damaged."""
    from pytrace import __version__

    writer, program = about.get("pytrace"), about.get("program")
    if form != FORM or program != FORMAT_VERSION:
        raise MachineError(
            f"This program was written by pytrace {writer} (form {form}, program format {program}); the pytrace here "
            f"is {__version__} (form {FORM}, program format {FORMAT_VERSION}).",
            advice=f"install pytrace {writer}, or compile '{about.get('script')}' anew with this one's --aot",
            exit_status=1,
        )
    from binascii import a2b_base64
    from zlib import decompress, error

    try:
        premises, kept, plain = marshal.loads(decompress(a2b_base64(payload)))
        return premises, kept, Program.from_plain(plain)
    except (error, ValueError, TypeError, EOFError, IndexError, KeyError):
        raise MachineError(
            "This file is damaged: the program in it cannot be read.",
            advice=f"compile the script '{about.get('script')}' anew with 'pytrace --aot'",
            exit_status=1,
        ) from None
