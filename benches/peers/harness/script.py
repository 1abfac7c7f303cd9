"""What the measuring scripts have in common: arguments, limits, and where their results go."""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from . import measure
from .servers import PEERS, target_directory

# What is shipped. The charts, the tables and the figures of the guides are drawn from these files.
SHIPPED = PEERS / "results"


def parser(documentation: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="rough figures, in a fraction of the time")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--output", type=Path, help="folder of the result file")
    return parser


def begin(given: argparse.Namespace) -> measure.Scale:
    """How much is measured; the limits of this process and of all that it starts are raised."""
    if (os.cpu_count() or 1) < 2:
        sys.exit("two cores are needed: one for the server, one for the client")
    # Ten thousand connections, in the servers and in the client.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    scale = measure.QUICK if given.quick else measure.FULL
    scale.rounds = given.rounds or scale.rounds
    scale.reply_rounds = min(scale.reply_rounds, scale.rounds)
    scale.seconds = given.seconds or scale.seconds
    return scale


def note_the_load() -> None:
    """Called when all is built: what is built before counts as load of this machine."""
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(f"note: the load average is {busy:.1f}; others on this machine blur the figures")


def write(name: str, results: dict, given: argparse.Namespace, is_whole: bool = True) -> None:
    """Only a whole run that is not a rough one replaces what is shipped."""
    is_shipped = is_whole and not given.quick
    elsewhere = target_directory(PEERS / "Cargo.toml") / "results"
    folder = given.output or (SHIPPED if is_shipped else elsewhere)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    own = [str(Path(sys.argv[0]).resolve().relative_to(PEERS.parent.parent)), *sys.argv[1:]]
    head = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "command": " ".join(own),
        "machine": machine(),
    }
    path.write_text(json.dumps({**head, **results}, indent=1) + "\n")
    folder = "" if folder == SHIPPED else f" {folder}"
    print(f"\nwritten to {path}; `benches/peers/charts{folder}` draws it")


def machine() -> dict[str, object]:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    kernel = re.match(r"\d+\.\d+", os.uname().release)
    # Paces what is sent, on loopback too.
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    return {
        "cpu": cpu[1] if cpu else os.uname().machine,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else 0,
        "kernel": f"Linux {kernel[0] if kernel else ''}",
        "congestion_control": congestion.read_text().strip(),
        "node": version("node", "--version"),
        "python": sys.version.split()[0],
        "rust": version("rustc", "--version"),
    }


def version(*command: str) -> str:
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return output.split("(")[0].strip()
