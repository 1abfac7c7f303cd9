"""What happens on the machine, in this order. Each act leaves the bot running as the guide installs it."""

import json
import re
import time

from client import SECRET, Client, signed
from installing import (
    an_upgrade_by_the_guide_fails_no_command,
    another_address_takes_effect_as_the_guide_says,
    installed_by_the_guide,
    the_package_does_the_same,
)
from load import ADDRESS, Load, acknowledge_until_it_dies, finished, replies, send
from machine import Failed, wait_for
from probe import FORBIDDEN
from scene import DEPLOY, Scene

EXPOSURE = 1.2  # the guide promises no more
DYNAMIC_USERS = range(61184, 65520)  # systemd.exec(5), DynamicUser=
NICENESS = 4  # senders::NICENESS
RESTARTS = 8
METRICS_SOCKET = """[Socket]
ListenStream=127.0.0.1:9101
FileDescriptorName=metrics
Service=torrap.service
"""
NEVER_ONLINE = """[Unit]
Before=network-online.target
[Service]
Type=oneshot
ExecStart=/usr/bin/sleep infinity
"""


def the_journal_knows_levels(scene: Scene) -> str:
    misspelt = "TORRAP_DELYA=5"
    with scene.changed(misspelt):
        scene.works("a warning")
        warnings, everything = logged(scene)
    assert len(warnings) == 1 and "TORRAP_DELYA" in warnings[0], warnings
    assert any("listening on" in line for line in everything) and "<4>" not in "".join(everything), everything
    with scene.changed(misspelt, "LOG_FORMAT=json"):
        scene.works("as JSON")
        warnings, everything = ([json.loads(line) for line in lines] for lines in logged(scene))
    assert [line["level"] for line in warnings] == ["warn"] and "TORRAP_DELYA" in warnings[0]["message"], warnings
    assert any("answered" in line["message"] for line in everything), everything
    return "journalctl -p warning shows the one warning, also with LOG_FORMAT=json, whose lines are objects"


def logged(scene: Scene) -> tuple[list[str], list[str]]:
    """The lines of the bot that runs: its warnings and errors, and all of them."""
    lines = f"journalctl -o cat _PID={scene.show('MainPID')}"
    scene.do("journalctl --sync")
    return scene.do(f"{lines} -p warning").splitlines(), scene.do(lines).splitlines()


