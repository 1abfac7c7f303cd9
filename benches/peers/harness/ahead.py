"""Which servers do something better than torrap, so that no table has to be searched for it."""

from dataclasses import dataclass
from statistics import median
from typing import Callable

from .table import MIB, table

# Closer figures than this part of them differ between two runs of the same server.
DIFFERENCE = 0.05
OWN = ("floor", "torrap")
# One value for each round; none for a server of which this is not measured.
Values = Callable[[dict, str], list[float]]


@dataclass
class Measure:
    name: str
    unit: str
    form: str
    of: Values
    more_is_better: bool = False


def of_runs(section: str, key: str, part: str = "") -> Values:
    def of(results: dict, server: str) -> list[float]:
        runs = results[section].get(server, [])
        return [run[key] for run in (runs[part] if part else runs)]
    return of


def at_the_rate(key: str) -> Values:
    """Nothing for a server that was measured at another rate."""
    def of(results: dict, server: str) -> list[float]:
        runs, own = (results["rounds"][name]["rate"] for name in (server, "torrap"))
        return [run[key] for run in runs if run["rate"] == own[0]["rate"]]
    return of


def resource(key: str, unit: int = 1) -> Values:
    def of(results: dict, server: str) -> list[float]:
        found = results["resources"].get(server, {})
        return [found[key] / unit] if key in found else []
    return of


MEASURES = (
    Measure("commands/s", "", ",.0f", of_runs("rounds", "answered_per_second", "saturation"), True),
    Measure("CPU for each acknowledgement", "µs", ".2f", of_runs("rounds", "cpu_us", "saturation")),
    Measure("p50 at a fixed rate", "µs", ",.0f", at_the_rate("p50_us")),
    Measure("p99 at a fixed rate", "µs", ",.0f", at_the_rate("p99_us")),
    Measure("replies delivered/s", "", ",.0f", of_runs("replies", "delivered_per_second"), True),
    Measure("CPU for each command with its reply", "µs", ".1f", of_runs("replies", "cpu_us")),
    Measure("p50 while replies are sent", "µs", ",.0f", of_runs("replies", "p50_us")),
    Measure("p99 while replies are sent", "µs", ",.0f", of_runs("replies", "p99_us")),
    Measure("memory when idle", "MiB", ".1f", resource("idle", MIB)),
    Measure("memory for each idle connection", "B", ",.0f", resource("per_connection")),
    Measure("memory for each pending job", "B", ",.0f", resource("per_job")),
    Measure("memory after a load", "MiB", ".1f", resource("after", MIB)),
    Measure("binary", "MB", ".2f", resource("binary", 1_000_000)),
    Measure("start", "ms", ".1f", resource("startup_ms")),
)


def better(results: dict, measure: Measure) -> dict[str, float]:
    """Servers that are better than torrap by more than chance, and in every round; the best first."""
    own = measure.of(results, "torrap")
    found = {}
    for server in results["rounds"]:
        theirs = measure.of(results, server)
        if server.startswith(OWN) or not theirs:
            continue
        sign = 1 if measure.more_is_better else -1
        gains = [sign * (their / mine - 1) for their, mine in zip(theirs, own)]
        if min(gains) > 0 and sign * (median(theirs) / median(own) - 1) > DIFFERENCE:
            found[server] = median(theirs)
    return dict(sorted(found.items(), key=lambda row: row[1], reverse=measure.more_is_better))


def lines(results: dict) -> str:
    """Every measure, and who is ahead in it."""
    rows = []
    for measure in MEASURES:
        name = f"{measure.name}, {measure.unit}" if measure.unit else measure.name
        theirs = better(results, measure)
        names = ", ".join(f"{server} {found:{measure.form}}" for server, found in theirs.items())
        rows.append([name, f"{median(measure.of(results, 'torrap')):{measure.form}}", names or "–"])
    return table(["measure", "torrap", "ahead of it"], rows)


def sentence(results: dict) -> str:
    """For those who read no table."""
    parts = []
    for measure in MEASURES:
        if theirs := better(results, measure):
            names = " and ".join([", ".join([*theirs][:-1]), [*theirs][-1]] if len(theirs) > 1 else theirs)
            parts.append(f"{measure.name} ({names})")
    if not parts:
        return "No other server was ahead of torrap in anything that was measured."
    return f"Ahead of torrap in one thing or another: {'; '.join(parts)}."
