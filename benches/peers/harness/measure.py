"""The measurements: each starts a fresh server, loads it, and ends it."""

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from .servers import CLIENT_CORE, ORIGIN, SECRET, SINK, Running, Server, arguments, environment

# Long enough that no reply falls due: the acknowledgement alone is measured, with its scheduling.
NEVER = 600
CONNECTIONS = 64
RATE = 20_000
# Replies pending at once end to end: enough to keep 64 connections to Slack busy.
WINDOW = 512
KIB = 1024
# How long a distant receiver takes to answer, s, and the servers that post to one: torrap and the peer that is closest to it.
ROUND_TRIP = 0.05
FAR = ("torrap", "hyper")
# Commands a second that are signed before the run for a server that gets none twice: more than any has answered.
FASTEST = 160_000
# Replies that fall due together, s after their commands, and the commands a second meanwhile.
WAVE, WAVE_DELAY, WAVE_RATE = 100_000, 4, 5_000


@dataclass
class Scale:
    """How much of everything is done."""

    rounds: int
    seconds: float
    warmup: float
    reply_rounds: int
    growth_rounds: int
    idle: int = 10_000
    pending_divisor: int = 1


FULL = Scale(rounds=5, seconds=2.5, warmup=0.4, reply_rounds=3, growth_rounds=1)
QUICK = Scale(
    rounds=2, seconds=1, warmup=0.3, reply_rounds=1, growth_rounds=1, idle=2_000, pending_divisor=5
)


