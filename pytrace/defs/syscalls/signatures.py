"""What the arguments of each system call are: the table behind decoding and recording.

Place in the pipeline: data, read by `captures`, `arguments` and `sets`.  In: nothing.  Out: `SIGNATURES`, call name to
the words of its line.  A word is a kind that `arguments` knows, with what belongs to it behind a colon: `flags:open`,
or the number of another argument, counted from 0 (`in:2` is a buffer whose length is argument 2); `>` marks what the
call fills in.  What stands behind ` = ` is the kind of the result.  What a newcomer would get wrong: calls that are not
here are no unknown ones, they are written by the types of the kernel's own description
(`events/syscalls/sys_enter_NAME/format`).  Source: the manual pages (section 2) and include/linux/syscalls.h.
"""

from __future__ import annotations

_TABLE = """
accept fd sockaddr>:2 length
accept4 fd sockaddr>:2 length flags:accept
access path flags:access
acct path
add_key text text in:3 z d
alarm u
arch_prctl enum:arch_prctl p
bind fd sockaddr:2 d
brk p = x
chdir path
chmod path mode
chown path id id
chroot path
clock_getres enum:clock timespec>
clock_gettime enum:clock timespec>
clock_nanosleep enum:clock flags:timer timespec p
clock_settime enum:clock timespec
clone flags:clone p p p p
clone3 clone_args:1 z
close fd
close_range u u flags:close_range
connect fd sockaddr:2 d
copy_file_range fd p fd p z flags:none
creat path mode
delete_module text flags:file
dup fd
dup2 fd fd
dup3 fd fd flags:file
epoll_create d
epoll_create1 flags:epoll_create
epoll_ctl fd enum:epoll_ctl fd epoll_event
epoll_pwait fd epoll_events> d d p z
epoll_pwait2 fd epoll_events> d timespec p z
epoll_wait fd epoll_events> d d
eventfd u
eventfd2 u flags:eventfd
execve path strings count
execveat dirfd path strings count flags:at
exit d
exit_group d
faccessat dirfd path flags:access
faccessat2 dirfd path flags:access flags:at
fadvise64 fd l l enum:fadvise
fallocate fd flags:fallocate l l
fchdir fd
fchmod fd mode
fchmodat dirfd path mode
fchmodat2 dirfd path mode flags:at
fchown fd id id
fchownat dirfd path id id flags:at
fcntl fd enum:fcntl fcntl = fcntl
fdatasync fd
fgetxattr fd text p z
finit_module fd text flags:none
flistxattr fd p z
flock fd flags:flock
fork
fremovexattr fd text
fsetxattr fd text in:3 z flags:xattr
fsopen text flags:fsopen
fstat fd stat>
fstatfs fd statfs>
fsync fd
ftruncate fd l
futex p futex_command futex futex futex futex
futimesat dirfd path timevals
get_robust_list pid p p
getcpu ints1> p p
getcwd text> z
getdents fd p z
getdents64 fd p z
getegid = id
geteuid = id
getgid = id
getgroups d p
getitimer enum:itimer p
getpeername fd sockaddr>:2 length
getpgid pid
getpgrp
getpid
getppid
getpriority enum:priority id
getrandom noise z flags:random
getresgid ints1> ints1> ints1>
getresuid ints1> ints1> ints1>
getrlimit enum:rlimit rlimit>
getrusage enum:rusage p
getsid pid
getsockname fd sockaddr>:2 length
getsockopt fd enum:sol sockopt:1 option> length
gettid
gettimeofday timeval> p
getuid = id
getxattr path text p z
init_module p z text
inotify_add_watch fd path flags:inotify
inotify_init
inotify_init1 flags:inotify_init
inotify_rm_watch fd d
ioctl fd ioctl ioctl_argument
kill pid signal
lchown path id id
lgetxattr path text p z
link path path
linkat dirfd path dirfd path flags:at
listen fd d
listxattr path p z
llistxattr path p z
lremovexattr path text
lseek fd l enum:seek
lsetxattr path text in:3 z flags:xattr
lstat path stat>
madvise p z enum:madvise
membarrier enum:membarrier flags:none
memfd_create text flags:memfd
memfd_secret flags:file
mincore p z p
mkdir path mode
mkdirat dirfd path mode
mknod path filemode x
mknodat dirfd path filemode x
mlock p z
mlock2 p z flags:none
mlockall flags:mlockall
mmap p z flags:prot flags:map fd x = x
mount path path text flags:mount p
move_mount dirfd path dirfd path flags:none
mprotect p z flags:prot
mq_open path flags:open mode:1 p
mq_unlink path
mremap p z z flags:mremap p = x
msgctl d d p
msgget x flags:ipc
msync p z flags:msync
munlock p z
munlockall
munmap p z
name_to_handle_at dirfd path p p flags:at
nanosleep timespec p
newfstatat dirfd path stat> flags:at
open path flags:open mode:1
open_tree dirfd path flags:at
openat dirfd path flags:open mode:2
openat2 dirfd path open_how:3 z
pause
perf_event_open p pid d d flags:none
personality x = x
pidfd_getfd fd fd flags:none
pidfd_open pid flags:file
pidfd_send_signal fd signal p flags:none
pipe ints2>
pipe2 ints2> flags:file
pivot_root path path
pkey_alloc flags:none x
pkey_free d
pkey_mprotect p z flags:prot d
poll pollfds:1 u d
ppoll pollfds:1 u nanoseconds_left sigset z
prctl enum:prctl x x x x
pread64 fd out z l
preadv fd vectors>:2 z l
prlimit64 pid enum:rlimit rlimit rlimit>
process_vm_readv pid p z p z flags:none
process_vm_writev pid p z p z flags:none
pselect6 d fdset fdset fdset nanoseconds_left p
ptrace enum:ptrace pid x x
pwrite64 fd in:2 z l
pwritev fd vectors:2 z l
quotactl x path id p
read fd out z
readahead fd l z
readlink path out z
readlinkat dirfd path out z
readv fd vectors>:2 z
reboot x x x p
recvfrom fd out z flags:message sockaddr>:5 length
recvmmsg fd p u flags:message p
recvmsg fd message> flags:message
removexattr path text
rename path path
renameat dirfd path dirfd path
renameat2 dirfd path dirfd path flags:rename
request_key text text text d
restart_syscall
rmdir path
rseq p x flags:rseq x
rt_sigaction signal sigaction sigaction> z
rt_sigpending sigset> z
rt_sigprocmask enum:sigmask sigset sigset> z
rt_sigqueueinfo pid signal p
rt_sigreturn
rt_sigsuspend sigset z
rt_sigtimedwait sigset p timespec z
rt_tgsigqueueinfo pid pid signal p
sched_get_priority_max enum:sched
sched_get_priority_min enum:sched
sched_getaffinity pid z p
sched_getparam pid ints1>
sched_getscheduler pid
sched_setaffinity pid z p
sched_setparam pid ints1
sched_setscheduler pid enum:sched ints1
sched_yield
seccomp enum:seccomp x p
select d fdset fdset fdset microseconds_left
semctl d d d x
semget x d flags:ipc
semop d p z
semtimedop d p z timespec
sendfile fd fd p z
sendmmsg fd p u flags:message
sendmsg fd message flags:message
sendto fd in:2 z flags:message sockaddr:5 u
set_mempolicy d p z
set_robust_list p z
set_tid_address p
setdomainname in:1 z
setfsgid id
setfsuid id
setgid id
setgroups z p
sethostname in:1 z
setitimer enum:itimer itimerval itimerval>
setns fd flags:clone
setpgid pid pid
setpriority enum:priority id d
setregid id id
setresgid id id id
setresuid id id id
setreuid id id
setrlimit enum:rlimit rlimit
setsid
setsockopt fd enum:sol sockopt:1 option:4 d
setuid id
setxattr path text in:3 z flags:xattr
shmat d p flags:ipc = x
shmctl d d p
shmdt p
shmget x z flags:ipc
shutdown fd enum:shutdown
sigaltstack stack stack>
signalfd fd sigset z
signalfd4 fd sigset z flags:file
socket enum:family flags:socket protocol
socketpair enum:family flags:socket protocol ints2>
splice fd p fd p z flags:splice
stat path stat>
statfs path statfs>
statx dirfd path flags:statx_at flags:statx statx>
swapoff path
swapon path flags:none
symlink path path
symlinkat path dirfd path
sync
sync_file_range fd l l flags:none
syncfs fd
sysinfo sysinfo>
syslog d p z
tee fd fd z flags:splice
tgkill pid pid signal
time p
timer_create enum:clock p ints1>
timer_delete d
timer_getoverrun d
timer_gettime d itimerspec>
timer_settime d flags:timer itimerspec itimerspec>
timerfd_create enum:clock flags:timerfd
timerfd_gettime fd itimerspec>
timerfd_settime fd flags:timer itimerspec itimerspec>
times p = x
tkill pid signal
truncate path l
umask mode = mode
umount2 path flags:umount
uname utsname>
unlink path
unlinkat dirfd path flags:at
unshare flags:clone
ustat x p
utime path p
utimensat dirfd path timespecs flags:at
utimes path timevals
vfork
vhangup
vmsplice fd vectors:2 z flags:splice
wait4 pid wait_status> flags:wait p
waitid enum:waitid id p flags:wait p
write fd in:2 z
writev fd vectors:2 z
"""


class Signature:
    """One call: the words of its arguments, and of its result."""

    __slots__ = ("arguments", "result")

    def __init__(self, arguments: tuple[str, ...], result: str) -> None:
        self.arguments = arguments
        self.result = result


def _read(table: str) -> dict[str, Signature]:
    found = {}
    for line in table.split("\n"):
        head, _, result = line.partition(" = ")
        name, *arguments = head.split() or [""]
        if name:
            found[name] = Signature(tuple(arguments), result or "d")
    return found


SIGNATURES: dict[str, Signature] = _read(_TABLE)
