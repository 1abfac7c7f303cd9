"""torrap's journal on a disk whose syncs take a set time: a library in front of libc's fdatasync."""

import hashlib
import hmac
import http.client
import json
import os
import socket
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

from . import measure
from .journaled import Journaled
from .servers import CLIENT_CORE, PEERS, SECRET, Server
from .table import table, value

# Microseconds that a sync takes, and connections: commands a second with the journal against without.
SATURATED = ((150, 64), (150, 1_000), (5_000, 1_000))
# The same, with commands at a fixed rate, and /healthz asked beside them.
RATED_US, RATE = 5_000, 20_000
STUCK_US = 6_000_000
# When a reply of the stuck run falls due, in the middle of the long sync.
DUE_SECONDS = 3
QUICK_US = 150


class Disk:
    """Where journals are made, and how long a sync takes there."""

    def __init__(self, folder: Path) -> None:
        # What measures shares the client's core, and takes nothing from the server's.
        os.sched_setaffinity(0, {int(CLIENT_CORE)})
        self.folder = folder
        self.micros = folder / "micros"
        self.library = folder / "fdatasync.so"
        self.micros.write_bytes(bytes(8))
        source = PEERS / "fdatasync.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self.library, source], check=True)

    def set(self, micros: int) -> None:
        with self.micros.open("r+b") as file:
            file.write(struct.pack("q", micros))

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SYNC_MICROSECONDS": str(self.micros)}


class Bench:
    """The measurements of one binary on one disk."""

    def __init__(self, bench: measure.Bench, server: Server, disk: Disk) -> None:
        self.bench, self.server, self.disk = bench, server, disk

    def running(self, is_journaled: bool, delay: float = measure.NEVER, *more: str) -> Journaled:
        running = Journaled(self.server, delay, self.disk.folder if is_journaled else None, *more)
        running.environment = {**running.environment, **self.disk.environment()}
        return running

    def loads(self) -> list[dict]:
        """Each round does everything once with and once without, in turns."""
        found = [{"micros": us, "connections": n, "off": [], "on": []} for us, n in SATURATED]
        for index in range(self.bench.scale.rounds):
            for row in found:
                self.disk.set(row["micros"])
                for which in ("off", "on") if index % 2 == 0 else ("on", "off"):
                    with self.running(which == "on") as running:
                        row[which].append(
                            self.bench.timed(running, connections=row["connections"])
                        )
        return found

    def beside(self) -> list[dict]:
        """Latency of acknowledgements at a fixed rate, and of /healthz beside them."""
        self.disk.set(RATED_US)
        found = []
        for _ in range(self.bench.scale.rounds):
            with self.running(True) as running:
                # The load generator asks by itself: it keeps its core busy, and another process there would wait for that.
                found.append(self.bench.timed(running, connections=256, rate=RATE, health=True))
        return found

    def stuck(self) -> dict:
        """One sync of six seconds: what waits for it."""
        self.disk.set(QUICK_US)
        with Receiver() as receiver:
            origin = f"http://127.0.0.1:{receiver.port}"
            with self.running(True, DUE_SECONDS, "--reply-origin", origin) as running:
                began = time.monotonic()
                acknowledged = command(running.address, f"{origin}/due")
                self.disk.set(STUCK_US)
                with Health(running.address) as health:
                    during = command(running.address, f"{origin}/during", before=lambda: self.release())
                    time.sleep(max(0, began + 7.5 - time.monotonic()))
                after = command(running.address, f"{origin}/after")
                receiver.wait("/after", DUE_SECONDS + 5)
            late = receiver.times["/due"] - began - DUE_SECONDS
        return {
            "acknowledged": acknowledged, "during": during, "after": after,
            "health_worst": max(health.took), "reply_late": late,
            "replied_to_during": "/during" in receiver.times,
        }

    def release(self) -> None:
        """Only the sync that has just begun is a long one."""
        time.sleep(0.2)
        self.disk.set(QUICK_US)


class Health:
    """Asks /healthz every 10 ms on connections of its own, whether or not the last one was answered."""

    def __init__(self, address: str) -> None:
        self.address, self.took, self.asking = address, [], []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ask_on)

    def ask_on(self) -> None:
        while not self.ended.wait(0.01):
            asking = threading.Thread(target=self.ask)
            asking.start()
            self.asking.append(asking)

    def ask(self) -> None:
        host, port = self.address.rsplit(":", 1)
        began = time.perf_counter()
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: torrap\r\n\r\n")
            status = connection.recv(4096).split(b" ", 2)[1]
            self.took.append(time.perf_counter() - began)
        if status != b"200":
            raise RuntimeError("/healthz is not 200")

    def __enter__(self) -> "Health":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        for asking in self.asking:
            asking.join()


class Receiver:
    """Slack's side: when each reply came, by its path."""

    def __init__(self) -> None:
        times = self.times = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                times.setdefault(self.path, time.monotonic())
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def wait(self, path: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while path not in self.times and time.monotonic() < deadline:
            time.sleep(0.01)

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()


def command(address: str, response_url: str, before=lambda: None) -> dict:
    """Sends a signed command; how long its answer took, and what it was. `before` runs once it is sent."""
    form = {"command": "/torrap", "text": "olleh", "response_url": response_url, "user_id": "U1"}
    content = urlencode(form).encode()
    stamp = str(int(time.time()))
    base = b"v0:" + stamp.encode() + b":" + content
    signature = "v0=" + hmac.new(SECRET.encode(), base, hashlib.sha256).hexdigest()
    fields = {
        "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection(address, timeout=15)
    began = time.perf_counter()
    connection.request("POST", "/slack", content, fields)
    before()
    text = connection.getresponse().read().decode()
    took = time.perf_counter() - began
    return {"seconds": took, "answer": json.loads(text)["text"] if text else "acknowledged"}


def tables(results: dict) -> str:
    rows = []
    for row in results["loads"]:
        on, off = (value(row[which], "answered_per_second") for which in ("on", "off"))
        p99 = value(row["on"], "p99_us") / 1000
        load = f"a sync of {row['micros'] / 1000:g} ms, {row['connections']:,} connections"
        rows.append([load, f"{on:,.0f}", f"{on / off:.2f}", f"{p99:.1f}"])
    saturated = table(["load", "commands/s", "× without", "p99 ms"], rows)
    beside, stuck = results["beside"], results["stuck"]
    p99, health = (value(beside, key) / 1000 for key in ("p99_us", "health_p99_us"))
    during = stuck["during"]
    rows = [
        [f"a sync of {RATED_US / 1000:g} ms, {RATE:,} commands/s: p99 of acknowledgements", f"{p99:.1f} ms"],
        ["… of `/healthz` beside them", f"{health:.1f} ms"],
        ["one sync of 6 s: the slowest `/healthz`", f"{stuck['health_worst'] * 1000:,.0f} ms"],
        ["… a reply that falls due meanwhile is late by", f"{stuck['reply_late'] * 1000:,.0f} ms"],
        ["… a command sent meanwhile", f"\"{during['answer']}\" after {during['seconds']:.2f} s"],
        ["… and its reply", "posted" if stuck["replied_to_during"] else "not posted"],
        ["… the next command afterwards", stuck["after"]["answer"]],
    ]
    return f"{saturated}\n\n{table(['', 'measured'], rows)}"
