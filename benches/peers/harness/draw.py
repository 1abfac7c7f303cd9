"""The charts: each a text of SVG."""

from math import log10

from .svg import Drawing, precise, round_up, short
from .table import ratio, value

WIDTH = 830
LEFT, RIGHT, TOP, ROW = 210, 190, 56, 32
OWN = {"torrap": "c0", "torrap-info": "c0", "torrap-fresh": "c0", "floor": "c3"}
# What a chart calls a server whose name says too little.
NAMES = {
    "floor": "floor: read and write", "torrap-info": "torrap, logging",
    "torrap-fresh": "torrap, each command once", "may": "may_minihttp", "fasthttp": "fasthttp (Go)",
}
PALE = {"c0": "c4", "c2": "c6", "c3": "c5"}


def bars(title: str, unit: str, rows: list[tuple[str, list[float], str]]) -> str:
    """A horizontal bar for each row: name, its parts from the axis outwards, a note for its end."""
    height = TOP + ROW * len(rows) + 52
    drawing = Drawing(WIDTH, height, title)
    drawing.text(16, 30, title, "title")
    end = round_up(max(sum(parts) for _, parts, _ in rows))
    scale = (WIDTH - LEFT - RIGHT) / end
    bottom = TOP + ROW * len(rows)
    for step in range(5):
        x = LEFT + end * step / 4 * scale
        drawing.line(x, TOP - 6, x, bottom, "grid" if step else "axis")
        drawing.text(x, bottom + 17, short(end * step / 4), "faint", "middle")
    drawing.text(LEFT + end / 2 * scale, bottom + 38, unit, "faint", "middle")
    for index, (name, parts, note) in enumerate(rows):
        y = TOP + ROW * index
        drawing.text(LEFT - 10, y + 19, NAMES.get(name, name), anchor="end")
        x = LEFT
        colour = OWN.get(name, "c2")
        for shade, part in zip((colour, PALE[colour]), parts):
            drawing.bar(x, y + 3, part * scale, ROW - 10, shade)
            x += part * scale
        drawing.text(x + 8, y + 19, note)
    return drawing.text_of_file()


def throughput(results: dict) -> str:
    rows = []
    for name, of in results["rounds"].items():
        rate = value(of["saturation"], "answered_per_second")
        rows.append((name, [rate], f"{rate:,.0f}"))
    rows.sort(key=lambda row: -row[1][0])
    title = "Commands acknowledged per second, one core, 64 connections"
    return bars(title, "commands per second (more is better)", rows)


def cost(runs: dict, base: str, word: str, title: str) -> str:
    rows = []
    for name, own in runs.items():
        parts = [value(own, "user_us"), value(own, "system_us")]
        times = ratio(own, runs[base], "cpu_us")
        rows.append((name, parts, f"{precise(value(own, 'cpu_us'))} µs, {times:.2f} × {word}"))
    rows.sort(key=lambda row: sum(row[1]))
    unit = "CPU µs per command (less is better): left part user, right part kernel"
    return bars(title, unit, rows)


def latency(results: dict) -> str:
    """Three dots a server on a logarithmic axis."""
    rounds = results["rounds"]
    height = TOP + ROW * len(rounds) + 76
    title = "Latency of the acknowledgement at a fixed rate"
    drawing = Drawing(WIDTH, height, title)
    drawing.text(16, 30, title, "title")
    keys = (("p50", "p50_us", "c0"), ("p99", "p99_us", "c1"), ("p99.9", "p999_us", "c2"))
    found = {
        name: [value(of["rate"], key) for _, key, _ in keys] for name, of in rounds.items()
    }
    least, most = (f(v for row in found.values() for v in row) for f in (min, max))
    low, high = int(log10(least)), int(log10(most)) + 1
    across = (WIDTH - LEFT - RIGHT) / (high - low)
    bottom = TOP + ROW * len(found)
    for power in range(low, high + 1):
        x = LEFT + (power - low) * across
        drawing.line(x, TOP - 6, x, bottom, "grid" if power > low else "axis")
        drawing.text(x, bottom + 17, f"{10**power:,}", "faint", "middle")
    unit = "µs (less is better), logarithmic"
    drawing.text(LEFT + (high - low) / 2 * across, bottom + 38, unit, "faint", "middle")
    for index, (name, latencies) in enumerate(sorted(found.items(), key=lambda row: row[1][1])):
        y = TOP + ROW * index + 14
        rate = rounds[name]["rate"][0]["rate"]
        drawing.text(LEFT - 10, y + 5, f"{NAMES.get(name, name).split(':')[0]}, {short(rate)}/s", anchor="end")
        xs = [LEFT + (log10(v) - low) * across for v in latencies]
        drawing.line(xs[0], y, xs[-1], y, "axis")
        for x, (_, _, colour) in zip(xs, keys):
            drawing.dot(x, y, colour, 5)
        numbers = " / ".join(precise(v) for v in latencies)
        drawing.text(max(xs[-1], LEFT) + 12, y + 5, numbers, "faint")
    for index, (word, _, colour) in enumerate(keys):
        x = LEFT + index * 70
        drawing.dot(x, height - 16, colour, 5)
        drawing.text(x + 10, height - 11, word, "faint")
    return drawing.text_of_file()


