"""The smoke run on Linux 6.12 in a virtual machine: what CI's own kernel cannot do (kprobes, raw tracepoints), and a
little of what it can.  The tests are those of tests/live and tests/conformance that carry the mark `smoke`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.harness import machine, programs

# named, because collecting all tests takes half a minute there
LIVE = ("examples", "listing", "runtime_attach", "scripts", "tools_functions")
FILES = [*(f"tests/live/test_{name}.py" for name in LIVE), "tests/conformance"]
NEEDED = "root,btf,tracefs,tracepoint,rawtracepoint,uprobe,kprobe,filter_functions,module,loop,ext4,ring_buffer,"
NEEDED += "reference"


@pytest.mark.feature("root", "vm", "gcc", "reference")
def test_smoke_on_6_12() -> None:
    with tempfile.TemporaryDirectory(prefix="pytrace-vm-") as folder:  # the guest sees this machine's files
        programs.build(Path(folder))
        settings = {
            "PYTRACE_TEST_PROGRAMS": folder,
            "PYTRACE_REQUIRE": NEEDED,
            "PYTRACE_TIME_SCALE": "20",
            "XDG_CACHE_HOME": str(machine.cached().parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        plugins = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest", "--basetemp=/run/pytest"]
        options = ["-q", "--color=no", "--durations=12", "-m", "smoke", *plugins]
        pytest_command = [sys.executable, "-m", "pytest", *options, *FILES]
        command = f"cd {shlex.quote(str(machine.ROOT))} && env {shlex.join(f'{k}={v}' for k, v in settings.items())} "
        done = subprocess.run(
            [str(machine.ROOT / "tests" / "kernels" / "run"), command + shlex.join(pytest_command)],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "VM_SECONDS": os.environ.get("VM_SECONDS", "1200"), "VM_MODULES": "loop"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    print(done.stdout)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1]), "nothing ran in the virtual machine"
