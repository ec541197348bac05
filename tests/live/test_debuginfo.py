"""Parameters and types of a program, in every form in which compilers and packagers leave debug information.

A C++ program is built in many ways, and a C program whose functions are inlined; each must give the same values.
What a newcomer would get wrong: split files and separate files are found relative to where the program was built, so
each variant has a folder of its own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness import machine
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "uprobe", "g++"), pytest.mark.usefixtures("nothing_left_behind")]

SOURCE = Path(__file__).parent / "sources" / "shapes.cpp"
SCRIPT = """\
u:{p}:_ZN6shapes6Worker6methodEiPKc { printf("method %d %s %d\\n", args.x, str(args.text), args.this->member); }
u:{p}:_ZN6shapes8by_valueENS_5SmallEi { printf("value %d %d %d\\n", args.s.a, args.s.b, args.after); }
u:{p}:_ZN6shapes7by_pairENS_4PairEi { printf("pair %d %d %d\\n", args.p.x, args.p.y, args.after); }
u:{p}:_ZN6shapes9by_memoryENS_5LargeEi { printf("memory %d %d %d\\n", args.l.v[2], args.l.w, args.after); }
u:{p}:_ZN6shapes7by_copyENS_7DerivedEi { printf("copy %d %d %d\\n", args.d.own, args.d.base_field, args.after); }
u:{p}:_ZN6shapes10by_pointerEPNS_7DerivedEPKNS_9AnonymousEPNS_4BitsERNS_6EitherENS_5ColorENS_4WideE {
  $d = args.d; $n = args.n; $b = args.b;
  printf("derived %d %d %s %d %d\\n", $d->own, $d->base_field, str($d->name), $d->nested.a, $d->list[1].b);
  printf("enums %d %d %d %d %d\\n", $d->color, $d->wide, $d->flag, args.c, args.w);
  printf("anonymous %d %d %d %c %d\\n", $n->k, $n->ia, $n->sa[1], $n->named.q, $n->deep);
  printf("bits %d %d %lx %d\\n", $b->a, $b->b, $b->c, $b->d);
  printf("union %d\\n", args.e->i);
}
u:{p}:_ZNK6shapes3BoxIiE3getEi { printf("box %d %d\\n", args.this->value, args.plus); }
"""
VALUES = """\
method 2 text 8
value 5 6 7
pair 8 9 10
memory 3 12 13
copy 22 11 14
derived 22 11 name 33 66
enums 4 7 1 3 7
anonymous 1 131075 2 q 99
bits 5 3 123456789a 1
union 77
box 40 2
"""

_LINK = "objcopy --only-keep-debug prog {0} && strip prog && objcopy --add-gnu-debuglink={0} prog"
_BUILD_ID = """\
id=$(readelf -n prog | sed -n 's/.*Build ID: //p'); at=tree/.build-id/$(echo $id | cut -c1-2); mkdir -p $at
objcopy --only-keep-debug prog $at/$(echo $id | cut -c3-).debug && strip prog"""
_SHARED = "cp prog other && dwz {} -m common.debug prog other"
VARIANTS = {
    "DWARF 5": "g++ -gdwarf-5 shapes.cpp -o prog",
    "DWARF 4": "g++ -gdwarf-4 shapes.cpp -o prog",
    "fixed addresses": "g++ -g -no-pie shapes.cpp -o prog",
    "optimised": "g++ -g -O2 shapes.cpp -o prog",
    "type units, DWARF 5": "g++ -gdwarf-5 -fdebug-types-section shapes.cpp -o prog",
    "type units, DWARF 4": "g++ -gdwarf-4 -fdebug-types-section shapes.cpp -o prog",
    "split, DWARF 5": "g++ -gdwarf-5 -gsplit-dwarf shapes.cpp -o prog",
    "split, DWARF 4": "g++ -gdwarf-4 -gsplit-dwarf shapes.cpp -o prog",
    "split, with type units": "g++ -gdwarf-5 -gsplit-dwarf -fdebug-types-section shapes.cpp -o prog",
    "split, DWARF 4, with type units": "g++ -gdwarf-4 -gsplit-dwarf -fdebug-types-section shapes.cpp -o prog",
    "split, in a package": "g++ -gdwarf-4 -gsplit-dwarf shapes.cpp -o prog && dwp -e prog -o prog.dwp && rm *.dwo",
    "compressed": "g++ -g -gz=zlib shapes.cpp -o prog",
    "compressed by zstd": "g++ -g shapes.cpp -o prog && objcopy --compress-debug-sections=zstd prog",
    "compressed in the older way": "g++ -g shapes.cpp -o prog && objcopy --compress-debug-sections=zlib-gnu prog",
    "in a linked file": f"g++ -g shapes.cpp -o prog && {_LINK.format('prog.debug')}",
    "in a linked file of .debug": f"g++ -g shapes.cpp -o prog && mkdir .debug && {_LINK.format('.debug/prog.debug')}",
    "by build id": f"g++ -g -Wl,--build-id shapes.cpp -o prog && {_BUILD_ID}",
    "shared with others": f"g++ -gdwarf-4 -Wl,--build-id shapes.cpp -o prog && {_SHARED.format('')}",
    "shared with others, DWARF 5": f"g++ -gdwarf-5 shapes.cpp -o prog && {_SHARED.format('--dwarf-5')}",
    "shared, in a linked file": f"g++ -g shapes.cpp -o prog && {_SHARED.format('')} && {_LINK.format('prog.debug')}",
    "clang, DWARF 5": "clang++ -gdwarf-5 shapes.cpp -o prog",
    "clang, DWARF 4": "clang++ -gdwarf-4 shapes.cpp -o prog",
    "clang, split": "clang++ -gdwarf-5 -gsplit-dwarf shapes.cpp -o prog",
    "clang, split in a package": "clang++ -g -gsplit-dwarf shapes.cpp -o prog; llvm-dwp -e prog -o prog.dwp; rm *.dwo",
    "clang, type units": "clang++ -gdwarf-5 -fdebug-types-section shapes.cpp -o prog",
}


INLINES = SOURCE.parent / "inlines.c"
INLINED_SCRIPT = """\
u:{p}:one { printf("one %d %d %d %d %d %d\\n", args.a, args.b, args.q->y, args.v.x, args.c, args.us); }
u:{p}:two { printf("two %d\\n", args.n); }
u:{p}:called { printf("called %d %d %d\\n", args.a, args.b, args.c); }
"""
INLINED_VALUES = """\
one 21 34 2 21 -3 65000
one 8 2 5 4 9 9
two 9
called 11 12 13
"""
INLINED = {
    "not optimised": "gcc -g -O0 inlines.c -o prog",
    "a little": "gcc -g -O1 inlines.c -o prog",
    "optimised, DWARF 5": "gcc -gdwarf-5 -O2 inlines.c -o prog",
    "optimised, DWARF 4": "gcc -gdwarf-4 -O2 inlines.c -o prog",
    "much, fixed addresses": "gcc -g -O3 -no-pie inlines.c -o prog",
    "split, DWARF 5": "gcc -gdwarf-5 -gsplit-dwarf -O2 inlines.c -o prog",
    "split, DWARF 4": "gcc -gdwarf-4 -gsplit-dwarf -O2 inlines.c -o prog",
    "split, in a package": "gcc -gdwarf-4 -gsplit-dwarf -O2 inlines.c -o prog && dwp -e prog -o prog.dwp && rm *.dwo",
    "in a linked file": f"gcc -g -O2 inlines.c -o prog && {_LINK.format('prog.debug')}",
    "shared with others": f"gcc -g -O2 inlines.c -o prog && {_SHARED.format('')}",
    "clang, not optimised": "clang -g -O0 inlines.c -o prog",
    "clang, DWARF 5": "clang -gdwarf-5 -O2 inlines.c -o prog",
    "clang, DWARF 4": "clang -gdwarf-4 -O2 inlines.c -o prog",
    "clang, split in a package": "clang -g -gsplit-dwarf -O2 inlines.c -o prog; llvm-dwp -e prog -o prog.dwp; rm *.dwo",
}


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ("gcc -g -gsplit-dwarf inlines.c -o prog && rm *.dwo", "prog-inlines.dwo"),
        (f"gcc -g inlines.c -o prog && {_SHARED.format('')} && rm common.debug", "common.debug"),
    ],
)
def test_a_part_that_is_missing_is_named(build: str, name: str, pytrace: str, tmp_path: Path) -> None:
    done = _run(INLINES, build, "u:{p}:called { print(args.a); }", pytrace, tmp_path)
    assert f"its debug information is partly in {name}, which was not found" in done.stderr


@pytest.mark.parametrize("how", VARIANTS)
def test_values(how: str, pytrace: str, tmp_path: Path) -> None:
    assert _traced(SOURCE, VARIANTS[how], SCRIPT, pytrace, tmp_path) == VALUES


@pytest.mark.parametrize("how", INLINED)
def test_values_where_inlined(how: str, pytrace: str, tmp_path: Path) -> None:
    assert _traced(INLINES, INLINED[how], INLINED_SCRIPT, pytrace, tmp_path) == INLINED_VALUES


def _traced(source: Path, build: str, script: str, pytrace: str, folder: Path) -> str:
    """What a script prints of a program that was built like this."""
    done = _run(source, build, script, pytrace, folder)
    assert not done.returncode, done.stderr
    return done.stdout.strip("\n") + "\n"


def _run(source: Path, build: str, script: str, pytrace: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if "clang" in build:
        machine.need("clang")
    (folder / source.name).symlink_to(source)
    built = subprocess.run(["sh", "-ec", build], cwd=folder, capture_output=True, text=True, check=False)
    if "unknown" in built.stderr or "not found" in built.stderr or "unsupported" in built.stderr:
        pytest.skip(f"missing feature clang: the tools here cannot do that: {built.stderr.splitlines()[0]}")
    assert built.returncode == 0, built.stderr
    words = [*pytrace.split(), "-q", "--no-cache", "--debuginfo", str(folder / "tree"), "-c", "./prog"]
    words += ["-e", script.replace("{p}", "./prog")]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60 * SCALE, check=False)
