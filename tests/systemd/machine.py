"""A machine with a systemd of its own: a container made of namespaces, with this machine's programs and nothing else of it."""

import os
import re
import shutil
import subprocess
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEADLINE = 60.0  # seconds for anything that systemd is asked for
SYSTEMD = Path("/usr/lib/systemd/systemd")
STATE = re.compile(r"(running|degraded|maintenance)\s*")
CONTROLLERS = ("memory", "pids")

# What needs hardware, a login or a kernel of its own.
MASKED = (
    "console-getty.service dbus.service dbus.socket dev-hugepages.mount dev-mqueue.mount getty.target "
    "proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount "
    "sys-kernel-debug.mount sys-kernel-tracing.mount systemd-binfmt.service systemd-firstboot.service "
    "systemd-logind.service systemd-modules-load.service systemd-sysctl.service systemd-timesyncd.service "
    "systemd-udevd.service systemd-update-utmp.service systemd-resolved.service systemd-networkd.service"
).split()

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\nsystemd-journal:x:101:\n",
    "etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    # Whatever else is installed here has its own services; none of them is started.
    "etc/systemd/system-preset/00-none.preset": "disable *\n",
    # The machine's journal is in memory, and takes every line of a bot under load.
    "etc/systemd/journald.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
    "root/private": "what only root reads\n",
}


class Failed(Exception):
    """A command of the machine failed, or a thing did not happen."""


class Cgroups:
    """A cgroup of the machine's own in each hierarchy, below the one that this process is in."""

    def __init__(self, machine: str) -> None:
        self.version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
        self.controllers: list[str] = []
        self.folders: list[Path] = []
        name = f"torrap-systemd-{os.getpid()}-{machine}"
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controller, path = line.split(":", 2)
            hierarchy = Path("/sys/fs/cgroup")
            if self.version == 2:
                if controller:
                    continue  # of version 1, and not mounted there
                # Below the root: the cgroup of a process may pass no controllers on (cgroups(7), "no internal processes").
                path = ""
            elif controller in CONTROLLERS:
                hierarchy /= controller
                self.controllers.append(controller)
            elif controller in ("name=systemd", ""):
                hierarchy /= controller.removeprefix("name=") or "unified"
            else:
                continue
            folder = hierarchy / path.lstrip("/") / name
            folder.mkdir()
            self.folders.append(folder)

    def remove(self) -> None:
        for folder in self.folders:
            for inner, _, _ in os.walk(folder, topdown=False):
                os.rmdir(inner)


class Machine:
    """Its file system lives in memory, in the mount namespace of this process, and goes with it. Only /var is a folder on a
    real disk: a journal waits for it, and what is written there is no memory of the bot's."""

    def __init__(self, folder: Path, name: str = "torrap-test", network: str = "") -> None:
        """With a `network`, the file of a network namespace, it is in that one, and otherwise in this process's."""
        self.name, self.network = name, network
        self.root = root = folder / "root"
        root.mkdir()
        self.init: int | None = None
        self.outer: subprocess.Popen | None = None
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root], check=True)
        disk = folder / "disk"
        for name in ("usr", "etc", "var", "run", "proc", "sys", "dev", "tmp", ".outside", ".upper", ".work"):
            (root / name).mkdir()
        disk.mkdir(mode=0o755)
        subprocess.run(["mount", "--bind", disk, root / "var"], check=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        # The programs of this machine; what the other one installs there stays in its own memory.
        layers = f"lowerdir=/usr,upperdir={root}/.upper,workdir={root}/.work"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", root / "usr"], check=True)
        for path, text in FILES.items():
            self.write("/" + path, text)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/machine-id", f"{uuid.uuid4().hex}\n")
        (root / "root").chmod(0o700)
        for source in ("/etc/ld.so.cache", "/etc/alternatives"):
            copy = shutil.copytree if os.path.isdir(source) else shutil.copy2
            if os.path.exists(source):
                copy(source, root / source[1:], **({"symlinks": True} if os.path.isdir(source) else {}))
        units = root / "etc/systemd/system"
        units.mkdir()
        for unit in MASKED:
            (units / unit).symlink_to("/dev/null")
        (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")

    def boot(self) -> None:
        """Until its systemd has started everything."""
        self.cgroups = Cgroups(self.name)
        enter = 'for folder; do [ "$folder" = -- ] && break; echo $$ >"$folder/cgroup.procs"; shift; done; shift; exec "$@"'
        spaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
        if self.network:
            spaces = ["nsenter", f"--net={self.network}", *spaces]
        boot = [HERE / "boot", self.root, str(self.cgroups.version), *self.cgroups.controllers]
        self.outer = subprocess.Popen(["sh", "-c", enter, "sh", *self.cgroups.folders, "--", *spaces, *boot])
        wait_for("PID 1 of the machine", self.find_init)
        asked = "systemctl is-system-running --wait"
        state = wait_for("systemd", lambda: STATE.fullmatch(self.try_to(asked).stdout))[0].strip()
        if state != "running":
            raise Failed(f"systemd is {state}:\n{self.do('systemctl --failed --no-legend; journalctl -b -p warning')}")

    def find_init(self) -> bool:
        if self.outer.poll() is not None:
            raise Failed(f"the machine does not start: exit code {self.outer.returncode}")
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        self.init = int(children[0]) if children else None
        # From then on the namespaces are the machine's.
        return self.init is not None and Path(f"/proc/{self.init}/comm").read_text() == "systemd\n"

    def try_to(self, command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command of the shell there, as root."""
        enter = ["nsenter", "--all", "--target", str(self.init), "env", "-i", "HOME=/root",
                 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"]
        try:
            return subprocess.run([*enter, "sh", "-c", command], cwd="/", input=given, text=True, check=False,
                                  timeout=DEADLINE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"not within {DEADLINE:.0f} s: {command}") from late

    def do(self, command: str, given: str | None = None) -> str:
        done = self.try_to(command, given)
        if done.returncode != 0:
            raise Failed(f"{command}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        inside = self.root / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text(text)

    def power_off(self) -> None:
        self.try_to("systemctl poweroff --no-block")
        self.outer.wait(DEADLINE)
        self.remove_cgroups()

    def destroy(self) -> None:
        """Ends it in whatever state it is."""
        if self.outer is not None:
            if self.outer.poll() is None:
                self.outer.kill()  # and `--kill-child` what it has started
            self.outer.wait(DEADLINE)
            self.remove_cgroups()
        if self.root.is_mount():
            subprocess.run(["umount", "--recursive", "--lazy", self.root], check=False)

    def remove_cgroups(self) -> None:
        wait_for("the end of the machine's processes", self.try_to_remove_cgroups)

    def try_to_remove_cgroups(self) -> bool:
        try:
            self.cgroups.remove()
        except OSError:
            return False
        self.cgroups.folders = []
        return True


def wait_for(what: str, is_so, deadline: float = DEADLINE):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + deadline
    while not (answer := is_so()):
        if time.monotonic() > end:
            raise Failed(f"not within {deadline:.0f} s: {what}")
        time.sleep(0.02)
    return answer


def systemd_version() -> int:
    said = subprocess.run([SYSTEMD, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"systemd (\d+)", said)[1])
