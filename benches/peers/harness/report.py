"""RESULTS.md: all tables and charts, each with the day and the command that it comes from."""

from . import ahead, draw, journaled, shared, slow_disk, table

HEAD = """# Results

`benches/peers/charts` draws this page from the files in [peers/results](peers/results). [README.md](README.md) says what is
measured, and how."""

AHEAD = "In every round of the run, and by more than a twentieth: closer figures also differ between two runs of one server."

PEERS = (
    ("Acknowledgements at saturation, 64 connections", ("throughput", "cpu"), "rounds", table.acknowledgements),
    ("Latency of the acknowledgement", ("latency",), "rounds", table.latencies),
    ("End to end: accepted and delivered", ("end-to-end",), "replies", table.end_to_end),
    ("End to end, to a receiver that is far away or speaks TLS", (), "receivers", table.receivers),
    ("Memory, size, start", (), "resources", table.resources),
    ("Growth", ("growth",), "growth", table.growth),
    ("A wave of replies falls due at once", (), "wave", table.fairness),
)
ALTERNATIVES = {
    "throughput": "Commands acknowledged per second",
    "cpu": "CPU time for each acknowledged command",
    "latency": "Latency of the acknowledgement",
    "end-to-end": "CPU time for each command, accepted and delivered",
    "growth": "What a command costs as things grow",
    "journal": "With and without a journal",
}
OTHERS = (
    ("journal", "With a journal", ("journal",), journaled.tables),
    ("slow-disk", "With a journal on a slow disk", (), slow_disk.tables),
    ("fleet", "With a journal in Redis", (), shared.tables),
)


def charts(results: dict[str, dict]) -> dict[str, str]:
    found = draw.of_peers(results["peers"]) if "peers" in results else {}
    if "journal" in results:
        found["journal"] = draw.journal(results["journal"])
    return found


def page(results: dict[str, dict]) -> str:
    """What was not measured has no section."""
    parts = [HEAD]
    if peers := results.get("peers"):
        parts += [source(peers), "## Where others are ahead", AHEAD, ahead.lines(peers)]
        for title, names, key, render in PEERS:
            if key in peers:
                parts += [f"## {title}", *map(chart, names), render(peers[key])]
    for name, title, names, render in OTHERS:
        if name in results:
            parts += [f"## {title}", source(results[name]), *map(chart, names), render(results[name])]
    return "\n\n".join(parts) + "\n"


def chart(name: str) -> str:
    return f"![{ALTERNATIVES[name]}](charts/{name}.svg)"


def source(results: dict) -> str:
    machine = results.get("machine", {})
    where = [machine.get("cpu"), f"{machine['cores']} cores", machine.get("kernel"), machine.get("rust")] if machine else []
    return ", ".join([results["date"], f"`{results['command']}`", *filter(None, where)]) + "."
