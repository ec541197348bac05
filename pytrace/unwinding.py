"""The tables by which a BPF program unwinds user stacks (dw_ustack): what code generation reads and the runtime fills.

Place in the pipeline: below both, beside `program`.  In: nothing.  Out: names and layouts.  What a newcomer would get
wrong: a rule is no description but a short program: steps of `slot = other slot + offset`, each perhaps read from
memory at that address, so that the code that follows it has no cases.

Slots, of 8 bytes: 0 to 15 the registers by their DWARF numbers, 16 the instruction pointer; 17 the canonical frame
address; 18 to 34 the registers of the caller; 35 for parts of expressions.

The maps, each made once for a Program:
    PLACES  longest prefix match of (process, address): which table holds for the address, and what to add to it to
            get a file offset.  A process that is known has an entry for all addresses, with no table.
    TABLES  by number of the table an array of pairs of uint32, ascending: file offset, number of the rule from there
            on, 0 where nothing is known.
    RULES   by number of the table an array of rules.
    IDS     by number of the table a uint32 that is 1 if there is a build id, and its 20 bytes.
"""

from __future__ import annotations

from pytrace.program import UNWIND_PLACES
from pytrace.record import record

PLACES, TABLES, RULES, IDS = UNWIND_PLACES, "unwind_tables", "unwind_rules", "unwind_ids"
PLACE_KEY = "<II8s"
"""Number of bits that must match, process, address with its highest byte first."""
PLACE_BITS = 32 + 64
PLACE = "<IIQ"
"""Table, number of its pairs, what to add to the address (modulo 2^64)."""
NO_TABLE = 0xFFFF_FFFF
PAIR_SIZE = 8
ID_SIZE = 24
MOST_TABLES = 4096
MOST_PLACES = 1 << 18

STACK_POINTER, INSTRUCTION, FRAME, CALLER, PART = 7, 16, 17, 18, 35
STEP = "<BBHi"
"""Slot to set, slot that it is made from, 1 to read memory there, offset."""
MOST_STEPS = 24
RULE_HEAD = "<HHI"
"""Number of steps, flags, nothing."""
LAST_FRAME, INTERRUPTED = 1, 2
"""Flags: there is no caller; the caller did not call but was interrupted by a signal."""
RULE_SIZE = 8 + 8 * MOST_STEPS


@record
class KernelOffsets:
    """Where the kernel keeps what unwinding needs of a process: byte offsets in its structures.

    `mm`, `utask`: in task_struct; `start_stack`, `xol_area` (of `uprobes_state`): in mm_struct; `vaddr`: in xol_area;
    `return_instances`, `xol_vaddr`, `probed` (`vaddr`): in uprobe_task; the others: in return_instance.
    """

    mm: int
    utask: int
    start_stack: int
    xol_area: int
    vaddr: int
    return_instances: int
    xol_vaddr: int
    probed: int
    stack: int
    orig_ret_vaddr: int
    next: int
