"""Debug metadata: what makes LLVM write .BTF and .BTF.ext, so that the verifier can name the script's lines.

Place in the pipeline: used by the module builder and the Emitter.  In: spans.  Out: DISubprogram and DILocation
metadata.  What a newcomer would get wrong: without a DISubprogram on a callback the kernel refuses the program
("missing btf func_info"), line numbers or not.
"""

from __future__ import annotations

from llvmlite import ir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.source import Source, Span


LAST_COLUMN = 65535
"""LLVM keeps columns in 16 bits."""


class DebugInfo:
    """The metadata of one module."""

    def __init__(self, module: ir.Module) -> None:
        self._module = module
        self.sources: dict[str, Source] = {}
        self.ends: dict[tuple[str, int, int], int] = {}
        """(file, line, column) of an expression -> the column behind it, for those on one line."""
        self._files: dict[str, Any] = {}
        self._unit: Any = None
        self._locations: dict[tuple[int, int, int], Any] = {}
        self._scope_source: dict[int, str] = {}
        self._blocks: dict[tuple[int, str], Any] = {}

    def _file(self, source: Source) -> Any:
        # An embedded text of one empty line keeps LLVM from looking for a file of that name on the disk; the
        # lines themselves are put into the Program by codegen.assemble.
        if source.name not in self._files:
            self.sources[source.name] = source
            self._files[source.name] = self._module.add_debug_info(
                "DIFile", {"filename": source.name, "directory": "", "source": "\n"}
            )
        return self._files[source.name]

    def _compile_unit(self, file: Any) -> Any:
        if self._unit is None:
            self._unit = self._module.add_debug_info(
                "DICompileUnit",
                {
                    "language": ir.DIToken("DW_LANG_C"),
                    "file": file,
                    "producer": "pytrace",
                    "isOptimized": True,
                    "runtimeVersion": 0,
                    "emissionKind": ir.DIToken("FullDebug"),
                },
                is_distinct=True,
            )
            self._module.add_named_metadata("llvm.dbg.cu", self._unit)
            i32 = ir.IntType(32)
            flags = self._module.add_metadata([i32(2), "Debug Info Version", i32(3)])
            self._module.add_named_metadata("llvm.module.flags", flags)
        return self._unit

    def describe(self, function: ir.Function, span: Span, local: bool) -> Any:
        """Give `function` a DISubprogram; returns it, the scope of its locations."""
        file = self._file(span.source)
        unit = self._compile_unit(file)
        kind = "DISPFlagLocalToUnit | DISPFlagDefinition" if local else "DISPFlagDefinition"
        scope = self._module.add_debug_info(
            "DISubprogram",
            {
                "name": function.name,
                "file": file,
                "scope": file,
                "line": span.line,
                "type": self._module.add_debug_info("DISubroutineType", {"types": self._module.add_metadata([None])}),
                "unit": unit,
                "spFlags": ir.DIToken(kind + " | DISPFlagOptimized"),
            },
            is_distinct=True,
        )
        function.set_metadata("dbg", scope)
        self._scope_source[id(scope)] = span.source.name
        return scope

    def _scope_in(self, scope: Any, source: Source) -> Any:
        """`scope`, or a block of it that lies in an imported file."""
        if self._scope_source.get(id(scope)) == source.name:
            return scope
        key = (id(scope), source.name)
        if key not in self._blocks:
            self._blocks[key] = self._module.add_debug_info(
                "DILexicalBlockFile", {"scope": scope, "file": self._file(source), "discriminator": 0}
            )
        return self._blocks[key]

    def location(self, scope: Any, span: Span) -> Any:
        """The DILocation of the start of `span`; code from a macro is placed where the macro's text stands."""
        line, column = span.source.line_col(span.start)
        last_line, end = span.source.line_col(max(span.start, span.end))
        if line == last_line:
            self.ends[span.source.name, line, column] = end
        scope = self._scope_in(scope, span.source)
        key = (id(scope), line, column)
        if key not in self._locations:
            self._locations[key] = self._module.add_debug_info(
                "DILocation", {"line": line, "column": min(column, LAST_COLUMN), "scope": scope}
            )
        return self._locations[key]
