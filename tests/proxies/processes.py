"""What runs: torrap, a front end before it, and a stand-in for Slack behind it."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from client import DEADLINE, SECRET, Address

HERE = Path(__file__).resolve().parent
LISTENING = "0A"  # in the kernel's table of connections
ATTEMPTS = 3  # a port that was free may be taken by another process before it is used


class SlackStandIn:
    """Takes what is posted to a `response_url`."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.posted = threading.Condition()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                with stand_in.posted:
                    stand_in.texts.append(json.loads(content)["text"])
                    stand_in.posted.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> "SlackStandIn":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, text: str, count: int) -> int:
        """How many replies with this text there are, once there are so many or the time is over."""
        with self.posted:
            self.posted.wait_for(lambda: self.texts.count(text) >= count, DEADLINE)
            return self.texts.count(text)


class Running:
    """A process that is ended with its block."""

    process: subprocess.Popen

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Torrap(Running):
    """The bot, which chooses its own port."""

    def __init__(self, binary: Path, origin: str) -> None:
        self.process = subprocess.Popen(
            [str(binary), "--listen", "127.0.0.1:0", "--delay", "0", "--reply-origin", origin],
            env={"SLACK_SIGNING_SECRET": SECRET.decode(), "LOG_LEVEL": "info"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        for line in self.process.stderr:
            if "listening on http://" in line:
                host, port = line.strip().rsplit("http://", 1)[1].split(":")
                self.address: Address = (host, int(port))
                break
        else:
            raise RuntimeError("torrap does not start")
        # Read on for ever: a log that stalls would be another test.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def __enter__(self) -> "Torrap":
        return self

    def open_connections(self) -> int:
        """How many connections it has not closed."""
        return sum(inode != "0" for _, inode in self._connections())

    def known_connections(self) -> set[str]:
        """All connections to it that the kernel remembers: those of the last minute, open or not,
        unless they ended with a reset."""
        return {peer for peer, _ in self._connections()}

    def _connections(self) -> list[tuple[str, str]]:
        """The peer of each, and the inode of torrap's end, which is 0 without a descriptor."""
        connections = []
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, _, _, _, _, _, inode, *_ = line.split()
            port = f":{self.address[1]:04X}"
            if local.endswith(port) and state != LISTENING:
                connections.append((remote, inode))
            elif remote.endswith(port):
                connections.append((local, "0"))
        return connections


class FrontEnd(Running):
    """nginx, HAProxy or caddy, before a torrap of its own."""

    def __init__(self, name: str, torrap: Torrap, slack: SlackStandIn, folder: Path) -> None:
        self.name, self.torrap, self.slack = name, torrap, slack
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)

    def __enter__(self) -> "FrontEnd":
        for _ in range(ATTEMPTS):
            self.address = free_address()
            self.process = subprocess.Popen(
                self._command(),
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "GOMAXPROCS": "1"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=(self.folder / "log").open("w"),
            )
            if self._is_up():
                return self
            self.__exit__()
        raise RuntimeError(f"{self.name} does not start: {self.log()}")

    def log(self) -> str:
        return (self.folder / "log").read_text()[-2000:]

    def _command(self) -> list[str]:
        file = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}[self.name]
        configuration = self.folder / file
        configuration.write_text(self._filled_in((HERE / file).read_text()))
        path = str(configuration)
        return {
            "nginx": ["nginx", "-p", str(self.folder), "-e", "stderr", "-c", path],
            "haproxy": ["haproxy", "-q", "-db", "-f", path],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", path],
        }[self.name]

    def _filled_in(self, template: str) -> str:
        host, port = self.address
        words = {
            "FOLDER": str(self.folder),
            "FRONT": f"{host}:{port}",
            "FRONT_HOST": host,
            "FRONT_PORT": str(port),
            "TORRAP": "{}:{}".format(*self.torrap.address),
        }
        for word, value in words.items():
            template = template.replace(f"@{word}@", value)
        return template

    def _is_up(self) -> bool:
        deadline = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(self.address, 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False


def free_address() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


def installed() -> list[str]:
    # Debian has nginx and haproxy where only root looks.
    os.environ["PATH"] += ":/usr/sbin:/usr/local/sbin"
    return [name for name in ("nginx", "haproxy", "caddy") if shutil.which(name)]
