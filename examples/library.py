#!/usr/bin/env python3
"""pytrace as a library: which programs made how many system calls in half a second, as a Python dictionary.

TRY
    python3 examples/library.py

PRINTS
    most system calls in half a second:
    … …
    …
"""

import pytrace

SCRIPT = """
tracepoint:raw_syscalls:sys_enter { @calls[comm] = count(); }
"""

result = pytrace.run(SCRIPT, timeout=0.5)
calls = result.maps["@calls"]
print("most system calls in half a second:")
for comm, count in sorted(calls.items(), key=lambda row: -row[1])[:5]:
    print(f"{count:8} {comm}")
