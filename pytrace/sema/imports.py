"""Imports: scripts and headers merged into the script that names them, BPF objects noted (spec 01 §5).

Place in the pipeline: before everything that looks at items.  In: a script with imports.  Out: one without, and the
objects that `externs` reads.  What a newcomer would get wrong: paths are relative to the importing file, and a file is
read once however often it is named.
"""

from __future__ import annotations

import os
import stat

from pytrace.grammar import ast
from pytrace.record import replace
from pytrace.sema.externs import ObjectImport
from pytrace.sema.walk import descendants
from pytrace.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.sema.unit import Options
    from pytrace.target import Target

SCRIPTS = (".bt", ".pt")
HEADERS = (".h",)
OBJECTS = (".bpf.c", ".bpf.o")


STDLIB = {
    "stdlib/test": "test.pt",
    "stdlib/test/test.bpf.c": "test.pt",
    **dict.fromkeys(
        ("stdlib", "stdlib/base.bpf.c", "stdlib/map", "stdlib/map/map.bpf.c", "stdlib/process",
         "stdlib/process/process.bpf.c", "stdlib/stack", "stdlib/stack/dwunwind.bpf.c", "stdlib/strings",
         "stdlib/strings/strings.bpf.c", "stdlib/system", "stdlib/system/system.bpf.c", "stdlib/task",
         "stdlib/task/task.bpf.c", "stdlib/task/vma.bpf.c", "stdlib/usdt", "stdlib/usdt/usdt.bpf.c"), "",
    ),
}  # fmt: skip
"""Packages of the reference's standard library that can be named: the script of ours that has what a script can call
from it; "" where that is all built in here."""


def with_imports(
    script: ast.Script,
    options: Options,
    diagnostics: Diagnostics,
    target: Target,
    objects: list[ObjectImport],
    *,
    statements: bool = False,
) -> ast.Script:
    """`script` with everything that it imports at its root (or: in statements) in front of its own items.

    What is imported in compiled form, or as C to be compiled, goes to `objects`.
    """
    named: list[tuple[str, ast.Node]]
    if statements:
        named = [(n.path, n) for item in script.items for n in descendants(item) if isinstance(n, ast.ImportStmt)]
    else:
        named = [(entry.path, entry) for entry in script.imports]
    return _Importer(diagnostics, target, objects).merged(script, named, options.directory) if named else script


class _Importer:
    def __init__(self, diagnostics: Diagnostics, target: Target, objects: list[ObjectImport]) -> None:
        self.diagnostics = diagnostics
        self.target = target
        self.objects = objects
        self.seen: set[str] = set()

    def merged(self, script: ast.Script, named: list[tuple[str, ast.Node]], directory: str) -> ast.Script:
        definitions: list[ast.CDefinition] = []
        items: list[ast.RootItem] = []
        for path, node in named:
            found = self._find(path, directory, node)
            for file in self._files(found, node) if found else ():
                self._take(file, node, definitions, items)
        return replace(
            script,
            c_definitions=(*definitions, *script.c_definitions),
            imports=(),
            items=(*items, *script.items),
        )

    def _find(self, path: str, directory: str, node: ast.Node) -> str:
        candidate = os.path.join(directory, path)
        self.target.note_file(candidate)
        if os.path.exists(candidate):
            return candidate
        own = STDLIB.get(path)
        if own is not None:
            package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
            return os.path.join(package, "stdlib", own) if own else ""
        hint = f"checked: {path if directory == '.' else candidate}"
        self.diagnostics.error("Unable to find suitable path for import", node.span, hints=(hint,))
        return ""

    def _files(self, path: str, node: ast.Node) -> list[str]:
        """The file, or the supported ones in a directory."""
        if not self._trusted(path, node):
            return []
        if not os.path.isdir(path):
            return [path]
        names = sorted(os.listdir(path))
        return [os.path.join(path, n) for n in names if n.endswith(SCRIPTS + HEADERS + OBJECTS)]

    def _trusted(self, path: str, node: ast.Node) -> bool:
        mode = os.stat(path).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            self.diagnostics.error(f"cowardly refusing to import world-writable path: {path}", node.span)
            return False
        return True

    def _take(
        self, file: str, node: ast.Node, definitions: list[ast.CDefinition], items: list[ast.RootItem]
    ) -> None:
        real = os.path.realpath(file)
        if real in self.seen or not self._trusted(file, node):
            return
        self.seen.add(real)
        if file.endswith(HEADERS):
            definitions.append(ast.CDefinition(f'#include "{real}"', span=node.span))
            return
        if not file.endswith(SCRIPTS):
            if file.endswith(OBJECTS):
                self.objects.append(ObjectImport(os.path.normpath(file), node))
            else:
                self.diagnostics.error(f"unknown import type: {file}", node.span)
            return
        inner = self._parse(file)
        if inner.config is not None:
            self.diagnostics.error("invalid `config` within import", inner.config.span)
        inner = self.merged(inner, [(entry.path, entry) for entry in inner.imports], os.path.dirname(file))
        definitions += inner.c_definitions
        items += inner.items

    def _parse(self, file: str) -> ast.Script:
        from pytrace.grammar.parser import parse

        self.target.note_file(file)
        with open(file, "rb") as handle:
            return parse(Source(file, handle.read()), self.diagnostics)
