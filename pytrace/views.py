"""What lies between the stages, for those who ask: `-d STAGE`, `--emit-elf`, `--emit-llvm` (spec 06 §1).

Place in the pipeline: beside the driver, which shows each stage's result as it comes.  In: trees, the typed script, the
Program.  Out: text on stdout, files.  What a newcomer would get wrong: code generation is run again for each of its
views, since one run keeps nothing that it does not need.
"""

from __future__ import annotations

import sys

from pytrace.diagnostics import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.options import Options
    from pytrace.program import Program

_HEADINGS = {
    "parse": "Source after parsing", "ast": "AST", "types": "Types", "codegen": "LLVM IR before optimization",
    "codegen-opt": "LLVM IR after optimization", "dis": "Disassembled bytecode", "program": "Program",
}  # fmt: skip


class Views:
    """The views that `options` ask for."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def parsed(self, tree: Any) -> None:
        """The source made from the tree again, and the tree."""
        from pytrace.grammar import dump

        if self._wants("parse"):
            self._show("parse", dump.dump(tree))
        if self._wants("ast"):
            self._show("ast", dump.tree(tree))

    def typed(self, typed: Any) -> None:
        if self._wants("types"):
            from pytrace.sema.dump import dump

            self._show("types", dump(typed))

    def generated(self, typed: Any, program: Program, settings: dict[str, Any]) -> None:
        """`settings`: those of `codegen.pipeline.generate`.  Raises UsageError for a file that cannot be written."""
        from pytrace.codegen import pipeline

        for stage, view in (
            ("codegen", pipeline.ir_text), ("codegen-opt", pipeline.optimised_ir_text), ("dis", pipeline.disassembly),
        ):  # fmt: skip
            if self._wants(stage):
                self._show(stage, view(typed, **settings))
        if self._options.emit_elf:
            _write(self._options.emit_elf, pipeline.object_bytes(typed, **settings))
        if self._options.emit_llvm:
            before, after = pipeline.ir_text(typed, **settings), pipeline.optimised_ir_text(typed, **settings)
            _write(self._options.emit_llvm + ".original.ll", before.encode("latin-1"))
            _write(self._options.emit_llvm + ".optimized.ll", after.encode("latin-1"))
        if self._wants("program"):
            from pprint import pformat

            self._show("program", pformat(program.to_plain(), width=120))

    def _wants(self, stage: str) -> bool:
        return stage in self._options.debug

    def _show(self, stage: str, text: str) -> None:
        heading = _HEADINGS[stage]
        sys.stdout.write(f"{heading}\n{'-' * len(heading)}\n\n{text}\n")


def _write(path: str, content: bytes) -> None:
    try:
        with open(path, "wb") as f:
            f.write(content)
    except OSError as error:
        raise UsageError(f"failed to open file '{path}': {error.strerror}") from None
