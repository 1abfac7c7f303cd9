"""The figures that the guides quote from the results. A sentence or a row that is not found ends the run: what is changed by
hand there is changed here as well."""

import re

from . import ahead
from .table import MEGABYTE, MIB, value

README, DEPLOY = "README.md", "deploy/README.md"
# The rate is a round number in sentences.
ROUND = 10_000
# The servers that are as an operator has them; figures of theirs that were not measured are left as they are.
PRODUCTION = {"torrap-fresh", "torrap-static"}


def changed(results: dict[str, dict], guides: dict[str, str]) -> dict[str, str]:
    """The guides, by their paths, with the figures of these results."""
    found = dict(guides)
    for path, pattern, text in quoted(results):
        found[path], count = re.subn(pattern, lambda match: match[1] + text + match[2], found[path])
        if count != 1:
            raise LookupError(f"{path}: {count} places, in place of one, match what harness/guides.py looks for: {pattern}")
    return found


def quoted(results: dict[str, dict]) -> list[tuple[str, str, str]]:
    """File, what stands before and behind a figure there, and the figure."""
    found = []
    if peers := results.get("peers"):
        found += of_peers(peers)
    if slow := results.get("slow-disk"):
        found.append(row("… with a journal, 1,000 connections, a sync of 0.15 ms", slow_disk(slow), slow))
    if fleet := results.get("fleet"):
        found.append((DEPLOY, r"(\[)[\d.]+ to [\d.]+( times\]\(../benches/RESULTS.md#with-a-journal-in-redis\))", in_redis(fleet)))
    if journal := results.get("journal"):
        found.append((DEPLOY, r"(with a journal \[)[\d.]+ to [\d.]+( times that\])", on_disk(journal)))
    return found


def of_peers(peers: dict) -> list[tuple[str, str, str]]:
    saturation, rate = (peers["rounds"]["torrap"][key] for key in ("saturation", "rate"))
    fast, cpu = value(saturation, "answered_per_second"), value(saturation, "cpu_us")
    p50, p99 = (value(rate, key) / 1000 for key in ("p50_us", "p99_us"))
    rounded = f"{fast // ROUND * ROUND:,.0f}"
    resources = peers["resources"]
    found = as_in_production(peers, *(resources[name] for name in sorted(PRODUCTION))) if PRODUCTION <= resources.keys() else []
    return found + [
        row("commands acknowledged, one core", f"{fast:,.0f} a second, {cpu:.1f} µs of CPU each", peers),
        row("acknowledgement at 20,000 a second", f"p50 {p50:.2f} ms, p99 {p99:.1f} ms", peers),
        (README, r"(verifies and answers )[\d,]+( commands a second)", rounded),
        (DEPLOY, r"(\| one process \| )[\d,]+( commands a second)", rounded),
        (README, r"(\n)[^\n]*[Aa]head of torrap[^\n]*(\n)", ahead.sentence(peers)),
    ]


def as_in_production(peers: dict, fresh: dict, static: dict) -> list[tuple[str, str, str]]:
    """Memory and sizes are those of a bot that takes no request twice."""
    idle, static_idle = (own["idle"] / MIB for own in (fresh, static))
    size, static_size = (own["binary"] / MEGABYTE for own in (fresh, static))
    each = f"{fresh['per_job']:,.0f} B, {fresh['per_connection']:,.0f} B"
    return [
        row("memory for each pending reply, for each idle connection", each, peers),
        row("resident memory when idle", f"{idle:.1f} MiB; static build {static_idle:.1f} MiB", peers),
        row("binary with TLS and root certificates", f"{size:.2f} MB; static build {static_size:.2f} MB", peers),
        (README, r"(One binary of )[\d.]+( MB)", f"{size:.1f}"),
        (README, r"(When idle it uses about )[\d.]+( MB)", f"{fresh['idle'] / MEGABYTE:.0f}"),
    ]


def row(name: str, figure: str, results: dict) -> tuple[str, str, str]:
    return README, rf"(\n\| {re.escape(name)} \| )[^\n]*( \|\n)", f"{figure} | {results['date']}, `{results['command']}`"


def times(loads: dict[str, list], first: str, second: str) -> float:
    return value(loads[first], "answered_per_second") / value(loads[second], "answered_per_second")


def slow_disk(slow: dict) -> str:
    loads = next(row for row in slow["loads"] if (row["micros"], row["connections"]) == (150, 1_000))
    return f"{times(loads, 'on', 'off'):.2f} × that of the same run without one"


def on_disk(journal: dict) -> str:
    found = sorted(times(journal["loads"][load], "on", "off") for load in ("64 connections", "1,000 connections"))
    return f"{found[0]:.2f} to {found[1]:.2f}"


def in_redis(fleet: dict) -> str:
    found = [
        times(of, place, "nowhere")
        for load, of in fleet["loads"].items() if load.endswith("connections")
        for place in of if place.startswith("Redis")
    ]
    return f"{min(found):.1f} to {max(found):.1f}"
