"""`--fmt`: the canonical form, its comments, and that it never changes what a script means."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.grammar.dump import dump
from pytrace.grammar.format import format_source
from pytrace.grammar.parser import parse
from pytrace.sema.walk import map_children
from pytrace.source import Source
from tests.unit.test_grammar_roundtrip import scripts


def formatted(text: str) -> str:
    return format_source(Source("stdin", text))


def operands(node: ast.Node, operator: str) -> list[ast.Node]:
    if isinstance(node, ast.Binary) and node.op == operator:
        return operands(node.left, operator) + operands(node.right, operator)
    return [node]


def regrouped(node: ast.Node) -> ast.Node:
    """With chains of && and || grouped from the left: their grouping has no meaning, and is not kept."""
    node = map_children(node, regrouped)
    if not isinstance(node, ast.Binary) or node.op not in ("&&", "||"):
        return node
    first, *others = operands(node, node.op)
    for other in others:
        first = ast.Binary(node.op, first, other, span=node.span)  # type: ignore[arg-type]
    return first


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts())
def test_formatting_keeps_the_tree(script: ast.Script) -> None:
    text = formatted(dump(script))
    again = parse(Source("formatted", text), Diagnostics())
    assert regrouped(again) == regrouped(script), text
    assert formatted(text) == text


def test_canonical_form() -> None:
    text = """#!/usr/bin/env pytrace
/* what it does
 * and how */
#include <a.h>
config={max_strlen=64;license="Dual BSD/GPL"}
kprobe:f,kprobe:g /pid==3&&(comm=="x")/ { @a[1,2]=count();@b++; // counted

  // spaced
  if(@b>2){exit()}else{$x=1+2*3} for($i:0..3){print($i);} return $x+0x1f }
macro m(a) { a }
"""
    assert (
        formatted(text)
        == """#!/usr/bin/env pytrace
// what it does
// and how
#include <a.h>
config = {
  max_strlen = 64;
  license = "Dual BSD/GPL";
}
kprobe:f,
kprobe:g
/pid == 3 && comm == "x"/
{
  @a[1, 2] = count();
  @b++;
  // counted

  // spaced
  if (@b > 2) { exit() } else { $x = 1 + (2 * 3); }
  for $i : 0..3 {
    print($i);
  }
  return ($x + 0x1f);
}
macro m(a)
{
  a
}
"""
    )


def test_no_comment_is_lost() -> None:
    text = """// 1
begin // 2
{ // 3
  print(1, /* 4 */ 2); /* 5 */ /* 6
     7 */
  if (/* 8 */ 1) /* 9 */ { /* 10 */ } // 11
  $x = { 1 /* 12 */ }; // 13
} // 14
// 15"""
    shown = formatted(text)
    for number in range(1, 16):
        assert f" {number}\n" in shown or f" {number} " in shown, shown


def test_long_lines_are_broken() -> None:
    text = (
        'begin { printf("%-10s %-10s %-10s %-10s %-10s\\n", first_word, second_word, third_word, fourth_word, fifth) }'
    )
    assert formatted(text).splitlines()[2:4] == [
        '  printf("%-10s %-10s %-10s %-10s %-10s\\n",',
        "         first_word, second_word, third_word, fourth_word, fifth);",
    ]
