"""Numbers of the kernel's interface: bpf(2), perf_event_open(2), and what else the runtime says to the kernel.

Place in the pipeline: read by the rest of `runtime/sys` and by the loader.  In: nothing.  Out: constants, and tables
from the names used in a `Program` to the kernel's numbers.  Source:
include/uapi/linux/{bpf,perf_event,hw_breakpoint}.h. What a newcomer would get wrong: these are written out because the
headers of the machine may be older than its kernel (and are not there at all on most machines).
"""

from __future__ import annotations

# enum bpf_cmd
MAP_CREATE = 0
MAP_LOOKUP_ELEM = 1
MAP_UPDATE_ELEM = 2
MAP_DELETE_ELEM = 3
MAP_GET_NEXT_KEY = 4
PROG_LOAD = 5
OBJ_PIN = 6
OBJ_GET = 7
PROG_TEST_RUN = 10
PROG_GET_NEXT_ID = 11
MAP_GET_NEXT_ID = 12
PROG_GET_FD_BY_ID = 13
MAP_GET_FD_BY_ID = 14
OBJ_GET_INFO_BY_FD = 15
RAW_TRACEPOINT_OPEN = 17
BTF_LOAD = 18
BTF_GET_FD_BY_ID = 19
MAP_FREEZE = 22
BTF_GET_NEXT_ID = 23
MAP_LOOKUP_BATCH = 24
MAP_UPDATE_BATCH = 26
MAP_DELETE_BATCH = 27
LINK_CREATE = 28
LINK_GET_FD_BY_ID = 30
LINK_GET_NEXT_ID = 31
ENABLE_STATS = 32
ITER_CREATE = 33
LINK_DETACH = 34

MAP_TYPES = {
    "hash": 1,
    "array": 2,
    "cpu_slots": 2,
    "perf_event_array": 4,
    "percpu_hash": 5,
    "percpu_array": 6,
    "stack_trace": 7,
    "lru_hash": 9,
    "lru_percpu_hash": 10,
    "lpm_trie": 11,
    "array_of_maps": 12,
    "ringbuf": 27,
    "task_storage": 29,
}
"""`MapSpec.kind` -> enum bpf_map_type."""

PER_CPU_KINDS = frozenset(("percpu_hash", "lru_percpu_hash", "percpu_array"))

PROGRAM_TYPES = {
    "kprobe": 2,
    "sched_cls": 3,
    "tracepoint": 5,
    "xdp": 6,
    "perf_event": 7,
    "raw_tracepoint": 17,
    "tracing": 26,
    "lsm": 29,
    "syscall": 31,
}
"""`ProgramSpec.type` -> enum bpf_prog_type."""

ATTACH_TYPES = {
    "": 0,
    "trace_raw_tp": 23,
    "trace_fentry": 24,
    "trace_fexit": 25,
    "modify_return": 26,
    "trace_iter": 28,
    "perf_event": 41,
    "trace_kprobe_multi": 42,
    "trace_uprobe_multi": 48,
    "trace_kprobe_session": 56,
    "trace_uprobe_session": 57,
}
"""`ProgramSpec.attach_type` -> enum bpf_attach_type."""

# flags
NO_PREALLOC = 1 << 0
RDONLY_PROG = 1 << 7
MMAPABLE = 1 << 10
INNER_MAP = 1 << 12
SLEEPABLE = 1 << 4
TEST_RUN_ON_CPU = 1 << 0
MULTI_RETURN = 1 << 0  # BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN
ANY, NOEXIST, EXIST = 0, 1, 2  # of map updates
CGROUP_ITER_DESCENDANTS_PRE = 2  # enum bpf_cgroup_iter_order

# instructions
LD_IMM64 = 0x18
CALL = 0x85
PSEUDO_MAP_FD = 1
PSEUDO_MAP_VALUE = 2
PSEUDO_BTF_ID = 3
PSEUDO_FUNC = 4
PSEUDO_KFUNC_CALL = 2

# BTF kinds
BTF_TYPEDEF = 8
BTF_FUNC = 12
BTF_VAR = 14

# ring buffer (kernel/bpf/ringbuf.c)
RING_BUSY = 1 << 31
RING_DISCARD = 1 << 30

# perf events
PERF_TYPE_HARDWARE = 0
PERF_TYPE_SOFTWARE = 1
PERF_TYPE_TRACEPOINT = 2
PERF_TYPE_BREAKPOINT = 5
PERF_SW_CPU_CLOCK = 0
PERF_FD_CLOEXEC = 8
PERF_IOC_ENABLE = 0x2400
PERF_IOC_DISABLE = 0x2401
PERF_IOC_SET_BPF = 0x40042408
PERF_ATTR_DISABLED = 1 << 0
PERF_ATTR_INHERIT = 1 << 1
PERF_ATTR_FREQ = 1 << 10
BREAKPOINT_MODES = {"r": 1, "w": 2, "x": 4}

# capabilities (include/uapi/linux/capability.h)
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SYS_ADMIN = 21
CAP_PERFMON = 38
CAP_BPF = 39
