"""The C front end: a script's C definitions → `CDefinitions` (spec 01 §4).

Place in the pipeline: loaded by `cdefs` when a script has C definitions.  In: their texts in order, behind the
--include files, as one translation unit `definitions.h`.  Out: types, enumerators, object-like macros.  What a newcomer
would get wrong: there is no C compiler behind this, so a script with definitions starts as fast as one without.
"""

from __future__ import annotations

import os

from pytrace.sema.cdefs import CDefinitions
from pytrace.sema.cparser import CParser
from pytrace.sema.cpreprocess import Preprocessor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.sema.cpreprocess import CMacro
    from pytrace.sema.unit import Options
    from pytrace.target import Target

UNIT = "definitions.h"


def read_definitions(
    script: ast.Script, options: Options, target: Target, diagnostics: Diagnostics
) -> CDefinitions:
    """Raises CError (status 2) for C that is wrong."""
    files = [os.path.abspath(path) if os.path.exists(path) else path for path in options.include_files]
    includes = [f'#include "{path}"' for path in files]
    text = "\n".join(["", *includes, *(item.text for item in script.c_definitions)]) + "\n"
    preprocessor = Preprocessor(_directories(options), target.note_file)
    preprocessor.predefine(["BPFTRACE_HAVE_BTF"] if target.has_btf() else [])
    tokens = list(preprocessor.run(text, UNIT))
    parser = CParser(tokens, target.type_named)
    parser.run()
    named = {key: t for key, t in parser.types.items() if not key[1].startswith("(")}
    defines = {m.name: _text(m) for m in preprocessor.macros.values() if m.params is None and not m.predefined}
    return CDefinitions(named, parser.enumerators, defines)


def _directories(options: Options) -> tuple[str, ...]:
    """-I, CPATH, the kernel's headers, the C library's."""
    release = os.uname().release
    build = f"/lib/modules/{release}/build"
    kernel = [f"{build}/{d}" for d in ("arch/x86/include", "arch/x86/include/generated", "include", "include/uapi")]
    given = [*options.include_dirs]
    for name in ("CPATH", "C_INCLUDE_PATH"):
        given += [p for p in os.environ.get(name, "").split(":") if p]
    found = [*given, *kernel, "/usr/local/include", "/usr/include/x86_64-linux-gnu", "/usr/include"]
    return tuple(path for path in found if path in given or os.path.isdir(path))


def _text(macro: CMacro) -> str:
    """A macro's body as one text; only words that would run together are kept apart."""
    out = ""
    for token in macro.body:
        if out and token.kind in ("word", "number") and (out[-1].isalnum() or out[-1] == "_"):
            out += " "
        out += token.text.rstrip("uUlL") if token.kind == "number" and token.text[:1].isdecimal() else token.text
    return out
