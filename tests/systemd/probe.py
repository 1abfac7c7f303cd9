"""Runs in the place of the bot, inside what the unit allows, and tries what an intruder would. Prints a line for each thing;
the exit code is 0. Outside the sandbox, as root, everything is possible, which shows that this can tell."""

import _thread
import ctypes
import mmap
import os
import resource
import socket
import stat
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
STATE = Path(os.environ.get("STATE_DIRECTORY", "/tmp"))
CLONE_NEWUSER = 0x1000_0000
SCHED_FIFO_PRIORITY = 1
SYSLOG_ACTION_SIZE_BUFFER = 10
PTRACE_TRACEME = 0
PER_LINUX32 = 8
TASKS = 1_300  # more than TasksMax=


def call(name: str, *arguments: object) -> int:
    result = getattr(LIBC, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def write(path: str) -> None:
    Path(path, f"probe-{os.getpid()}").write_text("x")


def see_other_processes() -> None:
    ours = {str(os.getpid()), str(os.getppid())}
    if not [name for name in os.listdir("/proc") if name.isdigit() and name not in ours]:
        raise PermissionError("no other process is seen")


def bind(port: int) -> None:
    socket.socket().bind(("127.0.0.1", port))


def make_set_user_id() -> None:
    path = STATE / f"probe-suid-{os.getpid()}"
    path.write_text("x")
    path.chmod(0o4755)
    if not path.stat().st_mode & stat.S_ISUID:
        raise PermissionError("the bit was dropped")


def dump_core() -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise PermissionError("limit 0")


def start_threads() -> None:
    # They end with the process.
    _thread.stack_size(32 * 1024)
    held = _thread.allocate_lock()
    held.acquire()
    for _ in range(TASKS):
        _thread.start_new_thread(held.acquire, ())


def fifo_priority() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(SCHED_FIFO_PRIORITY))


FORBIDDEN = {
    "write to /etc": lambda: write("/etc"),
    "write to /usr/local/bin": lambda: write("/usr/local/bin"),
    "write to /var": lambda: write("/var"),
    "read /root": lambda: Path("/root/private").read_text(),
    "read the secret's own file": lambda: Path("/etc/torrap/slack-signing-secret").read_text(),
    "see other processes": see_other_processes,
    "read /proc/meminfo": lambda: Path("/proc/meminfo").read_text(),
    "make a device": lambda: os.mknod(STATE / f"null-{os.getpid()}", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "make a user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "bind a port below 1024": lambda: bind(80),
    "map memory to write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "make a set-user-ID file": make_set_user_id,
    "take a real-time priority": fifo_priority,
    "change the personality": lambda: call("personality", PER_LINUX32),
    "ask for the clock's adjustment": lambda: call("adjtimex", ctypes.create_string_buffer(512)),
    "set the host name": lambda: socket.sethostname(socket.gethostname()),
    "read the kernel's log": lambda: call("klogctl", SYSLOG_ACTION_SIZE_BUFFER, None, 0),
    "trace": lambda: call("ptrace", PTRACE_TRACEME, 0, None, None),
    "become root": lambda: os.setuid(0),
    "dump core": dump_core,
    f"start {TASKS} threads": start_threads,
}


def main() -> None:
    """Each attempt in a process of its own: some change what the next one may do."""
    for name, attempt in FORBIDDEN.items():
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                attempt()
                line = f"possible: {name}"
            except (OSError, RuntimeError) as error:
                line = f"refused: {name} ({error})"
            os.write(writer, line.encode())
            os._exit(0)
        os.close(writer)
        os.wait()
        print(os.read(reader, 4096).decode() or f"died: {name}", flush=True)
        os.close(reader)


if __name__ == "__main__":
    main()
