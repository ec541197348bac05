# Sourced by bin/pytrace and bin/test; not run by itself.  Brings the machine to where they can work:
# Debian packages, a virtual environment in the checkout, tracefs.  Says on stderr what it does, asks nothing.
# In: $root (the checkout), $venv (where the environment is or goes).  Out: $python and $site.
#
# The environment must be made from Debian's own Python: python3-bpfcc is visible to no other, and a pyenv or conda
# Python that comes first on PATH would build one that cannot import bcc.  Hence /usr/bin/python3, never "python3".

run_packages='ca-certificates python3 python3-venv python3-bpfcc'
test_packages="$run_packages dwz e2fsprogs gcc g++ git iproute2 iputils-ping kmod libc6-dev man-db mandoc mount netbase procps strace tcpdump vim xz-utils zsh"

say() { printf 'pytrace: %s\n' "$*" >&2; }
die() {
    say "$1"
    shift
    for line in "$@"; do printf '         %s\n' "$line" >&2; done
    exit 1
}
is_root() { [ "$(id -u)" = 0 ]; }

missing_packages() {
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

need_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import venv, ensurepip, bcc' 2>/dev/null && return 0
        die 'this machine is not a Debian one, so pytrace cannot install what it needs.' \
            'Install Python 3.11 or newer with venv and pip, and the BCC Python bindings (named' \
            'python3-bcc or python3-bpfcc), as /usr/bin/python3 sees them; then run this again.'
    fi
    # shellcheck disable=SC2046,SC2086 # a list of package names
    set -- $(missing_packages "$@")
    [ $# = 0 ] && return 0
    is_root || die "these Debian packages are missing: $*" 'Run this once as root to install them, or have an administrator do:' \
        "    apt-get install --no-install-recommends $*"
    say "installing Debian packages: $*"
    apt_log=$(mktemp)
    apt_install "$@" >"$apt_log" 2>&1 </dev/null && { rm -f "$apt_log"; return 0; }
    say "installing Debian packages failed. The last lines of $apt_log:"
    grep -E '^(E|W|Err)' "$apt_log" | tail -n 4 >&2
    die 'nothing was started. Is there a network, and does "apt-get update" work on this machine?' \
        "When it does, run this again, or by hand: apt-get install --no-install-recommends $*"
}

apt_install() {
    # lists first: a fresh machine has none, and old ones name versions that the mirror has dropped
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"
}

# The names in a table of pyproject.toml: $1 is "" for what pytrace itself needs, or an extra's name.
requirements() {
    /usr/bin/python3 - "$root/pyproject.toml" "$1" <<'PY'
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
extra = sys.argv[2]
print("\n".join(project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])))
PY
}

# Make or complete the environment: $1 is "" or the extra to install; the file "$venv/ready$1" says that it is done.
need_environment() {
    /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "pytrace needs Python 3.11 or newer; /usr/bin/python3 is $(/usr/bin/python3 -V)." 'Debian 12 (bookworm) and later have it.'
    wanted=$(requirements "$1") || die "cannot read $root/pyproject.toml"
    python=$(readlink -f /usr/bin/python3)
    stamp=$venv/ready${1:+-$1}
    key=$(printf '%s\n%s\n%s' "$python" "$root" "$wanted" | cksum)
    if [ -f "$stamp" ] && [ "$(sed -n 3p "$stamp")" = "$key" ] && [ -x "$(sed -n 1p "$stamp")" ]; then
        site=$(sed -n 2p "$stamp")
        touch -c "$stamp" 2>/dev/null || true
        return 0
    fi
    mkdir -p "$venv" 2>/dev/null && [ -w "$venv" ] ||
        die "cannot write $venv." 'Run this once as a user who may write the checkout, or set PYTRACE_VENV to a folder of your own.'
    exec 9>"$venv.lock" && flock 9 # two first runs at once: the second one waits, and then finds it done
    if ! [ "$(readlink -f "$venv/bin/python3" 2>/dev/null)" = "$python" ] || ! "$venv/bin/python3" -m pip --version >/dev/null 2>&1; then
        [ -z "$(ls -A "$venv")" ] || [ -f "$venv/made-by-pytrace" ] ||
            die "$venv is not empty, and no environment of pytrace's." 'Remove it, or set PYTRACE_VENV to another folder.'
        say "making a virtual environment in $venv"
        : >"$venv/made-by-pytrace"
        "$python" -m venv --clear --system-site-packages "$venv" >&2 || die "making a virtual environment with $python failed."
        : >"$venv/made-by-pytrace"
    fi
    # shellcheck disable=SC2086 # one name a line
    say "installing Python packages:" $wanted
    # shellcheck disable=SC2086
    if ! "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --no-input --retries 1 $wanted \
        </dev/null >"$venv/pip.log" 2>&1; then
        grep '^ERROR' "$venv/pip.log" | tail -n 2 >&2
        die "installing Python packages failed; all of pip's words: $venv/pip.log" \
            'nothing was started. Is there a network? When there is, run this again. Without one: copy the wheels' \
            'to a folder here, and run this with PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER.'
    fi
    site=$("$venv/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n%s\n%s\n' "$python" "$site" "$key" >"$stamp"
    exec 9>&-
}

mount_tracefs() {
    [ -e /sys/kernel/tracing/events ] && return 0
    is_root || return 0 # pytrace itself then says what is missing
    if [ -d /sys/kernel/tracing ] && mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; then
        say 'mounted tracefs on /sys/kernel/tracing'
    elif ! [ -e /sys/kernel/debug/tracing/events ]; then
        say 'could not mount tracefs on /sys/kernel/tracing: tracepoints and uprobes will not work'
    fi
}

set_up_test() {
    # shellcheck disable=SC2086
    need_packages $test_packages && need_environment '' && need_environment test
    mount_tracefs
}

set_up_run() {
    # shellcheck disable=SC2086
    ready || { need_packages $run_packages && need_environment ''; }
    mount_tracefs
}
