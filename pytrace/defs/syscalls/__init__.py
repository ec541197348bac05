"""System calls as text: what is recorded of a call, and how its arguments and result are written.

Place in the pipeline: under the rows of `defs.functions.syscalls`.  `signatures` says what each argument is,
`captures` what is copied from the caller's memory for it (both halves read that), `recording` makes the BPF code,
`sets` turns `%file,!close` into numbers.  In user space `lines` joins entry and return to lines; `calls`, `arguments`,
`structs`, `results` and `constants` are what stands in them.  What a newcomer would get wrong: nothing is formatted in
the kernel; a record holds the registers and the bytes that arguments point to, and what they mean is looked up when the
line is written.
"""
