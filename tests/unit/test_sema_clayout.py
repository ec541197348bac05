"""C definitions: layouts equal the C compiler's, and the preprocessor does what headers need."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytrace.sema.cparser import CParser
from pytrace.sema.cpreprocess import CError, Preprocessor
from pytrace.types import Struct, StructLayout
from tests.harness import machine

DEFINITIONS = """
#define N 3
#define PACKED __attribute__((packed))
#define FIELD(t, n) t n
enum E { E0, E1 = 70000, E2 };
struct inner { char c; long l; };
struct plain { char a; short b; char c; int d; char e; long f; char g; };
struct PACKED packed { char a; int b; struct inner i; };
struct after { char a; int b; } __attribute__((packed, aligned(4)));
struct aligned { char a; int b __attribute__((aligned(32))); char c; };
struct bits { int a : 3; unsigned b : 5; int c : 25; char d; long e : 40; char f : 4; int : 0; short g : 9; };
struct packedbits { int a : 3; int b : 31; char c; } __attribute__((packed));
union u { int a; char b[7]; long c[N]; };
struct anonymous { int a; union { int x; struct { char p, q; }; }; struct { int z; } named; enum E e; };
struct arrays { char name[5]; int m[2][N]; struct inner *ptrs[2]; FIELD(unsigned char, bytes)[6]; int flex[]; };
struct functions { int (*f)(int, char *); void *(*table[2])(void); double d; _Bool yes; long double ld; };
typedef struct { int x, y; } point_t;
typedef unsigned long long big, *big_p;
struct uses { point_t p; big b; big_p q; const volatile unsigned char *s; struct undefined_yet *later; };
struct expressions { char a[sizeof(struct plain) * 2 - (1 << 3)]; char b[E1 > 5 ? 3 : 9]; char c['a' - 90]; };
"""
NAMES = (
    "inner plain packed after aligned bits packedbits anonymous arrays functions uses expressions".split()
)


def parse(text: str) -> CParser:
    preprocessor = Preprocessor(())
    preprocessor.predefine([])
    parser = CParser(list(preprocessor.run(text, "test.h")), lambda name, tag: None)
    parser.run()
    return parser


def members(layout: StructLayout, base: int = 0) -> list[tuple[str, int]]:
    """(path, offset) of every member that is no bit-field."""
    out = []
    for field in layout.fields:
        at = base + field.offset
        if field.name and not field.bitfield:
            out.append((field.name, at))
        if not field.name and isinstance(field.type, Struct):
            out += members(field.type.layout, at)
    return out


def test_layouts_equal_the_compilers(tmp_path: Path) -> None:
    machine.need("gcc")
    parser = parse(DEFINITIONS)
    lines, expected = [], []
    for tag, name in [("struct", n) for n in NAMES] + [("union", "u")]:
        layout = parser.layouts[tag, name]
        lines.append(f'printf("{name} %zu %zu\\n", sizeof({tag} {name}), _Alignof({tag} {name}));')
        expected.append(f"{name} {layout.size} {layout.align}")
        for member, offset in members(layout):
            lines.append(f'printf("{name}.{member} %zu\\n", __builtin_offsetof({tag} {name}, {member}));')
            expected.append(f"{name}.{member} {offset}")
    source = tmp_path / "layout.c"
    body = "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n"
    source.write_text("#include <stdio.h>\n" + DEFINITIONS + body)
    subprocess.run(["gcc", "-w", "-o", tmp_path / "layout", source], check=True)
    found = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert found == expected


def test_bit_fields_lie_where_the_compiler_puts_them(tmp_path: Path) -> None:
    machine.need("gcc")
    parser = parse(DEFINITIONS)
    body, expected = [], []
    for name in ("bits", "packedbits"):
        for field in parser.layouts["struct", name].fields:
            if field.bitfield is None:
                continue
            ones = ((1 << field.bitfield.bits) - 1) << (field.bitfield.shift + 8 * field.offset)
            size = parser.layouts["struct", name].size
            body.append(
                f"{{ struct {name} s; memset(&s, 0, sizeof s); s.{field.name} = -1; unsigned char *p = (void *)&s; "
                f'for (int i = sizeof s - 1; i >= 0; i--) printf("%02x", p[i]); printf("\\n"); }}'
            )
            expected.append(f"{ones:0{size * 2}x}")
    source = tmp_path / "bits.c"
    source.write_text(
        "#include <stdio.h>\n#include <string.h>\n" + DEFINITIONS + "int main(void) {\n" + "\n".join(body) + "}\n"
    )
    subprocess.run(["gcc", "-w", "-o", tmp_path / "bits", source], check=True)
    found = subprocess.run([tmp_path / "bits"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert found == expected


def test_enumerators_and_conditions() -> None:
    parser = parse(
        "#if defined(A) || N > 2\nenum { WRONG };\n#elif __LP64__ && !defined A\nenum { RIGHT = 1 << 4, NEXT };\n"
        "#else\nenum { OTHER };\n#endif\n#ifndef A\n#define A(x, ...) x ## 1\nenum { A(AB, 5) = -3 };\n#endif\n"
    )
    assert {name: value for name, (_, value) in parser.enumerators.items()} == {"RIGHT": 16, "NEXT": 17, "AB1": -3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('#include "nope.h"\n', "test.h:1:10: fatal error: 'nope.h' file not found"),
        ("struct a { unknown x; };\n", "test.h:1:12: error: unknown type name 'unknown'"),
        ("\n#error no\n", "test.h:2:2: error: error no"),
        ("struct a { int x\n", "test.h:1:16: error: expected"),
        ("struct a { struct b c; };\n", "error: field has incomplete type 'struct b'"),
        ("enum { A = 1 / 0 };\n", "division by zero"),
    ],
)
def test_errors_have_a_place(text: str, message: str) -> None:
    with pytest.raises(CError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.exit_status == 2
