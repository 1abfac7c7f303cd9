"""torrap with and without its journal: what the disk costs."""

import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .measure import NEVER, Bench
from .servers import ORIGIN, SINK, Running, Server
from .table import table, value

# What is done to both: connections, and commands a second; none is as fast as it goes.
LOADS = {
    "64 connections": {"connections": 64},
    "1,000 connections": {"connections": 1_000},
    "20,000 a second": {"connections": 256, "rate": 20_000},
    "50,000 a second": {"connections": 256, "rate": 50_000},
}
# Replies that are pending for half an hour, and the bytes of their texts: few that keep a log of the smallest bound from
# being deleted, and so many that three times their size is more than that.
STRAGGLERS = {"few": (1_000, 0), "large": (3_000, 8_192)}
# The texts of what passes by meanwhile: so long that it would be hundreds of megabytes.
PASSING_TEXT = 4_096
COUNTS = re.compile(
    r"journal: accepted (\d+), writes (\d+), syncs (\d+), bytes (\d+), moved (\d+), "
    r"failures (\d+), at most (\d+) bytes"
)
NAMES = ("accepted", "writes", "syncs", "bytes", "moved", "failures", "peak")


class Journaled(Running):
    """A server with a journal in a new directory, and without one if there is no folder for it."""

    def __init__(self, server: Server, delay: float, folder: Path | None, *more: str) -> None:
        super().__init__(server, delay)
        self.directory = folder and Path(tempfile.mkdtemp(prefix="journal-", dir=folder))
        self.command += more
        if self.directory:
            self.command += ["--journal", str(self.directory)]
        self.log = tempfile.TemporaryFile("w+")

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(
            ["taskset", "-c", "0", *self.command],
            env=self.environment, stdin=subprocess.DEVNULL, stderr=self.log,
        )

    def __enter__(self) -> "Journaled":
        self.process = self.start()
        deadline = time.monotonic() + 10
        while "listening on" not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"torrap does not start: {self.text()}")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.directory:
            shutil.rmtree(self.directory)

    def stop(self) -> None:
        """Gracefully with a journal, since the counts come last; without one that would take long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if self.directory else signal.SIGKILL)
            self.process.wait(30)

    def text(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def counts(self) -> dict[str, int]:
        self.stop()
        found = COUNTS.search(self.text())
        if found is None:
            raise RuntimeError(f"no counts in {self.text()[-2000:]}")
        return dict(zip(NAMES, map(int, found.groups())))


def loads(bench: Bench, server: Server, folder: Path) -> dict[str, dict[str, list[dict]]]:
    """Every round does everything once with and once without, in turns."""
    found = {name: {"off": [], "on": []} for name in LOADS}
    for index in range(bench.scale.rounds):
        for name, options in LOADS.items():
            for which in ("off", "on") if index % 2 == 0 else ("on", "off"):
                with Journaled(server, NEVER, folder if which == "on" else None) as running:
                    began = time.monotonic()
                    result = bench.timed(running, **options)
                    result["whole_seconds"] = time.monotonic() - began
                    if which == "on":
                        result.update(running.counts())
                found[name][which].append(result)
        print(f"round {index + 1} of {bench.scale.rounds}: done")
    return found


def recovery(bench: Bench, server: Server, folder: Path) -> dict[str, float]:
    """How long a start takes after a kill, from being started to listening, with all jobs pending."""
    count = 1_000_000 // bench.scale.pending_divisor
    with Journaled(server, NEVER, folder) as running:
        bench.run(running, connections=64, count=count)
        loaded = memory(running.process.pid)
        running.process.kill()
        running.process.wait()
        size = sum(file.stat().st_size for file in running.directory.iterdir())
        running.log = tempfile.TemporaryFile("w+")
        began = time.monotonic()
        running.process = running.start()
        while "startup" not in running.text():
            time.sleep(0.005)
        seconds = time.monotonic() - began
        found = re.search(r"journal: (\d+) replies pending from an earlier process", running.text())
        if found is None or int(found[1]) != count:
            raise RuntimeError(f"{count} were acknowledged; {running.text()}")
        rss, peak = memory(running.process.pid), memory(running.process.pid, "VmHWM")
    return {
        "pending": count, "seconds": seconds, "bytes": size,
        "rss_before": loaded, "rss": rss, "rss_peak": peak,
    }


def memory(pid: int, key: str = "VmRSS") -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{key}:\s*(\d+)", status)[1]) * 1024


class Later(BaseHTTPRequestHandler):
    """A receiver that wants every reply half an hour later."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Retry-After", "1700")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def stragglers(bench: Bench, server: Server, folder: Path) -> dict[str, dict[str, float]]:
    """The size of the log with some replies that are pending for half an hour, and everything else passing by."""
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Later)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{receiver.server_port}"
    found = {name: straggling(bench, server, folder, origin, *late) for name, late in STRAGGLERS.items()}
    receiver.shutdown()
    return found