def runs_as_a_user_of_its_own_without_privileges(scene: Scene) -> str:
    pid = scene.show("MainPID")
    status = dict(line.split(":\t", 1) for line in scene.do(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    user = int(status["Uid"].split()[0])
    assert user in DYNAMIC_USERS, status["Uid"]
    sets = {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert not any(sets.values()), sets
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status
    owner = scene.do("stat -L -c '%u %a' /var/lib/torrap")
    assert owner == f"{user} 700", owner
    secret = scene.do("stat -c '%u %a' /run/credentials/torrap.service/slack-signing-secret")
    assert secret == f"{user} 400" or secret.endswith(" 440"), secret
    environment = scene.do(f"cat /proc/{pid}/environ")
    assert SECRET.decode() not in environment and "CREDENTIALS_DIRECTORY=" in environment, environment
    return f"user {user}, no capability, the secret only in a file that is its own"


def the_sandbox_holds(scene: Scene) -> str:
    scene.machine.write("/usr/local/lib/probe.py", (DEPLOY.parent / "tests/systemd/probe.py").read_text())
    python = "/usr/bin/python3 /usr/local/lib/probe.py"
    outside = scene.do(python).splitlines()
    refused = [line for line in outside if not line.startswith("possible: ")]
    assert len(outside) == len(FORBIDDEN) and not refused, f"outside the sandbox: {refused}"
    cursor = scene.cursor()
    scene.drop_in(f"[Service]\nType=oneshot\nExecStart=\nExecStart={python}\nRestart=no\nWatchdogSec=0\n")
    scene.do("systemctl stop torrap && systemctl start torrap")
    said = scene.log_since(cursor)
    scene.drop_in()
    scene.restart()
    # Without that controller (a cgroup of version 2 that is passed none) TasksMax= is not in force.
    counted = scene.show("TasksCurrent") != "[not set]"
    forbidden = [name for name in FORBIDDEN if counted or not name.endswith("threads")]
    allowed = [name for name in forbidden if f"refused: {name} (" not in said]
    assert not allowed, f"not refused: {allowed}\n{said}"
    return f"{len(forbidden)} things that root can do here are refused"


def systemd_rates_it_well(scene: Scene) -> str:
    said = scene.do("systemd-analyze security torrap.service --no-pager").splitlines()[-1]
    exposure = float(re.search(r"(\d+\.\d+)", said)[1])
    assert exposure <= EXPOSURE, said
    return f"exposure {exposure}"


def replies_go_behind_acknowledgements(scene: Scene) -> str:
    scene.works("niceness")
    # proc_pid_stat(5): the name is in parentheses, and the niceness is the 17th number after it.
    tasks = scene.do(f"cat /proc/{scene.show('MainPID')}/task/*/stat").splitlines()
    found = [(task[task.index("(") + 1 : task.rindex(")")], int(task.rpartition(")")[2].split()[16])) for task in tasks]
    senders = {niceness for name, niceness in found if name == "sender"}
    others = {niceness for name, niceness in found if name != "sender"}
    assert (senders, others) == ({NICENESS}, {0}), found
    return f"of {len(found)} threads those that send have a niceness of {NICENESS}, the others none"


def a_command_starts_it(scene: Scene) -> str:
    scene.do("systemctl stop torrap.service")
    assert scene.show("ActiveState") == "inactive"
    began = time.monotonic()
    scene.works("activation")
    took = time.monotonic() - began
    assert scene.show("ActiveState") == "active"
    return f"stopped, started by a connection, and answered after {took:.1f} s, the delay included"


def restarts_fail_no_command(scene: Scene) -> str:
    with Load(scene.slack, "restart") as load:
        for _ in range(RESTARTS):
            load.more(50)
            scene.restart()
        load.more(50)
    return finished(load, f"{RESTARTS} restarts")


def a_stop_leaves_replies_to_the_journal(scene: Scene) -> str:
    texts = [f"left-{n}" for n in range(50)]
    send(scene.slack, texts)
    began = time.monotonic()
    scene.do("systemctl stop torrap.service")
    took = time.monotonic() - began
    assert scene.show("Result") == "success", scene.show("Result")
    held = scene.do("torrap journal /var/lib/torrap")
    assert re.search(r"(pending|owed): 50\b", held), held
    scene.do("systemctl start torrap.service")
    replies(scene.slack, texts)
    return f"stopped in {took:.1f} s, and the next start posted all 50, each once"


def a_stop_without_a_journal_takes_the_time_that_it_needs(scene: Scene) -> str:
    # Less time than the stop needs: what the bot announces (EXTEND_TIMEOUT_USEC) is what counts.
    with scene.changed("TORRAP_DELAY=4", drop_in="[Service]\nStateDirectory=\nTimeoutStopSec=1\n"):
        texts = [f"drained-{n}" for n in range(50)]
        send(scene.slack, texts)
        began = time.monotonic()
        scene.do("systemctl stop --no-block torrap.service")
        wait_for("the status of the stop", lambda: scene.show("StatusText") == "stopping; replies pending: 50")
        wait_for("the end of the stop", lambda: scene.show("ActiveState") in ("inactive", "failed"))
        took = time.monotonic() - began
        assert scene.show("Result") == "success", scene.show("Result")
        replies(scene.slack, texts, deadline=0)
    assert took > 2, f"{took} s is less than the delay"
    return f"50 replies were posted before the end, after {took:.1f} s with TimeoutStopSec=1"


def killed_it_comes_back_with_its_replies(scene: Scene) -> str:
    with scene.changed("TORRAP_DELAY=3"):
        texts = [f"killed-{n}" for n in range(50)]
        send(scene.slack, texts)
        began = time.monotonic()
        scene.signal("KILL")
        scene.works("waits while none runs")
        scene.is_up_again(1)
        replies(scene.slack, texts)
        took = time.monotonic() - began
    return f"50 replies posted once each by the next process, {took:.1f} s after the kill, the delay of 3 s included"


def killed_again_and_again_it_still_comes_back(scene: Scene) -> str:
    scene.restart()
    times = 6  # more than systemd's own limit, 5 in 10 s
    for number in range(times):
        scene.signal("KILL")
        scene.is_up_again(number + 1)
    assert scene.show("ActiveState", "torrap.socket") == "active"
    scene.works("after many kills")
    return f"{times} times"


def stopped_by_hand_it_comes_back(scene: Scene) -> str:
    scene.restart()
    send(scene.slack, ["by hand"])
    scene.signal("HUP")
    scene.is_up_again(1)
    replies(scene.slack, ["by hand"])
    refused = scene.machine.try_to("systemctl reload torrap")
    assert refused.returncode != 0 and "not applicable" in refused.stdout, refused
    return "kill -HUP restarts it and loses no reply; systemctl reload is refused"


def frozen_it_is_killed_and_started_again(scene: Scene) -> str:
    with scene.changed(drop_in="[Service]\nWatchdogSec=2\n"):
        cursor = scene.cursor()
        send(scene.slack, ["before the freeze"])
        began = time.monotonic()
        scene.signal("STOP")
        scene.works("while it is frozen")
        scene.is_up_again(1)
        took = time.monotonic() - began
        replies(scene.slack, ["before the freeze"])
        said = scene.log_since(cursor)
        assert "Watchdog timeout (limit 2s)" in said and "Failed with result 'watchdog'" in said, said
        # A loop with nothing to do answers the watchdog all the same.
        scene.restart()
        first = answered(scene)
        wait_for("answers to the watchdog for longer than its limit", lambda: answered(scene) > first + 3_000_000)
        assert scene.show("NRestarts") == "0"
    return f"WatchdogSec=2: back after {took:.1f} s, both commands answered; at rest it is not killed"


def answered(scene: Scene) -> int:
    """When the bot has last answered the watchdog, in microseconds."""
    return int(scene.show("WatchdogTimestampMonotonic"))


def out_of_memory_it_comes_back_with_its_replies(scene: Scene) -> str:
    if not scene.show("ControlGroup") or scene.show("MemoryCurrent") == "[not set]":
        return "left out: no memory controller here"
    with scene.changed("TORRAP_DELAY=8", drop_in="[Service]\nMemoryMax=6M\nMemorySwapMax=0\n"):
        texts = acknowledge_until_it_dies(scene.slack, "memory")
        scene.drop_in()  # with the same limit it would find the same replies, and die again
        scene.is_up_again(1)
        replies(scene.slack, texts)
    return f"killed at 6 MB with {len(texts)} replies of 3 kB pending, each posted after the restart"


def a_wrong_setting_is_not_tried_for_ever(scene: Scene) -> str:
    scene.settings("TORRAP_DELAY=soon")
    cursor = scene.cursor()
    refused = scene.machine.try_to("systemctl restart torrap")
    assert refused.returncode != 0, refused.stdout
    assert scene.show("NRestarts") == "0" and scene.show("ActiveState") == "failed"
    # A client waits: systemd starts the bot for it, and again.
    with Client(ADDRESS) as client:
        client.send(signed("in vain", scene.slack.origin))
        wait_for("the end of the socket", lambda: scene.show("ActiveState", "torrap.socket") == "failed")
    line = 'torrap: TORRAP_DELAY: "soon" is not a number of seconds'
    tries = scene.log_since(cursor).count(line)
    assert 1 < tries < 30, tries
    assert scene.log_since(cursor, "-u torrap -p err").count(line) == tries, "the reason is no error in the journal"
    scene.reset()
    scene.works("right again")
    return f"{tries} starts, then connections are refused; with the right setting one restart is enough"


def a_second_socket_serves_metrics(scene: Scene) -> str:
    scene.machine.write("/etc/systemd/system/torrap-metrics.socket", METRICS_SOCKET)
    scene.do("systemctl daemon-reload && systemctl stop torrap.service && systemctl start torrap-metrics.socket torrap.service")
    with Client(("127.0.0.1", 9101)) as client:
        status = client.exchange(b"GET /metrics HTTP/1.1\r\nHost: torrap\r\n\r\n")
    assert status == 200, status
    scene.works("two sockets")
    scene.do("systemctl stop torrap-metrics.socket && rm /etc/systemd/system/torrap-metrics.socket")
    scene.do("systemctl daemon-reload")
    scene.restart()
    return "FileDescriptorName=metrics takes the place of TORRAP_METRICS_LISTEN"


def the_machine_is_switched_off_and_on(scene: Scene) -> str:
    # A network that is never online, as systemd's own waiters call it, must not hold up the bot.
    scene.machine.write("/etc/systemd/system/never-online.service", NEVER_ONLINE)
    scene.do("mkdir -p /etc/systemd/system/network-online.target.wants && cd /etc/systemd/system && "
             "ln -s ../never-online.service network-online.target.wants/")
    texts = [f"off-and-on-{n}" for n in range(50)]
    send(scene.slack, texts)
    scene.machine.power_off()
    try:
        Client(ADDRESS)
    except OSError:
        pass
    else:
        raise Failed("something listens on a machine that is off")
    began = time.monotonic()
    scene.machine.boot()
    replies(scene.slack, texts)
    assert scene.show("StatusText") == "taking commands"
    return f"50 pending replies posted once each, {time.monotonic() - began:.1f} s after it was switched on"


ACTS = [
    installed_by_the_guide,
    the_journal_knows_levels,
    runs_as_a_user_of_its_own_without_privileges,
    the_sandbox_holds,
    systemd_rates_it_well,
    replies_go_behind_acknowledgements,
    a_command_starts_it,
    restarts_fail_no_command,
    an_upgrade_by_the_guide_fails_no_command,
    a_stop_leaves_replies_to_the_journal,
    a_stop_without_a_journal_takes_the_time_that_it_needs,
    killed_it_comes_back_with_its_replies,
    killed_again_and_again_it_still_comes_back,
    stopped_by_hand_it_comes_back,
    frozen_it_is_killed_and_started_again,
    out_of_memory_it_comes_back_with_its_replies,
    a_wrong_setting_is_not_tried_for_ever,
    a_second_socket_serves_metrics,
    another_address_takes_effect_as_the_guide_says,
    the_machine_is_switched_off_and_on,
    the_package_does_the_same,
]
