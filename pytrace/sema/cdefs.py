"""C definitions of a script (spec 01 §4): the seam behind which the C front end works.

Place in the pipeline: before folding.  In: the script's C definitions, -I and --include.  Out: a `CDefinitions` that
`TypeScope` asks before BTF, or None.  What a newcomer would get wrong: a type of the script replaces the kernel's of
the same name, also inside the kernel's own structs that are looked up afterwards by name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.sema.unit import Options
    from pytrace.target import Target
    from pytrace.types import Enum, Type


class CDefinitions:
    """Types, enumerators and defines by name."""

    def __init__(
        self,
        types: Mapping[tuple[str, str], Type],
        enumerators: Mapping[str, tuple[Enum, int]],
        defines: Mapping[str, str],
    ) -> None:
        self._types = types
        self._enumerators = enumerators
        self._defines = defines

    @staticmethod
    def of(
        script: ast.Script, options: Options, target: Target, diagnostics: Diagnostics
    ) -> CDefinitions | None:
        """What the script defines; None if it has no C definitions."""
        if not script.c_definitions and not options.include_files:
            return None
        from pytrace.sema.cfront import read_definitions

        return read_definitions(script, options, target, diagnostics)

    def type_named(self, name: str, tag: str = "") -> Type | None:
        return self._types.get((tag, name))

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return self._enumerators.get(name)

    def define(self, name: str) -> str | None:
        """The text of an object-like `#define`."""
        return self._defines.get(name)
