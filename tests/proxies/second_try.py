"""When the front ends for two machines, with the very files of deploy/, give a command to the other one: when it was
certainly not taken. Stand-ins for the replicas go wrong in one way each, and say which commands they have read."""

import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from client import DEADLINE, Address
from processes import Running, free_address

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SLACKS_TIMEOUT = 3.0
COMMANDS = 4  # one after the other: each front end begins with both in turn
ADDRESSES = ("192.0.2.11:8000", "192.0.2.12:8000")  # those of deploy's files


class Replica:
    """Reads requests, each on a connection of its own, and answers as it is told; `None` is no answer."""

    def __init__(self, answer: bytes | None, waits: bool = False) -> None:
        self.read: list[str] = []
        self.is_over = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self.server.getsockname()
        self.answer, self.waits = answer, waits
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.take, args=(connection,), daemon=True).start()

    def take(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            target = stream.readline().split()[1:2]
            length = 0
            while line := stream.readline().strip():
                name, value = line.split(b":", 1)
                length = int(value) if name.lower() == b"content-length" else length
            if target == [b"/readyz"]:  # HAProxy asks
                connection.sendall(answered(200))
                return
            self.read.append(stream.read(length).decode())
            if self.waits:
                self.is_over.wait(DEADLINE)
            if self.answer:
                connection.sendall(self.answer)

    def close(self) -> None:
        self.is_over.set()
        self.server.close()


def answered(status: int) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status


class Pair(Running):
    """nginx or HAProxy with deploy's file for two machines, which are these."""

    def __init__(self, name: str, replicas: list[Address], folder: Path) -> None:
        self.name, self.folder = name, folder
        self.folder.mkdir(mode=0o755)
        self.address = free_address()
        file = self.folder / {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[name]
        text = (DEPLOY / file.name).read_text()
        for before, address in zip(ADDRESSES, replicas, strict=True):
            text = text.replace(before, "{}:{}".format(*address))
        pem = certificate(self.folder)
        text = text.replace(f"/etc/{name}/slack.pem", str(pem))
        text = text.replace("listen 443", "listen {}:{}".format(*self.address))
        text = text.replace("bind :443", "bind {}:{}".format(*self.address))
        file.write_text(text)
        directives = f"daemon off; pid {self.folder}/pid; error_log stderr crit;"
        command = {
            "nginx": ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(file), "-g", directives],
            "haproxy": ["haproxy", "-q", "-db", "-f", str(file)],
        }[name]
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + DEADLINE
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def __enter__(self) -> "Pair":
        return self

    def is_up(self) -> bool:
        try:
            socket.create_connection(self.address, 1).close()
            return True
        except OSError:
            return False

    def command(self, text: str) -> tuple[int, float]:
        """The status, and how long it took."""
        tls = ssl._create_unverified_context()  # the certificate is of our own making
        client = http.client.HTTPSConnection(*self.address, timeout=DEADLINE, context=tls)
        begin = time.monotonic()
        client.request("POST", "/slack", text)
        status = client.getresponse().status
        client.close()
        return status, time.monotonic() - begin


def certificate(folder: Path) -> Path:
    pem, crt = folder / "slack.pem", folder / "crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=torrap.example", "-keyout", pem, "-out", crt],
        check=True, stderr=subprocess.DEVNULL,
    )
    pem.write_text(pem.read_text() + crt.read_text())
    return pem


def try_with(name: str, bad: Replica, folder: Path) -> tuple[list[int], Counter, Replica]:
    """The statuses of some commands, how many replicas have read each, and the good replica."""
    good = Replica(answered(200))
    statuses = []
    with Pair(name, [bad.address, good.address], folder) as front:
        for number in range(COMMANDS):
            status, took = front.command(f"command {number}")
            if took > SLACKS_TIMEOUT:
                raise AssertionError(f"{status} after {took:.1f} s")
            statuses.append(status)
    good.close()
    return statuses, Counter(bad.read + good.read), good


def expect(what: str, is_so: bool) -> None:
    if not is_so:
        raise AssertionError(what)


def no_answer(name: str, folder: Path, waits: bool) -> str:
    bad = Replica(None, waits)
    statuses, reads, _ = try_with(name, bad, folder)
    bad.close()
    expect(f"{reads}: given to both", set(reads.values()) == {1} and len(reads) == COMMANDS)
    failed = [status for status in statuses if status != 200]
    expect(f"{statuses}", bad.read != [] and len(failed) == len(bad.read) and set(failed) <= {502, 504})
    return f"{len(bad.read)} of {COMMANDS} sent and not answered, none of them given to the other"


def silent_replica(name: str, folder: Path) -> str:
    """It reads a command and does not answer."""
    return no_answer(name, folder, waits=True)


def replica_that_dies(name: str, folder: Path) -> str:
    """It reads a command and closes."""
    return no_answer(name, folder, waits=False)


def refused_connection(name: str, folder: Path) -> str:
    """It does not listen."""
    bad = Replica(None)
    bad.server.shutdown(socket.SHUT_RDWR)
    bad.close()
    statuses, reads, good = try_with(name, bad, folder)
    expect(f"{statuses} {reads}", statuses == [200] * COMMANDS == [200] * len(good.read))
    return f"{COMMANDS} answered by the other"


def full_replica(name: str, folder: Path) -> str:
    """It answers 503, as torrap does before it has accepted anything."""
    bad = Replica(answered(503))
    statuses, reads, good = try_with(name, bad, folder)
    bad.close()
    expect(f"{statuses} {reads}", statuses == [200] * COMMANDS == [200] * len(good.read))
    expect("asked", bad.read != [])
    return f"{len(bad.read)} of {COMMANDS} answered 503 by one and 200 by the other"


SCENES: list[Callable[[str, Path], str]] = [
    silent_replica, replica_that_dies, refused_connection, full_replica,
]


def missing() -> str | None:
    """What these need and is not there."""
    return None if shutil.which("openssl") else "openssl"