def of_peers(results: dict) -> dict[str, str]:
    """All charts of `peers.json`, by their names."""
    saturated = {name: of["saturation"] for name, of in results["rounds"].items()}
    title = "CPU time of the server per acknowledged command"
    cpu = cost(saturated, "floor", "the floor", title)
    title = "CPU time per command, acknowledged and delivered"
    end_to_end = cost(results["replies"], "torrap", "torrap", title)
    return {
        "throughput": throughput(results), "cpu": cpu, "latency": latency(results),
        "end-to-end": end_to_end, "growth": growth(results),
    }


PANELS = {
    "connections": "connections, all busy",
    "idle": "idle connections beside 64 busy",
    "pending": "pending jobs at the start",
    "pipelining": "commands in one piece",
    "content": "KiB of content",
}


def growth(results: dict) -> str:
    """A panel for each curve; the vertical axes begin at zero."""
    columns, width, height = 3, 270, 224
    rows = -(-len(PANELS) // columns)
    title = "What a command costs torrap as things grow"
    drawing = Drawing(columns * width + 20, 60 + rows * height, title)
    drawing.text(16, 30, title, "title")
    for index, (name, label) in enumerate(PANELS.items()):
        left = 10 + index % columns * width
        top = 48 + index // columns * height
        panel(drawing, left, top, label, results["growth"][name])
    left, top = 10 + len(PANELS) % columns * width, 48 + (rows - 1) * height
    panel(drawing, left, top, "% of the saturated rate", results["growth"]["load"], LATENCIES)
    for index, (_, word, colour) in enumerate(COSTS + LATENCIES):
        x = 30 + index * 160
        drawing.dot(x, drawing.height - 17, colour, 5)
        drawing.text(x + 12, drawing.height - 12, word, "faint")
    return drawing.text_of_file()


# Key, name and colour of a panel's lines; the first one bears the numbers.
COSTS = [("cpu_us", "user and kernel", "c0"), ("user_us", "user alone", "c1")]
LATENCIES = [("p99_us", "p99", "c2"), ("p50_us", "p50", "c3")]


def panel(
    drawing: Drawing, left: float, top: float, label: str, points: list[dict], lines: list = COSTS
) -> None:
    x0, x1, y0, y1 = left + 66, left + 238, top + 18, top + 146
    # Zero has no logarithm: the points stand at equal distances, under their numbers.
    step = (x1 - x0) / max(len(points) - 1, 1)
    end = round_up(max(point[lines[0][0]] for point in points) * 1.2)
    for part in range(3):
        y = y1 - (y1 - y0) * part / 2
        drawing.line(x0 - 8, y, x1 + 8, y, "grid" if part else "axis")
        drawing.text(x0 - 12, y + 4, short(end * part / 2), "faint", "end")
    for key, _, colour in lines:
        places = [
            (x0 + index * step, y1 - (y1 - y0) * point[key] / end)
            for index, point in enumerate(points)
        ]
        drawing.curve(places, colour)
        if key == lines[0][0]:
            for index, point in enumerate(points):
                number(drawing, places, index, precise(point[key]))
    for index, point in enumerate(points):
        drawing.text(x0 + index * step, y1 + 18, short(point["x"]), "faint", "middle")
    drawing.text((x0 + x1) / 2, y1 + 38, label, "faint", "middle")
    axis = "CPU µs per command" if lines is COSTS else "latency, µs"
    drawing.upright(left + 12, (y0 + y1) / 2, axis)


def number(drawing: Drawing, places: list[tuple[float, float]], index: int, text: str) -> None:
    """A point's number above it, to the side on which the curve does not pass."""
    x, y = places[index]
    steep = 28
    if index > 0 and y - places[index - 1][1] > steep:
        drawing.text(x, y - 9, text, "faint", "start")
    elif index + 1 < len(places) and y - places[index + 1][1] > steep:
        drawing.text(x + 2, y - 9, text, "faint", "end")
    else:
        drawing.text(x, y - 9, text, "faint", "middle")


def journal(results: dict) -> str:
    """With and without a journal, as fast as it goes and at fixed rates."""
    rows = []
    for load, of in results["loads"].items():
        for which, runs in of.items():
            rate = value(runs, "answered_per_second")
            p50, p99 = (precise(value(runs, key) / 1000) for key in ("p50_us", "p99_us"))
            word = {"on": "with", "off": "without"}[which]
            name = f"{load.replace(' connections', ' conn.').replace(' a second', '/s')}, {word}"
            rows.append((name, [rate], f"{rate:,.0f}: {p50} / {p99} ms"))
    title = "Commands acknowledged per second, with and without a journal"
    return bars(title, "commands per second, and p50 / p99 of the acknowledgement", rows)
