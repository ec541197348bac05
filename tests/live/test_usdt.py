"""USDT probes of several processes, and of libraries that are loaded when the tracer is long attached."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "uprobe", "gcc"), pytest.mark.usefixtures("nothing_left_behind")]
LOADER = """\
#include <dlfcn.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char *words[] = {"play", "3", 0};
	usleep(300000);
	void *library = dlopen(argv[1], RTLD_NOW);
	int (*play)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "play") : 0;
	return play ? play(2, words) : 1;
}
"""
NOTES = Path(__file__).parents[1] / "programs" / "notes.c"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`loads LIBRARY`, and libnotes.so with the probes of tests/programs/notes.c in its function `play`."""
    into = tmp_path_factory.mktemp("usdt")
    (into / "loads.c").write_text(LOADER)
    subprocess.run(["gcc", "-O1", "loads.c", "-o", "loads", "-ldl"], cwd=into, check=True)
    library = ["gcc", "-O1", "-shared", "-fPIC", "-Dmain=play", str(NOTES), "-o", "libnotes.so"]
    subprocess.run(library, cwd=into, check=True)
    return into


def run(pytrace: str, folder: Path, *words: str) -> str:
    command = [*pytrace.split(), "-q", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60 * SCALE, check=False)
    return done.stdout.strip("\n") + "\n" + done.stderr * ("ERROR" in done.stderr)


def test_library_that_is_loaded_later(pytrace: str, folder: Path) -> None:
    script = 'usdt:./libnotes.so:demo:step { printf("%d %d %d\\n", arg0, arg2, arg6); }'
    assert run(pytrace, folder, "-c", "./loads ./libnotes.so", "-e", script) == "0 -7 -300\n1 -7 -300\n2 -7 -300\n"


def test_semaphore_of_a_library_that_is_loaded_later(pytrace: str, folder: Path) -> None:
    script = 'usdt:./libnotes.so:demo:guarded { printf("%d\\n", arg0); }'
    assert run(pytrace, folder, "-c", "./loads ./libnotes.so", "-e", script) == "1\n2\n3\n"


def test_wildcards_in_a_library_that_is_loaded_later(pytrace: str, folder: Path) -> None:
    shown = run(pytrace, folder, "-c", "./loads ./libnotes.so", "-e", "usdt:./lib*.so:*:* { @[probe] = count(); }")
    counts = dict(line.rsplit("]: ", 1) for line in shown.splitlines() if line.startswith("@["))
    found = {name.rsplit(":", 1)[1]: int(count) for name, count in counts.items()}
    assert found == {"step": 3, "guarded": 3, "twice": 6}


def test_several_processes(pytrace: str, test_programs: Path) -> None:
    """By path every process is probed, and its semaphore raised, also of those that start later."""
    program = test_programs / "notes"
    script = f'begin {{ print("on"); }} usdt:{program}:demo:guarded {{ @[pid]++; if (len(@) == 3) {{ exit(); }} }}'
    started = [subprocess.Popen([program, "60000"]) for _ in range(2)]
    tracer = subprocess.Popen([*pytrace.split(), "-q", "-e", script], stdout=subprocess.PIPE, text=True)
    assert tracer.stdout is not None
    assert tracer.stdout.readline() == "on\n"
    started.append(subprocess.Popen([program, "60000"]))
    shown, _ = tracer.communicate(timeout=30 * SCALE)
    for process in started:
        process.kill()
        process.wait()
        assert f"@[{process.pid}]: " in shown


def test_one_of_several_processes(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "notes"
    script = "usdt::demo:step { @[pid] = count(); } interval:ms:400 { exit(); }"
    with subprocess.Popen([program, "60000"]) as one, subprocess.Popen([program, "60000"]) as two:
        words = [*pytrace.split(), "-q", "-p", str(one.pid), "-e", script]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, check=False)
        for process in (one, two):
            process.kill()
    assert done.stdout.count("@[") == 1
    assert f"@[{one.pid}]: " in done.stdout


def test_operands_that_cannot_be_read(pytrace: str, tmp_path: Path) -> None:
    """A fraction in a vector register: refused where it is asked for, not shown as zero."""
    text = NOTES.read_text().replace("-4@%k[round] 8@%[text]", "-4@%k[round] 8f@%%xmm0")
    (tmp_path / "odd.c").write_text(text)
    subprocess.run(["gcc", "-O1", "odd.c", "-o", "odd"], cwd=tmp_path, check=True)
    assert run(pytrace, tmp_path, "-c", "./odd 1", "-e", "usdt:./odd:demo:step { print(arg0); }") == "0\n"
    refused = run(pytrace, tmp_path, "-c", "./odd 1", "-e", "usdt:./odd:demo:step { print(arg1); }")
    assert "ERROR: arg1 of usdt:./odd:demo:step is in 8f@%xmm0, which cannot be read" in refused
