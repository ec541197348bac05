"""Code generation from hand-made typed nodes: what the instructions contain, without loading them."""

from __future__ import annotations

from struct import unpack_from

import pytest

from pytrace import codegen, types
from pytrace.codegen.bpf_helpers import HELPERS
from pytrace.codegen.module import location_of
from pytrace.diagnostics import InternalError
from pytrace.program import Program
from pytrace.sema import typed
from pytrace.source import Source, Span
from tests.unit.typed_nodes import (
    COUNT,
    SECOND_LINE,
    SPAN,
    assign,
    binary,
    convert,
    count,
    instance,
    integer,
    let,
    map_read,
    map_symbol,
    read,
    script,
    scripts,
    string,
    variable,
)  # fmt: skip


def calls(program: Program, number: int = 0) -> list[int]:
    """The helpers that a program calls, in order, its functions included."""
    code, found, index = program.programs[number].insns, [], 0
    while index < len(code) // 8:
        opcode, registers, _, value = unpack_from("<BBhi", code, 8 * index)
        if opcode == 0x85 and registers >> 4 == 0:
            found.append(value)
        index += 2 if opcode == 0x18 else 1
    return found


def helper_calls(program: Program, name: str) -> int:
    return calls(program).count(HELPERS[name])


def test_the_same_script_gives_the_same_bytes() -> None:
    def compiled() -> tuple[object, ...]:
        keyed = map_symbol("m", types.String(16), COUNT)
        return codegen.generate(script(count(keyed, convert(string("a"), types.String(16))), maps=(keyed,))).to_plain()

    assert compiled() == compiled()


def test_a_program_survives_storage() -> None:
    x = map_symbol("x")
    program = codegen.generate(script(assign(x, integer(5)), maps=(x,)))
    assert Program.from_plain(program.to_plain()) == program


def test_no_instances_need_no_llvm() -> None:
    program = codegen.generate(scripts(()))
    assert program.programs == () and program.btf == b""


def test_scalar_maps_need_no_helper() -> None:
    x, s = map_symbol("x"), map_symbol("s", None, types.String(6))
    program = codegen.generate(script(assign(x, integer(5)), assign(s, string("hello")), maps=(x, s)))
    assert calls(program) == []
    assert {(r.kind, r.name) for r in program.programs[0].relocations} == {("data", "@x"), ("data", "@s")}


def test_compound_assignment_looks_up_once() -> None:
    m = map_symbol("m", types.INT64)
    update = typed.UpdateMap(
        m, integer(1), binary("+", typed.Current(type=types.INT64, span=SPAN), integer(2)), span=SPAN
    )
    program = codegen.generate(script(update, maps=(m,)))
    assert helper_calls(program, "map_lookup_elem") == 2  # the other one counts lost events
    assert helper_calls(program, "map_update_elem") == 1


def test_a_refused_update_is_reported_with_its_place() -> None:
    m = map_symbol("m", types.INT64)
    program = codegen.generate(script(assign(m, integer(1), integer(2), SECOND_LINE), maps=(m,)))
    (event,) = program.events
    assert event.row == "functions.runtime:helper-error" and event.data == ("map_update_elem",)
    assert event.location is not None and event.location.text == "stdin:2:9-15"


@pytest.mark.parametrize("op", ["/", "%"])
def test_division_by_a_variable_is_checked_and_by_a_constant_is_not(op: str) -> None:
    x, v = map_symbol("x"), variable("$v")
    checked = codegen.generate(script(let(v, map_read(x)), assign(x, binary(op, integer(7), read(v))), maps=(x,)))
    assert [e.data for e in checked.events] == [("divide_by_zero",)]
    plain = codegen.generate(script(let(v, map_read(x)), assign(x, binary(op, read(v), integer(7))), maps=(x,)))
    assert plain.events == ()


def test_short_constants_are_immediates_and_long_ones_are_read_only_data() -> None:
    short, long = map_symbol("a", None, types.String(8)), map_symbol("b", None, types.String(101))
    program = codegen.generate(script(assign(short, convert(string("abc"), types.String(8))), maps=(short,)))
    assert "rodata" not in {m.name for m in program.maps}
    program = codegen.generate(script(assign(long, string("x" * 100)), maps=(long,)))
    (rodata,) = (m for m in program.maps if m.name == "rodata")
    assert rodata.initial == b"x" * 100 + b"\0" and rodata.flags & 0x80


def test_events_of_one_place_share_their_id() -> None:
    m = map_symbol("m", types.INT64)
    body = assign(m, integer(1), integer(2))
    twice = scripts((instance(body), instance(body, number=1)), (m,))
    assert len(codegen.generate(twice).events) == 1


