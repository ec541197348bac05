"""Unstable and deprecated features: what the settings say about their use (spec 06 §5, 07 §5).

Place in the pipeline: on the script as it was written, before macros are expanded.  In: the tree and the settings.
Out: diagnostics.  What a newcomer would get wrong: the warning has no location and comes once a feature; the error has
one.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.sema.walk import descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry

_WHILE_HINT = (
    "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used in place of while. These are "
    "more easily proven to be bounded by the verifier."
)
_NO_IMPORT = (
    "Import statements that are not at the top level are primarily for the standard library. If this is functionality "
    "you need, please file an issue to explain why."
)
_REMOVED_PREFIX = "sarg"


def check(script: ast.Script, registry: Registry, config: Mapping[str, Any], diagnostics: Diagnostics) -> None:
    """Report unstable features, then deprecated ones."""
    _Check(registry, config, diagnostics).run(script)
    diagnostics.raise_errors()
    for node in descendants(script):
        if isinstance(node, ast.While):
            text = "While loops are deprecated and may be removed in the future."
            diagnostics.warning(text, node.span, hints=(_WHILE_HINT,))
        elif isinstance(node, ast.Identifier) and _is_removed(node.name):
            diagnostics.error(
                "sarg* is deleted. This was deprecated in v0.21 and was last available in v0.24.",
                node.span,
                hints=('Use *(reg("sp") + <stack_offset>) instead.',),
            )


def _is_removed(name: str) -> bool:
    """`sarg0` … `sarg9`: arguments on the stack."""
    return name.startswith(_REMOVED_PREFIX) and name[len(_REMOVED_PREFIX) :].isdecimal()


class _Check:
    def __init__(self, registry: Registry, config: Mapping[str, Any], diagnostics: Diagnostics) -> None:
        self.registry = registry
        self.config = config
        self.diagnostics = diagnostics
        self.warned: set[str] = set()

    def run(self, script: ast.Script) -> None:
        for node in descendants(script):
            match node:
                case ast.Call() | ast.Identifier():
                    rows = self.registry
                    row = rows.function(node.name) or rows.aggregates.get(node.name) or rows.variable(node.name)
                    if row is not None and row.unstable:
                        self._feature(node, row.unstable, _setting_of(row.unstable))
                case ast.TypeInfo():
                    self._feature(node, "typeinfo", "unstable_typeinfo")
                case ast.ImportStmt():
                    if self.config["unstable_import_statement"] == "error":
                        self.diagnostics.error(_NO_IMPORT, node.span)
                    else:
                        self._feature(node, "import statements", "unstable_import_statement")

    def _feature(self, node: ast.Node, feature: str, setting: str) -> None:
        state = self.config.get(setting, "warn")
        if state == "error":
            self.diagnostics.error(
                f"{feature} feature is not enabled by default. To enable this unstable feature, set the config flag to "
                f"enable. {setting}=enable",
                node.span,
            )
        elif state == "warn" and setting not in self.warned:
            self.warned.add(setting)
            self.diagnostics.warning(
                f"Script is using an unstable feature: {feature}. To prevent this warning you must explicitly enable "
                f"it in the config e.g. {setting}=enable"
            )


def _setting_of(feature: str) -> str:
    """`tseries` → unstable_tseries; a longer name of a feature begins with its word."""
    return f"unstable_{feature.split()[0].strip('()')}"
