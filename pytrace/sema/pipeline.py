"""The passes over the tree, in their order.

Place in the pipeline: between grammar and codegen.  In: `ast.Script`.  Out: `typed.TypedScript`, or ScriptError with
all that was found in the first pass that found something.  What a newcomer would get wrong: the order decides which
messages a user sees together, and is the reference's.
"""

from __future__ import annotations

from pytrace.diagnostics import ScriptError
from pytrace.grammar import ast
from pytrace.grammar.depth import room
from pytrace.sema import attach, config, flow, instances, macros, typed, unstable
from pytrace.sema.availability import check_arguments
from pytrace.sema.callcheck import CallCheck
from pytrace.sema.cdefs import CDefinitions
from pytrace.sema.externs import Externs
from pytrace.sema.fold import FoldContext, Folder, by_place, separate_probes
from pytrace.sema.imports import with_imports
from pytrace.sema.infer import Inference, declare_maps, declare_subprograms
from pytrace.sema.mapuse import MapUse
from pytrace.sema.params import named_parameters
from pytrace.sema.subprograms import check_definitions, report_recursion
from pytrace.sema.typenames import TypeScope
from pytrace.sema.unit import Split
from pytrace.sema.variables import VariableCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry
    from pytrace.sema.externs import ObjectImport
    from pytrace.sema.unit import Options, Unit
    from pytrace.target import Target


def analyse(
    script: ast.Script,
    *,
    registry: Registry,
    target: Target,
    options: Options,
    diagnostics: Diagnostics,
    settings: Mapping[str, Any] | None = None,
) -> typed.TypedScript:
    """Give every node its meaning.  `settings`: as `config.settings` made them, if the caller has done so already."""
    try:
        with room():
            return Analysis(registry, target, options, diagnostics).run(script, settings)
    except RecursionError:
        diagnostics.error("The script is nested too deeply", script.span)
        raise ScriptError(diagnostics) from None


