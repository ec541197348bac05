"""What goes where: stdout, stderr, files; buffering, colours, reports."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytrace.diagnostics import MachineError, UsageError
from pytrace.program import Location, Program
from pytrace.runtime.output import open_output
from pytrace.runtime.output.errors import RUNTIME_TEXTS, helper_message
from pytrace.runtime.output.json import JsonOutput
from pytrace.runtime.output.reports import benchmark_lines, test_lines
from pytrace.runtime.output.text import TextOutput
from pytrace.types import INT64, Tuple

test_lines.__test__ = False  # type: ignore[attr-defined]

PLACE = Location("stdin:1:2-4", "ab cd\n ~~\n", "stdin", 1, 2)


def options(**given: Any) -> SimpleNamespace:
    defaults = {"output": "", "format": "text", "buffering": "line", "map_rows": {}}
    return SimpleNamespace(**(defaults | {"quiet": False, "warning_level": 1, "colour": False} | given))


def text_output(**given: Any) -> tuple[TextOutput, list[bytes], list[bytes]]:
    out: list[bytes] = []
    errors: list[bytes] = []
    output = TextOutput(errors=errors.append, **given)
    output.write = out.append  # type: ignore[method-assign]
    return output, out, errors


def test_events_as_text() -> None:
    output, out, errors = text_output()
    output.attached_probes(1)
    output.attached_probes(2)
    output.printf(b"a\xff")
    output.time("t")
    output.cat(b"c")
    output.join(b"j")
    output.system(b"s\n")
    output.message("ERROR", "e 1", PLACE)
    output.message("WARNING", "w", PLACE)
    output.lost_events(97)
    output.total_lost(97)
    output.error("failed")
    output.end()
    assert b"".join(out) == b"a\xfftcj\ns\n\n\n\n"
    assert b"".join(errors).decode() == (
        "Attached 1 probe\nAttached 2 probes\nstdin:1:2-4: ERROR: e 1\nstdin:1:2-4: WARNING: w\nLost 97 events\n"
        "WARNING: Total lost event count: 97\nERROR: failed\n"
    )


def test_run_time_errors_show_the_line() -> None:
    output, _, errors = text_output()
    output.runtime_error(RUNTIME_TEXTS["out_of_bounds"], PLACE)
    output.helper_error("map_update_elem", -7, PLACE)
    shown = b"".join(errors).decode()
    assert shown.startswith(
        "stdin:1:2-4: WARNING: Array access out of bounds. This can lead to unexpected results.\nab cd\n ~~\n"
    )
    assert "e.g. `let @a = hash(5000)`\nAdditional Info - helper: map_update_elem, retcode: -7\nab cd" in shown


def test_quiet_and_without_warnings() -> None:
    output, _, errors = text_output(quiet=True, warnings=False)
    output.attached_probes(3)
    output.message("WARNING", "w", PLACE)
    output.runtime_error("r", PLACE)
    output.helper_error("h", -1, PLACE)
    output.warning("x")
    assert errors == []


def test_colour_covers_the_first_line_only() -> None:
    output, _, errors = text_output(colour=True)
    output.helper_error("map_lookup_elem", 0, PLACE)
    assert errors[0].startswith(
        b"\x1b[33mstdin:1:2-4: WARNING: Can't lookup map element because it does not exist.\x1b[0m\nAdditional Info"
    )


def test_json_events() -> None:
    out: list[bytes] = []
    output = JsonOutput()
    output.write = out.append  # type: ignore[method-assign]
    output.begin(Program((), (), (), (), (), b"", {}), lambda key: None)  # type: ignore[arg-type,return-value]
    output.attached_probes(1)
    output.printf(b"x 1\n")
    output.value(Tuple((INT64, INT64)), bytes(16))
    output.system(b"s")
    output.message("ERROR", "e 1", PLACE)
    output.runtime_error("r", PLACE)
    output.helper_error("map_update_elem", -7, PLACE)
    output.lost_events(97)
    output.end()
    output.test_result(["foo"], 0, 25688, [False], "1\n")
    output.benchmark_result(["foo"], 0, 69, 20000)
    where = '"filename": "stdin", "line": 1, "col": 2}'
    assert b"".join(out).decode().split("\n") == [
        '{"type": "attached_probes", "count": 1, "data": {"probes": 1}}',
        '{"type": "printf", "data": "x 1\\n"}',
        '{"type": "value", "data": [0,0]}',
        '{"type": "syscall", "data": "s"}',
        f'{{"type": "errorf", "msg": "e 1", {where}',
        f'{{"type": "runtime_error", "msg": "r", {where}',
        '{"type": "helper_error", "msg": "Argument list too long", "helper": "map_update_elem", "retcode": -7, '
        + where,
        '{"type": "lost_events", "count": 97, "data": {"events": 97}}',
        '{"type": "test_result", "data": {"foo": {"duration": 25688, "passed": false, "output": "1\\n"}}}',
        '{"type": "benchmark_result", "data": {"foo": {"average": 69, "iters": 20000}}}',
        "",
    ]


def test_file_and_buffering(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with open_output(options(output=str(path), buffering="full")) as output:
        output.write(b"a\n")
        output.flush()
        assert path.read_bytes() == b""
        output.write(b"b" * (1 << 16))
        output.flush()
        assert path.stat().st_size == (1 << 16) + 2
        output.write(b"tail")
    assert path.read_bytes().endswith(b"btail")
    with open_output(options(output=str(path), buffering="none")) as output:
        output.write(b"now")
        assert path.read_bytes() == b"now"


def test_file_that_cannot_be_opened() -> None:
    with pytest.raises(UsageError, match='Failed to open output file: "/nonexistent/x": No such file or directory'):
        open_output(options(output="/nonexistent/x"))


def test_what_cannot_be_written() -> None:
    with pytest.raises(MachineError, match="Failed to write output: No space left on device"):
        open_output(options(output="/dev/full", buffering="none")).write(b"x")


def test_stderr_comes_after_what_was_printed_before() -> None:
    reader, writer = os.pipe()
    seen: list[bytes] = []
    output = TextOutput(fd=writer, owned=True, errors=lambda data: seen.append(os.read(reader, 100) + data))
    output.printf(b"first ")
    output.error("second")
    output.close()
    os.close(reader)
    assert seen == [b"first ERROR: second\n"]


def test_helper_messages() -> None:
    assert helper_message("probe_read_user_str", -14) == "Bad address"
    assert helper_message("map_delete_elem", -2) == "Can't delete map element because it does not exist."
    assert helper_message("map_delete_elem", -22) == "Invalid argument"


def test_reports() -> None:
    green, red, off = "\x1b[32m", "\x1b[31m", "\x1b[0m"
    first = test_lines(["foo", "bar"], 0, 1500, [True], "hidden")
    assert first.encode("latin-1").decode() == (
        f"{green}[==========]{off} Running 2 tests.\n{green}[ RUN      ]{off} foo\n"
        f"{green}[       OK ]{off} foo (1000 μs)\n"
    )
    last = test_lines(["foo", "bar"], 1, 1500, [True, False], "2\n\n")
    assert last.encode("latin-1").decode() == (
        f"{green}[ RUN      ]{off} bar\n2\n{red}[  FAILED  ]{off} bar (1000 μs)\n"
        f"{green}[==========]{off} 2 tests ran.\n"
        f"{green}[  PASSED  ]{off} 1 test.\n{red}[  FAILED  ]{off} 1 test, listed below:\n{red}[  FAILED  ]{off} bar\n"
    )
    assert benchmark_lines(["foo"], 0, 73, 20000) == (
        "Benchmark                                Time(ns)       Iterations\n" + "-" * 66
        + "\nfoo                                      73             20000\n"
    )  # fmt: skip
