"""The registers of a probed program, and where the calling convention puts arguments and results (x86_64).

Place in the pipeline: under the rows that read `struct pt_regs` (argN, retval, reg()).  In: names.  Out: byte offsets
in what the kernel hands to the program.  What a newcomer would get wrong: perf programs get `struct
bpf_perf_event_data`, which begins with the same registers, so the offsets hold there too. Source:
arch/x86/include/uapi/asm/ptrace.h; System V AMD64 ABI, section 3.2.3.
"""

from __future__ import annotations

OFFSETS = {
    "r15": 0, "r14": 8, "r13": 16, "r12": 24, "bp": 32, "bx": 40, "r11": 48, "r10": 56, "r9": 64, "r8": 72,
    "ax": 80, "cx": 88, "dx": 96, "si": 104, "di": 112, "orig_rax": 120, "ip": 128, "pc": 128, "cs": 136,
    "flags": 144, "sp": 152, "ss": 160,
}  # fmt: skip
ARGUMENTS = ("di", "si", "dx", "cx", "r8", "r9")
RESULT = "ax"
INSTRUCTION = "ip"
STACK = "sp"
STACK_ARGUMENTS = 8
"""Bytes from the stack pointer to the first stack-passed argument on entry: the return address lies there."""
