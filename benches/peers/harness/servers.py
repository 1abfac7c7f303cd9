"""The servers that are measured: how each is built, started and ended."""

import dataclasses
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent
ROOT = PEERS.parent.parent
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SERVER_CORE, CLIENT_CORE = "0", "1"
# The listener of the stand-in for Slack; every reply's origin.
SINK = "127.0.0.1:18099"
ORIGIN = f"http://{SINK}"
FIRST_PORT = 18100
# Where Debian's packages put the sources of Go libraries.
GO_PACKAGES = Path("/usr/share/gocode")
ONLY_TORRAP_READS = {"SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}


@dataclass
class Server:
    """A row of the tables."""

    name: str
    command: list[str]  # placeholders {address} {delay} {origin}
    label: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    binary: Path | None = None
    forged_every: int = 100  # each so many commands is forged and must be answered 401
    replies: bool = True
    pending: int = 100_000  # jobs held at once when memory is measured
    fresh: bool = False  # no request is sent twice
    rests: bool = False  # only its memory, size and start are measured


class Running:
    """A started server, pinned to its core, killed at the end of the block."""

    port = FIRST_PORT

    def __init__(self, server: Server, delay: float, origin: str = ORIGIN) -> None:
        # A port of its own, so that no connection of the last server is in the way.
        Running.port = FIRST_PORT + (Running.port - FIRST_PORT + 1) % 800
        self.address = f"127.0.0.1:{Running.port}"
        self.command = arguments(server, self.address, delay, origin)
        self.environment = environment(server)
        self.server = server

    def __enter__(self) -> "Running":
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *self.command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        host, port = self.address.split(":")
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    sys.exit(f"{self.server.name} does not start: {' '.join(self.command)}")
                time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def arguments(server: Server, address: str, delay: float, origin: str = ORIGIN) -> list[str]:
    values = {"address": address, "delay": str(delay), "origin": origin}
    return [argument.format(**values) for argument in server.command]


def environment(server: Server) -> dict[str, str]:
    """This shell's, without the variables that torrap alone reads: a file of authorities costs it memory and time."""
    own = {name: value for name, value in os.environ.items() if name not in ONLY_TORRAP_READS}
    return {**own, "SLACK_SIGNING_SECRET": SECRET, **server.environment}


def target_directory(manifest: Path) -> Path:
    """Where cargo puts what it builds, whatever the user has set."""
    query = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest]
    answer = subprocess.run(query, check=True, capture_output=True, text=True)
    return Path(json.loads(answer.stdout)["target_directory"])


def build_own(*packages: str) -> tuple[Path, Path]:
    """Builds torrap, and the load generator with all peers or as the arguments for cargo say."""
    cargo_build(ROOT / "Cargo.toml")
    cargo_build(PEERS / "Cargo.toml", *packages)
    torrap = target_directory(ROOT / "Cargo.toml") / "release" / "torrap"
    return torrap, target_directory(PEERS / "Cargo.toml") / "release" / "load"


def cargo_build(manifest: Path, *more: str) -> None:
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", manifest, *more]
    subprocess.run(command, check=True)


def build() -> tuple[list[Server], Path]:
    """Builds everything; the servers that can run here, and the load generator."""
    torrap, load = build_own()
    target = target_directory(PEERS / "Cargo.toml")
    release = target / "release"
    servers = [floor(release), *torraps(torrap), *static(torrap), *frameworks(release)]
    servers += go_bots(release, target / "venv-go") + python_bots(target / "venv") + node_bots()
    return servers, load


def build_torrap() -> tuple[Server, Path]:
    """Builds torrap and the load generator alone; torrap logs a line for each of few commands."""
    binary, load = build_own("--package", "load")
    return next(server for server in torraps(binary) if server.name == "torrap-info"), load


def floor(release: Path) -> Server:
    binary = release / "floor"
    return Server(
        "floor", [str(binary), "{address}"], "read + write, nothing else",
        binary=binary, forged_every=0, replies=False,
    )


def torraps(binary: Path) -> list[Server]:
    command = [
        str(binary), "serve", "--listen", "{address}", "--delay", "{delay}",
        "--reply-origin", "{origin}", "--tolerance", "300",
        "--max-pending", "10000000", "--max-connections", "16000",
    ]
    quiet = {"LOG_LEVEL": "warn"}
    # The client sends each request many times, but to the fresh one.
    replayed = [*command, "--allow-replays"]
    # The peers log nothing, so the quiet one is what they are compared with.
    return [
        Server("torrap", replayed, "LOG_LEVEL=warn", quiet, binary),
        Server("torrap-info", replayed, "default log, to /dev/null", {"LOG_LEVEL": "info"}, binary),
        Server("torrap-fresh", command, "no request twice", quiet, binary, fresh=True),
    ]