def test_large_objects_lie_off_the_stack() -> None:
    v, x = variable("$v", types.String(200)), map_symbol("x", None, types.String(200))
    nodes = (let(v, convert(string("abc"), types.String(200))), assign(x, read(v)))
    maps = {m.name: m for m in codegen.generate(script(*nodes, maps=(x,))).maps}
    assert maps["scratch"].kind == "percpu_array" and maps["scratch"].value_size >= 200
    roomy = {m.name for m in codegen.generate(script(*nodes, maps=(x,), config={"on_stack_limit": 256})).maps}
    assert "scratch" not in roomy


def test_a_loop_is_a_static_function_behind_the_program() -> None:
    i, total, x = variable("$i", depth=1), variable("$n"), map_symbol("x")
    add = let(total, binary("+", read(total), read(i)))
    loop = typed.ForRange(i, integer(0), integer(4), typed.Block((add,)), (total,), span=SPAN)
    program = codegen.generate(script(let(total, integer(0)), loop, assign(x, read(total)), maps=(x,)))
    spec = program.programs[0]
    assert helper_calls(program, "loop") == 1
    assert [r.kind for r in spec.relocations].count("func") == 1
    assert len(spec.func_info) >= 2 and spec.func_info[0][0] == 0
    assert [at for at, _ in spec.func_info] == sorted(at for at, _ in spec.func_info)


def test_many_variables_do_not_exhaust_the_stack() -> None:
    symbols = [variable(f"$v{n}") for n in range(60)]
    i = variable("$i", depth=1)
    body = typed.Block(tuple(let(s, binary("+", read(s), read(i))) for s in symbols))
    loop = typed.ForRange(i, integer(0), integer(4), body, tuple(symbols), span=SPAN)
    text = codegen.disassemble(codegen.generate(script(*(let(s, integer(1)) for s in symbols), loop)).programs[0])
    assert all(int(part.split(")")[0]) <= 512 for part in text.split("(r10 -")[1:])


def test_return_in_a_loop_leaves_the_program() -> None:
    i = variable("$i", depth=1)
    body = typed.Block((typed.Return(None, span=SPAN),))
    loop = typed.ForRange(i, integer(0), integer(4), body, (), span=SPAN)
    x = map_symbol("x")
    text = codegen.optimised_ir_text(script(loop, assign(x, integer(1)), maps=(x,)))
    assert text.count("ret i64") >= 2


def test_a_dynamic_index_is_checked() -> None:
    v, x, i = variable("$v", types.String(8)), map_symbol("x", None, types.INT8), variable("$i", types.UINT64)
    index = typed.IndexRead(read(v), read(i), type=types.INT8, span=SPAN)
    start = convert(map_read(x), types.UINT64)
    program = codegen.generate(script(let(v, string("abcdefg")), let(i, start), assign(x, index), maps=(x,)))
    assert [e.data for e in program.events] == [("out_of_bounds",)]


def test_lines_of_the_script_are_in_the_program() -> None:
    x, y = map_symbol("x"), map_symbol("y")
    program = codegen.generate(script(assign(x, integer(1)), assign(y, integer(2), span=SECOND_LINE), maps=(x, y)))
    assert [(row.line, row.column, row.text) for row in program.programs[0].line_info][-1][:2] == (2, 9)
    assert program.programs[0].line_info[-1].text == "begin { @y = 2 }"


def test_a_node_without_lowering_is_a_bug_of_ours() -> None:
    with pytest.raises(InternalError):
        codegen.generate(script(typed.Eval(typed.MapRef(map_symbol("x"), type=types.NONE, span=SPAN), span=SPAN)))


def test_disassembly_shows_lines_helpers_and_maps() -> None:
    m = map_symbol("m", types.INT64)
    text = codegen.disassemble(codegen.generate(script(assign(m, integer(1), integer(2)), maps=(m,))).programs[0])
    assert "; 1:9: begin { @x = 1 }" in text and "call map_update_elem#2" in text and "map @m" in text


def test_warnings_of_minus_k_add_events() -> None:
    m, x = map_symbol("m", types.INT64), map_symbol("x")
    node = assign(x, map_read(m, integer(1)))
    assert codegen.generate(script(node, maps=(m, x))).events == ()
    noisy = codegen.generate(script(node, maps=(m, x)), verbose_warnings=True)
    assert [e.data for e in noisy.events] == [("map_lookup_elem",)]


def test_long_lines_are_not_kept_for_each_event() -> None:
    for length, kept in ((100, True), (5000, False)):
        where = location_of(Span(Source("x", "a" * length), 1, 3))
        assert (where.text, bool(where.excerpt)) == ("x:1:2-4", kept)
