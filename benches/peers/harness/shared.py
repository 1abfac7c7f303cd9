"""torrap with a journal that a fleet shares in Redis: what that costs, and how fast a dead replica's replies move."""

import dataclasses
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from . import servers
from .measure import NEVER, Bench
from .servers import CLIENT_CORE, Running, Server
from .table import table, value

# What is done to each: connections, and commands a second; none is as fast as it goes.
LOADS = {
    "64 connections": {"connections": 64},
    "1,000 connections": {"connections": 1_000},
    "20,000 a second": {"connections": 256, "rate": 20_000},
}
FSYNC = {"everysec": "everysec", "always": "always", "everysec, wait=1": "everysec"}
# Where the pending replies are kept; those in Redis are named by how it syncs, and for how many of its replicas a command waits.
PLACES = ("nowhere", "local journal", *(f"Redis, {name}" for name in FSYNC))
PENDING = 100_000


class Redis:
    """A server of its own on the client's core; another one follows it."""

    def __init__(self, folder: Path, fsync: str, leader: "Redis | None" = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-", dir=folder))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [
            "taskset", "-c", CLIENT_CORE, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync", fsync,
        ]
        if leader:
            self.command += ["--replicaof", "127.0.0.1", str(leader.port), "--repl-diskless-sync-delay", "0"]
        self.follows = leader is not None

    def __enter__(self) -> "Redis":
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def is_up(self) -> bool:
        wanted = "master_link_status:up" if self.follows else "loading:0"
        return wanted in self.ask("info")

    def ask(self, *words: str) -> str:
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def used_memory(self) -> int:
        lines = self.ask("info", "memory").splitlines()
        return next(int(line.split(":")[1]) for line in lines if line.startswith("used_memory:"))

    def url(self, wait: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/0?fleet=bench&wait={wait}"

    def pending(self) -> dict[str, int]:
        """How many jobs each hash of the fleet has."""
        keys = self.ask("keys", "{bench}:jobs:*").split()
        return {key: int(self.ask("hlen", key)) for key in keys}


def build() -> tuple[int, Server, Path]:
    """The size of the binary without the feature, torrap with it, and the load generator."""
    torrap, load = servers.build_torrap()
    size = torrap.binary.stat().st_size
    servers.cargo_build(servers.ROOT / "Cargo.toml", "--features", "redis")
    return size, torrap, load


def kept_in(place: str, stack: ExitStack, folder: Path) -> list[str]:
    """The setting for a place, with what that takes."""
    if place == "nowhere":
        return []
    if place == "local journal":
        return ["--journal", stack.enter_context(tempfile.TemporaryDirectory(dir=folder))]
    name = place.removeprefix("Redis, ")
    redis = stack.enter_context(Redis(folder, FSYNC[name]))
    wait = int("wait" in name)
    if wait:
        stack.enter_context(Redis(folder, FSYNC[name], redis))
    return ["--journal", redis.url(wait)]


def with_setting(server: Server, more: list[str]) -> Server:
    return dataclasses.replace(server, command=[*server.command, *more])


def loads(bench: Bench, server: Server, folder: Path) -> dict[str, dict[str, list[dict]]]:
    """Every round does everything once with each place, in turns."""
    found = {name: {place: [] for place in PLACES} for name in LOADS}
    for index in range(bench.scale.rounds):
        for name, options in LOADS.items():
            for place in PLACES[index % len(PLACES):] + PLACES[:index % len(PLACES)]:
                with ExitStack() as stack:
                    setting = kept_in(place, stack, folder)
                    running = stack.enter_context(Running(with_setting(server, setting), NEVER))
                    found[name][place].append(bench.timed(running, **options))
        print(f"round {index + 1} of {bench.scale.rounds}: done")
    return found


def takeover(bench: Bench, server: Server, folder: Path) -> dict[str, float]:
    """A replica is killed with many replies pending, and another one takes them."""
    count = PENDING // bench.scale.pending_divisor
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(folder, "everysec"))
        replica = with_setting(server, ["--journal", redis.url()])
        dying = stack.enter_context(Running(replica, NEVER))
        living = stack.enter_context(Running(replica, NEVER))
        before = redis.used_memory()
        bench.run(dying, connections=64, count=count)
        memory = (redis.used_memory() - before) / count
        (source, held), = ((key, held) for key, held in redis.pending().items() if held)
        if held != count:
            raise RuntimeError(f"{count} were acknowledged, Redis has {held}")
        dying.process.kill()
        killed = time.monotonic()
        begun = wait_until(lambda: redis.pending().get(source, 0) < count) - killed
        moved = wait_until(lambda: redis.pending().get(source, 0) == 0) - killed
        if sum(redis.pending().values()) != count or living.process.poll() is not None:
            raise RuntimeError(f"of {count} are left: {redis.pending()}")
    return {"pending": count, "begun": begun, "moved": moved, "memory": memory}


def wait_until(is_so) -> float:
    deadline = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("the other replica does not take them")
        time.sleep(0.005)
    return time.monotonic()


def tables(results: dict) -> str:
    header = ["load", "pending replies are kept in", "commands/s", "× nowhere", "p50 µs", "p99 µs", "CPU µs"]
    rows = []
    for name, places in results["loads"].items():
        nowhere = value(places["nowhere"], "answered_per_second")
        for place, runs in places.items():
            rate = value(runs, "answered_per_second")
            row = [name, place, f"{rate:,.0f}", f"{rate / nowhere:.2f}"]
            row += [f"{value(runs, key):,.0f}" for key in ("p50_us", "p99_us")]
            rows.append([*row, f"{value(runs, 'cpu_us'):.2f}"])
    moved, (without, size) = results["takeover"], results["binary"]
    return (
        f"{table(header, rows)}\n\n"
        f"* {moved['pending']:,} replies of a replica that was killed: the other one begins to take them after "
        f"{moved['begun']:.1f} s and has them after {moved['moved']:.1f} s. "
        f"Each takes {moved['memory']:.0f} B in Redis.\n"
        f"* The binary has {without:,} bytes, and {size:,} with the feature."
    )
