"""Machines as network namespaces: one in front, two behind it, one for Redis, and a wire between them."""

import os
import subprocess

FRONT_ADDRESS = "192.0.2.1"
SOURCES = "198.18.0.0/15"
ADDRESSES = {"a": "192.0.2.11", "b": "192.0.2.12"}  # those of deploy/haproxy.cfg and deploy/nginx.conf
REDIS = "redis"
REDIS_ADDRESS = "192.0.2.20"  # that of deploy/fleet
BEHIND = {**ADDRESSES, REDIS: REDIS_ADDRESS}


def inside(namespace: str, command: list[str]) -> list[str]:
    """The command line that runs a command on a machine."""
    return ["ip", "netns", "exec", namespace, *command]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class Network:
    """Everything is in namespaces of this process's name, and goes with them."""

    def __init__(self) -> None:
        self.name = f"torrap-{os.getpid()}"
        self.front = machine(self.name, "front")

    def __enter__(self) -> "Network":
        try:
            ip("netns", "add", self.front)
            ip("-n", self.front, "link", "set", "lo", "up")
            # All of these are addresses of its own, for clients from many sources.
            ip("-n", self.front, "route", "add", "local", SOURCES, "dev", "lo")
            ip("-n", self.front, "link", "add", "wire", "type", "bridge")
            ip("-n", self.front, "addr", "add", f"{FRONT_ADDRESS}/24", "dev", "wire")
            ip("-n", self.front, "link", "set", "wire", "up")
            for which, address in BEHIND.items():
                behind = machine(self.name, which)
                ip("netns", "add", behind)
                ip("-n", self.front, "link", "add", f"to-{which}", "type", "veth",
                   "peer", "name", "eth0", "netns", behind)
                ip("-n", self.front, "link", "set", f"to-{which}", "master", "wire", "up")
                ip("-n", behind, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", behind, "link", "set", "eth0", "up")
                ip("-n", behind, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for which in ("front", *BEHIND):
            subprocess.run(["ip", "netns", "del", machine(self.name, which)],
                           check=False, stderr=subprocess.DEVNULL)


def machine(network: str, which: str) -> str:
    return f"{network}-{which}"


def cut(which: str) -> None:
    """Nothing reaches the machine any more, and nothing says so. On the machine in front."""
    ip("link", "set", f"to-{which}", "nomaster")


def mend(which: str) -> None:
    ip("link", "set", f"to-{which}", "master", "wire")
