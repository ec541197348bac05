"""Macro expansion (spec 01 §6).

Place in the pipeline: after flow, before attach points are expanded.  In: a script with macros.  Out: one without.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.registry import Registry


def expand(script: ast.Script, registry: Registry, diagnostics: Diagnostics) -> ast.Script:
    return script