def straggling(
    bench: Bench, server: Server, folder: Path, origin: str, count: int, text_bytes: int
) -> dict[str, float]:
    with Journaled(server, 0, folder, "--reply-origin", f"{ORIGIN},{origin}") as running:
        bench.run(
            running, connections=64, count=count, text_bytes=text_bytes, reply_origin=origin
        )
        live = on_disk(running.directory)
        with Peak(running.directory) as peak:
            result = bench.run(
                running, warmup=0, seconds=bench.scale.seconds * 2, connections=64, window=512,
                text_bytes=PASSING_TEXT, sink=SINK,
            )
        result.update(running.counts())
    return {**result, "stragglers": count, "live": live, "disk_peak": peak.bytes}


def on_disk(directory: Path) -> int:
    """Bytes of all files of a journal that is being written to."""
    total = 0
    for file in directory.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            pass  # deleted meanwhile
    return total


class Peak:
    """Looks again and again how large a directory is."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.bytes = directory, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.ended.wait(0.01):
            self.bytes = max(self.bytes, on_disk(self.directory))

    def __enter__(self) -> "Peak":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def syncs(folder: Path) -> dict[str, float]:
    """What a sync costs on this disk: 4 KiB appended and synced, in microseconds."""
    import os

    path = folder / "probe"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    took = []
    for _ in range(500):
        os.write(file, bytes(4096))
        began = time.perf_counter()
        os.fdatasync(file)
        took.append((time.perf_counter() - began) * 1e6)
    os.close(file)
    path.unlink()
    took.sort()
    return {"p50_us": took[250], "p99_us": took[495]}


def tables(results: dict) -> str:
    header = [
        "load", "journal", "commands/s", "× without", "p50 µs", "p99 µs", "CPU µs",
        "syncs/s", "commands per sync", "bytes per command",
    ]
    rows = []
    for name, of in results["loads"].items():
        without = value(of["off"], "answered_per_second")
        for which, runs in of.items():
            rate = value(runs, "answered_per_second")
            row = [name, which, f"{rate:,.0f}", f"{rate / without:.2f}"]
            row += [f"{value(runs, key):,.0f}" for key in ("p50_us", "p99_us")]
            row.append(f"{value(runs, 'cpu_us'):.2f}")
            if which == "on":
                row.append(f"{value(runs, 'syncs') / value(runs, 'whole_seconds'):,.0f}")
                for what, per in (("accepted", "syncs"), ("bytes", "accepted")):
                    row.append(f"{value(runs, what) / value(runs, per):,.0f}")
            else:
                row += ["–"] * 3
            rows.append(row)
    probe, again = results["sync"], results["recovery"]
    return (
        f"{table(header, rows)}\n\n"
        f"* A sync of 4 KiB on this disk: {probe['p50_us']:.0f} µs, p99 {probe['p99_us']:.0f} µs.\n"
        f"{straggler_lines(results['stragglers'])}\n"
        f"* A start after kill -9 with {again['pending']:,} pending, {again['bytes'] / 1e6:,.0f} MB of log: "
        f"{again['seconds']:.2f} s, at most {again['rss_peak'] / 1e6:,.0f} MB resident "
        f"({again['rss_before'] / 1e6:,.0f} MB before the kill)."
    )


def straggler_lines(found: dict[str, dict[str, float]]) -> str:
    lines = []
    for late in found.values():
        bound = max(64 * 2**20, 3 * late["live"])
        lines.append(
            f"* With {late['stragglers']:,} stragglers of {late['live'] / 1e6:,.1f} MB in all, {late['bytes'] / 1e6:,.0f} MB "
            f"written for {late['accepted']:,} commands, {late['moved']:,} records moved: on the disk at most "
            f"{late['disk_peak'] / 1e6:,.1f} MB, where {bound / 1e6:,.1f} MB are allowed."
        )
    return "\n".join(lines)
