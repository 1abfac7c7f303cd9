"""What was found, as tables for a terminal and for Markdown alike."""

from statistics import median

COMPARED = ("floor", "torrap")
MIB, MEGABYTE = 1024 * 1024, 1_000_000


def value(runs: list[dict[str, float]], key: str) -> float:
    return median(run[key] for run in runs)


def ratio(runs: list[dict[str, float]], base: list[dict[str, float]], key: str) -> float:
    """The median of the ratios within each round: what disturbs a round disturbs both."""
    return median(run[key] / other[key] for run, other in zip(runs, base))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Words to the left, numbers to the right."""
    columns = list(zip(header, *rows))
    widths = [max(map(len, column)) for column in columns]
    words = [index == 0 or any(cell[:1].isalpha() for cell in column[1:]) for index, column in enumerate(columns)]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(cells, widths, words)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = [("-" * (width + 2)) if is_word else ("-" * (width + 1) + ":") for width, is_word in zip(widths, words)]
    return "\n".join([line(header), f"|{'|'.join(rule)}|", *map(line, rows)])


def acknowledgements(rounds: dict) -> str:
    header = ["server", "commands/s", "CPU µs", "user", "sys", "× floor", "× torrap", "client busy"]
    runs = {name: of["saturation"] for name, of in rounds.items()}
    rows = []
    for name, own in runs.items():
        ratios = [f"{ratio(own, runs[base], 'cpu_us'):.2f}" for base in COMPARED]
        rate = f"{value(own, 'answered_per_second'):,.0f}"
        cpu = [f"{value(own, key):.2f}" for key in ("cpu_us", "user_us", "system_us")]
        rows.append([name, rate, *cpu, *ratios, f"{value(own, 'client_busy'):.0%}"])
    return table(header, rows)


def latencies(rounds: dict) -> str:
    keys = ("p50_us", "p99_us", "p999_us")
    header = ["server", "saturated p50 µs", "p99", "p99.9", "at /s", "p50 µs", "p99", "p99.9", "CPU µs"]
    rows = []
    for name, of in rounds.items():
        row = [name, *(f"{value(of['saturation'], key):,.0f}" for key in keys)]
        row.append(f"{of['rate'][0]['rate']:,.0f}")
        row += [f"{value(of['rate'], key):,.0f}" for key in keys]
        rows.append([*row, f"{value(of['rate'], 'cpu_us'):.1f}"])
    return table(header, rows)


def delivering(own: dict) -> tuple[list[str], list[str]]:
    """What a server does and takes while it accepts and delivers, and how long it takes to acknowledge."""
    rates = [f"{value(own, key + '_per_second'):,.0f}" for key in ("answered", "delivered")]
    cpu = [f"{value(own, key):.1f}" for key in ("cpu_us", "user_us", "system_us")]
    return rates + cpu, [f"{value(own, key):,.0f}" for key in ("p50_us", "p99_us")]


def end_to_end(replies: dict) -> str:
    header = ["server", "accepted/s", "delivered/s", "CPU µs", "user", "sys", "× torrap", "p50 µs", "p99"]
    rows = []
    for name, own in replies.items():
        cost, latency = delivering(own)
        rows.append([name, *cost, f"{ratio(own, replies['torrap'], 'cpu_us'):.2f}", *latency])
    return table(header, rows)


def receivers(found: dict) -> str:
    """With the context switches of all threads, for each reply."""
    header = ["server, receiver", "accepted/s", "delivered/s", "CPU µs", "user", "sys", "p50 µs", "p99", "switches"]
    rows = []
    for name, own in found.items():
        cost, latency = delivering(own)
        rows.append([name, *cost, *latency, f"{value(own, 'switches'):.2f}"])
    return table(header, rows)


def resources(found: dict) -> str:
    header = [
        "server", "RSS idle MiB", "B per idle connection", "B per pending job",
        "RSS after load MiB", "binary MB", "start ms",
    ]
    rows = []
    for name, own in found.items():
        cells = [
            f"{own['idle'] / MIB:.1f}",
            f"{own['per_connection']:,.0f}",
            f"{own['per_job']:,.0f}" if "per_job" in own else "–",
            f"{own['after'] / MIB:.1f}" if "after" in own else "–",
            f"{own['binary'] / MEGABYTE:.2f}" if "binary" in own else "–",
            f"{own['startup_ms']:.1f}",
        ]
        rows.append([name, *cells])
    return table(header, rows)


def growth(curves: dict) -> str:
    header = ["torrap with", "at", "CPU µs", "user", "sys", "commands/s", "p99 µs"]
    names = {
        "floor": "(the floor) connections, all busy",
        "connections": "connections, all busy",
        "idle": "idle connections, 64 busy",
        "pipelining": "commands in one piece",
        "content": "KiB of content",
        "pending": "pending jobs at the start",
        "load": "% of the saturated rate",
    }
    rows = []
    for curve, points in curves.items():
        for point in points:
            cpu = [f"{point[key]:.2f}" for key in ("cpu_us", "user_us", "system_us")]
            rate = f"{point['answered_per_second']:,.0f}"
            rows.append([names[curve], f"{point['x']:,}", *cpu, rate, f"{point['p99_us']:,.0f}"])
    return table(header, rows)


def fairness(runs: list[dict[str, float]]) -> str:
    header = ["commands while a wave", "commands/s", "replies/s", "p50 µs", "p99", "p99.9", "longest"]
    rows = []
    for run in runs:
        rates = [f"{run[key + '_per_second']:,.0f}" for key in ("answered", "delivered")]
        keys = ("p50_us", "p99_us", "p999_us", "max_us")
        rows.append([run["x"], *rates, *(f"{run[key]:,.0f}" for key in keys)])
    return table(header, rows)


def everything(results: dict) -> str:
    sections = [
        ("Acknowledgements at saturation, 64 connections", acknowledgements, "rounds"),
        ("Latency of the acknowledgement", latencies, "rounds"),
        ("End to end: accepted and delivered", end_to_end, "replies"),
        ("… to other receivers", receivers, "receivers"),
        ("Memory, size, start", resources, "resources"),
        ("Growth", growth, "growth"),
        ("A wave of replies falls due at once", fairness, "wave"),
    ]
    return "\n\n".join(f"{title}\n\n{render(results[key])}" for title, render, key in sections)