class Analysis:
    """One script on its way through the passes."""

    def __init__(self, registry: Registry, target: Target, options: Options, diagnostics: Diagnostics) -> None:
        self.registry = registry
        self.target = target
        self.options = options
        self.diagnostics = diagnostics
        self.config: Mapping[str, Any] = {}
        self.imported: list[ObjectImport] = []
        self.externs = Externs()
        self.scope = TypeScope(target)
        self.named: Mapping[str, int | str | bool] = {}

    def run(self, script: ast.Script, settings: Mapping[str, Any] | None) -> typed.TypedScript:
        """All passes, read from top to bottom."""
        self.config = settings if settings is not None else config.settings(script, self.options, self.diagnostics)
        self._stop_on_errors()
        script = with_imports(script, self.options, self.diagnostics, self.target, self.imported)
        self._stop_on_errors()
        unstable.check(script, self.registry, self.config, self.diagnostics)
        self._stop_on_errors()
        script = with_imports(script, self.options, self.diagnostics, self.target, self.imported, statements=True)
        self._stop_on_errors()
        if self.imported:
            self.externs.read(self.imported, self.options, self.target, self.diagnostics)
            self._stop_on_errors()
        script = flow.check(script, self.registry, self.diagnostics)
        self._stop_on_errors()
        script = macros.expand(script, self.registry, self.diagnostics)
        self._stop_on_errors()
        units = self._units(script)
        self._stop_on_errors()
        definitions = CDefinitions.of(script, self.options, self.target, self.diagnostics)
        self.scope = TypeScope(self.target, definitions, self.externs)
        self._stop_on_errors()
        units = self._folded(units)
        self._stop_on_errors()
        check_definitions(script, self.diagnostics)
        self._stop_on_errors()
        self.named = named_parameters(units, self.registry, self.options, self.diagnostics)
        return self._inferred(script, units)

    def _stop_on_errors(self) -> None:
        self.diagnostics.raise_errors()

    # ---------------------------------------------------------------- units

    def _units(self, script: ast.Script) -> list[Unit]:
        found = [item for item in script.items if isinstance(item, ast.Probe)]
        attach_options = attach.AttachOptions(
            target=self.target,
            config=self.config,
            positional=self.options.positional,
            pid=self.options.pid,
            has_child=self.options.has_child,
            unsafe=self.options.unsafe,
            probe_filter=self.options.probe_filter or "",
        )
        separate = separate_probes(self.registry, self._fold_context(None))
        expanded = attach.expand_probes(
            found,
            self.registry,
            attach_options,
            self.diagnostics,
            wants_separate=separate,
            wants_places=by_place(self.registry),
        )
        attach.check_probe_limit((p for e in expanded for p in e.attach_points), self.config, self.diagnostics)
        units = instances.subprograms(script)
        return units + instances.probes(expanded, len(units))

    def _fold_context(self, unit: Unit | None) -> FoldContext:
        return FoldContext(
            self.registry,
            self.target,
            self.config,
            self.options,
            self.diagnostics,
            self.scope,
            unit.provider if unit else None,
            unit.attach_point if unit else None,
        )

    def _folded(self, units: list[Unit]) -> list[Unit]:
        """Fold every unit; split those whose folding depends on the attach point."""
        done: list[Unit] = []
        queue = list(units)
        while queue:
            unit = queue.pop(0)
            if self._fold(unit) and not unit.separate:
                unit.separate = True
                if len(unit.attach_points) > 1:
                    queue = instances.split([unit], unit) + queue
                    continue
            done.append(unit)
        for n, unit in enumerate(done):
            unit.index = n
        return done

    def _fold(self, unit: Unit) -> bool:
        """Replace the unit's trees by folded ones; True if that depended on the attach point."""
        context = self._fold_context(unit)
        folder = Folder(context)
        if unit.predicate is not None:
            unit.predicate = folder.fold(unit.predicate)
        unit.body = folder.body(unit.body)
        return context.separate

    # ---------------------------------------------------------------- types

    def _checked(self, units: list[Unit]) -> MapUse:
        """The checks that need no types."""
        use = MapUse(self.registry, self.diagnostics)
        use.units(units)
        self._stop_on_errors()
        for unit in units:
            VariableCheck(self.registry, self.diagnostics).unit(unit)
        for unit in units:
            limit = int(self.config["max_strlen"])
            CallCheck(self.registry, self.diagnostics, limit, self.options.unsafe, unit).run()
        self._stop_on_errors()
        return use

    def _inferred(self, script: ast.Script, units: list[Unit]) -> typed.TypedScript:
        use = self._checked(units)
        answered: set[int] = set()
        while True:
            inference = self._inference(script, use)
            try:
                inference.solve(units)
            except Split as request:
                units = self._folded(instances.split(units, request.unit))
                use = self._checked(units)
                continue
            if not inference.answers and not inference.comptime_left:
                break
            if not self._answered(inference, units, answered):
                break
            use = self._checked(units)
        found = inference.finish(units)
        check_arguments(found, self.diagnostics)
        inference.report_unused()
        inference.report.flush(self.diagnostics)
        report_recursion(inference.subprograms.values(), self.diagnostics)
        maps = tuple(m for m in inference.maps.values())
        subprograms = tuple(inference.subprograms.values())
        objects = tuple(self.externs.objects)
        return typed.TypedScript(found, maps, subprograms, dict(self.config), self.registry, objects)

    def _inference(self, script: ast.Script, use: MapUse) -> Inference:
        inference = Inference(
            registry=self.registry,
            target=self.target,
            config=self.config,
            options=self.options,
            scope=self.scope,
            diagnostics=self.diagnostics,
            scalar=use.scalar,
            externs=self.externs,
        )
        inference.bad_access = use.bad
        inference.named = self.named
        declare_maps(inference, script)
        declare_subprograms(inference, script)
        return inference

    def _answered(self, inference: Inference, units: list[Unit], answered: set[int]) -> bool:
        """Put the answers of inference into the trees and fold again; False when nothing came of it."""
        if inference.report.has_errors:
            return False
        moved = False
        for unit in units:
            answers = {node: value for (index, node), value in inference.answers.items() if index == unit.index}
            folder = Folder(self._fold_context(unit), answers)
            body = folder.body(unit.body)
            predicate = folder.fold(unit.predicate) if unit.predicate is not None else None
            moved = moved or body is not unit.body or predicate is not unit.predicate
            unit.body, unit.predicate = body, predicate
        self._stop_on_errors()
        if not moved:
            inference.report_comptime()
        return moved