class Bench:
    """Runs the load generator against servers."""

    def __init__(self, load: Path, scale: Scale) -> None:
        self.load = load
        self.scale = scale

    def run(self, running: Running, **options: object) -> dict[str, float]:
        """One run of the load generator, pinned to the client's core."""
        command = ["taskset", "-c", CLIENT_CORE, str(self.load), "run"]
        command += ["--target", running.address, "--pid", str(running.process.pid)]
        options = {"reply_origin": ORIGIN, **options}
        for name, value in options.items():
            flag = "--" + name.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        result = subprocess.run(
            command, env={"SLACK_SIGNING_SECRET": SECRET}, capture_output=True, text=True
        )
        if result.returncode != 0:
            raise RuntimeError(f"{running.server.name}: {result.stderr.strip()}")
        return with_cost(json.loads(result.stdout))

    def timed(self, running: Running, **options: object) -> dict[str, float]:
        seconds = self.scale.warmup + self.scale.seconds
        fresh = signed_before(running.server, int(seconds * int(options.get("rate", FASTEST))) + 1_000)
        return self.run(
            running, warmup=self.scale.warmup, seconds=self.scale.seconds, **fresh, **options
        )

    def saturation(self, server: Server, **options: object) -> dict[str, float]:
        options = {"connections": CONNECTIONS, "forged_every": server.forged_every, **options}
        with Running(server, NEVER) as running:
            return self.timed(running, **options)

    def at_rate(self, server: Server, saturated: float) -> dict[str, float]:
        rate = RATE if saturated * 0.7 >= RATE else max(100, int(saturated * 0.007) * 100)
        with Running(server, NEVER) as running:
            result = self.timed(
                running, connections=CONNECTIONS, rate=rate, forged_every=server.forged_every
            )
        return {**result, "rate": rate}

    def end_to_end(self, server: Server, origin: str = ORIGIN, **receiver: object) -> dict[str, float]:
        with Running(server, 0, origin) as running:
            result = self.timed(
                running, connections=CONNECTIONS, window=WINDOW, sink=SINK, reply_origin=origin, **receiver
            )
        return {**result, "switches": result["switches"] / max(result["delivered"], 1)}

    def over_tls(self, server: Server, folder: Path) -> dict[str, float]:
        """The same to a receiver with TLS, whose certificate is in the folder."""
        trusting = replace(server, command=[*server.command, "--ca-file", str(folder / "certificate.pem")])
        return self.end_to_end(trusting, ORIGIN.replace("http:", "https:"), sink_key=folder / "key.der")

    def memory(self, server: Server) -> dict[str, float]:
        """Idle, per idle connection, per pending job, after the load; bytes."""
        with Running(server, 5) as running:
            result = self.run(running, connections=0, idle=self.scale.idle, count=0)
        found = {
            "idle": result["rss_start"],
            "per_connection": (result["rss_connected"] - result["rss_start"]) / self.scale.idle,
            "with_connections": result["rss_connected"],
        }
        if server.replies:
            count = server.pending // self.scale.pending_divisor
            with Running(server, 5) as running:
                result = self.run(
                    running, connections=CONNECTIONS, count=count, sink=SINK, settle=True,
                    **signed_before(server, count),
                )
            found["per_job"] = (result["rss_loaded"] - result["rss_connected"]) / count
            found["pending"] = count
            found["after"] = result["rss_after"]
        return found

    def startup(self, server: Server, times: int) -> float:
        """Median milliseconds from being started to accepting a connection; not pinned."""
        found = []
        for _ in range(times):
            Running.port += 1
            address = f"127.0.0.1:{Running.port}"
            command = [str(self.load), "startup", address, *arguments(server, address, NEVER)]
            result = subprocess.run(
                command, env=environment(server), check=True, capture_output=True, text=True
            )
            found.append(float(result.stdout))
        return sorted(found)[times // 2]


def signed_before(server: Server, count: int) -> dict[str, object]:
    """How many requests are signed before a run, if the server gets none of them twice."""
    return {"distinct": count, "fresh": True} if server.fresh else {}


def with_cost(result: dict[str, float]) -> dict[str, float]:
    """Adds the CPU microseconds of the server for each command."""
    commands = max(result["answered"], 1)
    user = result["user_seconds"] / commands * 1e6
    system = result["system_seconds"] / commands * 1e6
    return {**result, "user_us": user, "system_us": system, "cpu_us": user + system}


def rounds(bench: Bench, servers: list[Server]) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Acknowledgements: every round runs every server once, each time in another order."""
    servers = [server for server in servers if not server.rests]
    found = {server.name: {"saturation": [], "rate": []} for server in servers}
    for index in range(bench.scale.rounds):
        started = time.monotonic()
        turn = index * max(1, len(servers) // bench.scale.rounds) % len(servers)
        for server in servers[turn:] + servers[:turn]:
            of_server = found[server.name]
            of_server["saturation"].append(bench.saturation(server))
            saturated = of_server["saturation"][0]["answered_per_second"]
            of_server["rate"].append(bench.at_rate(server, saturated))
        print(f"round {index + 1} of {bench.scale.rounds}: {time.monotonic() - started:.0f} s")
    return found


def replies(bench: Bench, servers: list[Server]) -> dict[str, list[dict[str, float]]]:
    """Accepted and delivered, rounds interleaved as above."""
    servers = [server for server in servers if server.replies and not server.rests]
    found = {server.name: [] for server in servers}
    for index in range(bench.scale.reply_rounds):
        turn = index * max(1, len(servers) // bench.scale.reply_rounds) % len(servers)
        for server in servers[turn:] + servers[:turn]:
            found[server.name].append(bench.end_to_end(server))
    return found


def receivers(bench: Bench, servers: list[Server]) -> dict[str, list[dict[str, float]]]:
    """Accepted and delivered, to a receiver that is far away and to one with TLS. No peer trusts a certificate of ours."""
    far = [server for server in servers if server.name in FAR]
    torrap = next(server for server in far if server.name == "torrap")
    found = {f"{server.name}, {ROUND_TRIP * 1000:.0f} ms": [] for server in far}
    found["torrap, TLS"] = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([bench.load, "certificate", folder], check=True)
        for _ in range(bench.scale.reply_rounds):
            for name, server in zip(found, far):
                found[name].append(bench.end_to_end(server, sink_delay=ROUND_TRIP))
            found["torrap, TLS"].append(bench.over_tls(torrap, Path(folder)))
    return found


def resources(bench: Bench, servers: list[Server], times: int) -> dict[str, dict[str, float]]:
    found = {}
    for server in servers:
        found[server.name] = bench.memory(server)
        found[server.name]["startup_ms"] = bench.startup(server, times)
        if server.binary:
            found[server.name]["binary"] = server.binary.stat().st_size
        print(f"memory and start of {server.name}: done")
    return found


def growth(bench: Bench, torrap: Server, floor: Server) -> dict[str, list[dict[str, float]]]:
    """How torrap's CPU per command grows; each point is the least of its repetitions. Busy connections cost the kernel
    more, too: for them the floor is measured beside."""
    divisor = bench.scale.pending_divisor
    curves = {
        "connections": [(n, {"connections": n}) for n in (1, 64, 1_000, 8_000)],
        "idle": [(n, {"idle": n}) for n in (0, 1_000, 8_000)],
        "pipelining": [(n, {"pipeline": n}) for n in (1, 4, 16, 64)],
        "content": [
            (n, {"content_bytes": int(n * KIB)}) for n in (0.5, 1, 4, 16, 64, 200)
        ],
        "pending": [(n // divisor, {}) for n in (0, 100_000, 1_000_000)],
    }
    curves = {"floor": curves["connections"], **curves}
    found = {}
    for name, points in curves.items():
        found[name] = []
        server = floor if name == "floor" else torrap
        for x, options in points:
            pending = x if name == "pending" else 0
            runs = [point(bench, server, options, pending) for _ in range(bench.scale.growth_rounds)]
            best = min(runs, key=lambda run: run["cpu_us"])
            found[name].append({"x": x, **best})
        print(f"growth with {name}: done")
    found["load"] = under_load(bench, torrap, found["connections"][1]["answered_per_second"])
    return found


def wave(bench: Bench, torrap: Server) -> list[dict[str, float]]:
    """Acknowledgements before and while a wave of replies falls due; the later one also pays for sending them."""
    count = WAVE // bench.scale.pending_divisor
    with Running(torrap, WAVE_DELAY) as running:
        bench.run(running, connections=CONNECTIONS, count=count)
        calm, due = (
            bench.run(running, connections=CONNECTIONS, rate=WAVE_RATE, warmup=0, seconds=seconds, sink=SINK)
            for seconds in (2, WAVE_DELAY + 2)
        )
    return [{"x": "before", **calm}, {"x": f"{count:,} due", **due}]


def under_load(bench: Bench, torrap: Server, saturated: float) -> list[dict[str, float]]:
    """Latency at shares of the saturated rate, in percent; of each the median repetition."""
    found = []
    for share in (20, 40, 60, 80, 90):
        rate = int(saturated * share / 100)
        runs = []
        for _ in range(bench.scale.growth_rounds):
            with Running(torrap, NEVER) as running:
                runs.append(bench.timed(running, connections=CONNECTIONS, rate=rate))
        runs.sort(key=lambda run: run["p99_us"])
        found.append({"x": share, "rate": rate, **runs[len(runs) // 2]})
    return found


def point(bench: Bench, server: Server, options: dict[str, object], pending: int) -> dict[str, float]:
    with Running(server, NEVER) as running:
        if pending:
            bench.run(running, connections=CONNECTIONS, count=pending)
        return bench.timed(running, **{"connections": CONNECTIONS, **options})