def static(torrap: Path) -> list[Server]:
    """As production has it, beside `torrap-fresh`."""
    target = f"{platform.machine()}-unknown-linux-musl"
    installed = subprocess.run(["rustc", "--print", "target-libdir", "--target", target], capture_output=True, text=True)
    if shutil.which("musl-gcc") is None or not Path(installed.stdout.strip()).is_dir():
        print(f"skipped: torrap-static (apt-get install musl-tools; rustup target add {target})")
        return []
    compiler = {f"CC_{target.replace('-', '_')}": "musl-gcc"}
    build = ["cargo", "build", "--release", "--locked", "--target", target, "--manifest-path", ROOT / "Cargo.toml"]
    # In the folder whose .cargo/config.toml says how it is linked.
    subprocess.run(build, check=True, cwd=ROOT, env={**os.environ, **compiler})
    binary = torrap.parent.parent / target / "release" / "torrap"
    fresh = next(server for server in torraps(binary) if server.fresh)
    return [dataclasses.replace(fresh, name="torrap-static", label="static build", rests=True)]


def frameworks(release: Path) -> list[Server]:
    servers = []
    for name, label in (
        ("hyper", "hyper 1, tokio current-thread"),
        ("axum", "axum 0.8, tokio current-thread"),
        ("actix", "actix-web 4, one worker"),
        ("ntex", "ntex 3, one worker, on tokio"),
        ("may", "may_minihttp 0.1, one worker"),
    ):
        binary = release / f"peer-{name}"
        command = [str(binary), "{address}", "{delay}", "{origin}"]
        servers.append(Server(name, command, label, binary=binary))
    return servers


def virtual_environment(venv: Path, requirements: Path) -> str:
    """Installs what a file names, unless it is there; an empty text, or why that was impossible."""
    installed = venv / "installed.txt"
    try:
        if not installed.exists() or installed.read_text() != requirements.read_text():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            pip = [venv / "bin" / "pip", "install", "--quiet", "-r", requirements]
            subprocess.run(pip, check=True)
            shutil.copy(requirements, installed)
    except OSError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return f"{' '.join(map(str, error.cmd))} failed"
    return ""


def go_bots(release: Path, venv: Path) -> list[Server]:
    """fasthttp by a Go from PyPI: the one of a distribution may know no SHA instructions, which came with Go 1.21."""
    if not (GO_PACKAGES / "src" / "github.com" / "valyala" / "fasthttp").exists():
        print("skipped: fasthttp, whose source is not installed (apt-get install golang-github-valyala-fasthttp-dev)")
        return []
    if reason := virtual_environment(venv, PEERS / "fasthttp" / "requirements.txt"):
        print(f"skipped: fasthttp, for which Go cannot be installed ({reason})")
        return []
    binary = release / "peer-fasthttp"
    # As Debian builds Go programs: from the sources of its own packages, without the network.
    own = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES), "GOTOOLCHAIN": "local", "GOCACHE": str(venv / "cache")}
    build = [venv / "bin" / "go", "build", "-ldflags=-s -w", "-o", binary, PEERS / "fasthttp" / "main.go"]
    try:
        subprocess.run(build, env={**os.environ, **own}, check=True)
    except (OSError, subprocess.CalledProcessError):
        print("skipped: fasthttp, which cannot be built")
        return []
    command = [str(binary), "{address}", "{delay}", "{origin}"]
    return [Server("fasthttp", command, "Go's fasthttp, one thread", binary=binary)]


def python_bots(venv: Path) -> list[Server]:
    if reason := virtual_environment(venv, PEERS / "python" / "requirements.txt"):
        print(f"skipped: aiohttp, which cannot be installed ({reason})")
        return []
    bot = [str(venv / "bin" / "python"), str(PEERS / "python" / "bot.py")]
    bot += ["{address}", "{delay}", "{origin}"]
    return [
        Server("aiohttp", bot, "aiohttp, Python 3", pending=20_000),
        Server("aiohttp-uvloop", [*bot, "--uvloop"], "aiohttp with uvloop", pending=20_000),
    ]


def node_bots() -> list[Server]:
    node = shutil.which("node")
    if node is None:
        print("skipped: node, which is not installed")
        return []
    bot = [node, str(PEERS / "node" / "bot.mjs"), "{address}", "{delay}", "{origin}"]
    return [Server("node", bot, "node:http, no framework", pending=20_000)]
