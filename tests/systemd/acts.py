"""What happens on the machine, in this order. Each act leaves the bot running as the guide installs it."""

import json
import re
import subprocess
import time

from client import SECRET, Client, signed
from load import ADDRESS, Load, acknowledge_until_it_dies, replies, send
from machine import Failed, wait_for
from probe import FORBIDDEN
from scene import DEPLOY, Scene, guide

EXPOSURE = 1.1  # the guide promises no more
DYNAMIC_USERS = range(61184, 65520)  # systemd.exec(5), DynamicUser=
RESTARTS = 8
SLACKS_TIMEOUT = 3.0
METRICS_SOCKET = """[Socket]
ListenStream=127.0.0.1:9101
FileDescriptorName=metrics
Service=torrap.service
"""


def installed_by_the_guide(scene: Scene) -> str:
    for unit in ("torrap.service", "torrap.socket"):
        scene.machine.write(f"/src/deploy/{unit}", (DEPLOY / unit).read_text())
    scene.settings()
    lines = [line for line in guide("Install") if not re.match("apt-get|cargo|export CC", line)]
    variables = ""
    for line in lines:
        if line.startswith("export"):
            # Lines that follow are typed into the same shell. `check` does not read the settings of the unit.
            variables = f"{line}; export TORRAP_REPLY_ORIGINS={scene.slack.origin}; "
        given = f"{SECRET.decode()}\n" if "/dev/stdin" in line else None
        said = scene.do(f"cd /src; {variables}{built(scene, line)}", given)
        if line.startswith("torrap check"):
            assert said.endswith("all is well: torrap can run here"), said
        if line.startswith("torrap journal"):
            assert said.splitlines()[0], said
        if line.startswith("journalctl"):
            assert "listening on http://127.0.0.1:8000" in said, said
            warnings = scene.do("journalctl -u torrap -p warning")
            assert warnings == "-- No entries --", warnings
    works(scene, "installed")
    return f"{len(lines)} command lines of the guide, all is well, a command is answered"


def built(scene: Scene, line: str) -> str:
    """The command line, with the binary under test where the guide has built one."""
    where = re.search(r"target/\S*/release/torrap", line)
    if where:
        path = scene.machine.root / "src" / where[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scene.binary.read_bytes())
    return line


def works(scene: Scene, text: str) -> None:
    send(scene.slack, [text])
    replies(scene.slack, [text])


def the_journal_knows_levels(scene: Scene) -> str:
    cursor = scene.cursor()
    scene.settings("TORRAP_DELYA=5")
    scene.restart()
    works(scene, "a warning")
    warnings = scene.log_since(cursor, "-u torrap -p warning").splitlines()
    everything = scene.log_since(cursor, "-u torrap")
    scene.settings("LOG_FORMAT=json")
    scene.restart()
    cursor = scene.cursor()
    works(scene, "as JSON")
    objects = [json.loads(line) for line in scene.log_since(cursor, "-u torrap").splitlines()]
    scene.settings()
    scene.restart()
    assert len(warnings) == 1 and "TORRAP_DELYA" in warnings[0], warnings
    assert "listening on" in everything and "<4>" not in everything, everything
    assert any("answered" in line["message"] for line in objects), objects
    return "journalctl -p warning shows the one warning, and LOG_FORMAT=json objects"


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
    secret = scene.do(f"stat -c '%u %a' /run/credentials/torrap.service/slack-signing-secret")
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
    allowed = [name for name in FORBIDDEN if f"refused: {name} (" not in said]
    assert not allowed, f"not refused: {allowed}\n{said}"
    return f"{len(FORBIDDEN)} things that root can do here are refused"


def systemd_rates_it_well(scene: Scene) -> str:
    said = scene.do("systemd-analyze security torrap.service --no-pager").splitlines()[-1]
    exposure = float(re.search(r"(\d+\.\d+)", said)[1])
    assert exposure <= EXPOSURE, said
    return f"exposure {exposure}"


def a_command_starts_it(scene: Scene) -> str:
    scene.do("systemctl stop torrap.service")
    assert scene.show("ActiveState") == "inactive"
    began = time.monotonic()
    works(scene, "activation")
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


def an_upgrade_by_the_guide_fails_no_command(scene: Scene) -> str:
    lines = [line for line in guide("Upgrades") if not re.match("cargo|export CC", line)]
    with Load(scene.slack, "upgrade") as load:
        load.more(50)
        for line in lines:
            said = scene.do(f"cd /src; {built(scene, line)}")
        load.more(50)
    assert "listening on" in scene.do("journalctl -u torrap -n 1000"), said
    scene.do("cmp /usr/local/bin/torrap /usr/local/bin/torrap.old")
    return finished(load, f"{len(lines)} command lines of the guide")


def finished(load: Load, what: str) -> str:
    assert not load.failed, f"{len(load.failed)} commands failed: {load.failed[:3]}"
    replies(load.slack, load.acknowledged)
    assert load.slowest < SLACKS_TIMEOUT, f"the slowest acknowledgement took {load.slowest:.1f} s"
    return f"{what}, {len(load.acknowledged)} commands, none failed, each answered once, at most {load.slowest:.2f} s"


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
    scene.drop_in("[Service]\nStateDirectory=\nTimeoutStopSec=1\n")
    scene.settings("TORRAP_DELAY=4")
    scene.restart()
    texts = [f"drained-{n}" for n in range(50)]
    send(scene.slack, texts)
    began = time.monotonic()
    scene.do("systemctl stop --no-block torrap.service")
    wait_for("the status of the stop", lambda: scene.show("StatusText") == "stopping; replies pending: 50")
    wait_for("the end of the stop", lambda: scene.show("ActiveState") in ("inactive", "failed"))
    took = time.monotonic() - began
    assert scene.show("Result") == "success", scene.show("Result")
    replies(scene.slack, texts, deadline=0)
    scene.settings()
    scene.drop_in()
    scene.restart()
    assert took > 2, f"{took} s is less than the delay"
    return f"50 replies were posted before the end, after {took:.1f} s with TimeoutStopSec=1"


def killed_it_comes_back_with_its_replies(scene: Scene) -> str:
    scene.settings("TORRAP_DELAY=3")
    scene.restart()
    texts = [f"killed-{n}" for n in range(50)]
    send(scene.slack, texts)
    began = time.monotonic()
    scene.signal("KILL")
    works(scene, "waits while none runs")
    scene.is_up_again(1)
    replies(scene.slack, texts)
    took = time.monotonic() - began
    scene.settings()
    scene.restart()
    return f"50 replies posted once each by the next process, {took:.1f} s after the kill, the delay of 3 s included"


def killed_again_and_again_it_still_comes_back(scene: Scene) -> str:
    scene.restart()
    times = 6  # more than systemd's own limit, 5 in 10 s
    for number in range(times):
        scene.signal("KILL")
        scene.is_up_again(number + 1)
    assert scene.show("ActiveState", "torrap.socket") == "active"
    works(scene, "after many kills")
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
    scene.drop_in("[Service]\nWatchdogSec=2\n")
    scene.restart()
    cursor = scene.cursor()
    send(scene.slack, ["before the freeze"])
    began = time.monotonic()
    scene.signal("STOP")
    works(scene, "while it is frozen")
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
    scene.drop_in()
    scene.restart()
    return f"WatchdogSec=2: back after {took:.1f} s, both commands answered; at rest it is not killed"


def answered(scene: Scene) -> int:
    """When the bot has last answered the watchdog, in microseconds."""
    return int(scene.show("WatchdogTimestampMonotonic"))


def out_of_memory_it_comes_back_with_its_replies(scene: Scene) -> str:
    if not scene.show("ControlGroup") or scene.show("MemoryCurrent") == "[not set]":
        return "left out: no memory controller here"
    scene.drop_in("[Service]\nMemoryMax=6M\nMemorySwapMax=0\n")
    scene.settings("TORRAP_DELAY=8")
    scene.restart()
    texts = acknowledge_until_it_dies(scene.slack, "memory")
    scene.drop_in()  # with the same limit it would find the same replies, and die again
    scene.is_up_again(1)
    scene.settings()
    replies(scene.slack, texts)
    scene.restart()
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
    scene.settings()
    scene.restart()
    works(scene, "right again")
    return f"{tries} starts, then connections are refused; with the right setting one restart is enough"


def a_second_socket_serves_metrics(scene: Scene) -> str:
    scene.machine.write("/etc/systemd/system/torrap-metrics.socket", METRICS_SOCKET)
    scene.do("systemctl daemon-reload && systemctl stop torrap.service && systemctl start torrap-metrics.socket torrap.service")
    with Client(("127.0.0.1", 9101)) as client:
        status = client.exchange(b"GET /metrics HTTP/1.1\r\nHost: torrap\r\n\r\n")
    assert status == 200, status
    works(scene, "two sockets")
    scene.do("systemctl stop torrap-metrics.socket && rm /etc/systemd/system/torrap-metrics.socket")
    scene.do("systemctl daemon-reload")
    scene.restart()
    return "FileDescriptorName=metrics takes the place of TORRAP_METRICS_LISTEN"


def another_address_takes_effect_as_the_guide_says(scene: Scene) -> str:
    path = "/etc/systemd/system/torrap.socket.d/override.conf"
    move = ["systemctl stop torrap.socket torrap.service", "systemctl start torrap.service"]
    text = (DEPLOY / "README.md").read_text()
    assert f"`{move[0]}` and then `{move[1]}`" in text, "the guide says something else"
    for ports in ("ListenStream=\nListenStream=127.0.0.1:8001\n", None):
        if ports:
            scene.machine.write(path, f"[Socket]\n{ports}")
        else:
            scene.do(f"rm {path}")
        scene.do("systemctl daemon-reload")
        for line in move:
            scene.do(line)
        port = 8001 if ports else 8000
        with Client(("127.0.0.1", port)) as client:
            assert client.exchange(b"GET /readyz HTTP/1.1\r\nHost: torrap\r\n\r\n") == 200, port
    return "127.0.0.1:8001 and back"


def the_machine_is_switched_off_and_on(scene: Scene) -> str:
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


def the_package_does_the_same(scene: Scene) -> str:
    made = subprocess.run([DEPLOY / "debian/build", scene.binary, scene.machine.root / "src"],
                          capture_output=True, text=True, check=False)
    if "needs libraries" in made.stderr:
        return "left out: a package takes a static binary"
    assert made.returncode == 0, made.stderr
    package = f"/src/{made.stdout.strip().rsplit('/', 1)[1]}"
    # What was installed by hand would come first, says the guide. An empty machine has no database of packages either.
    scene.do("systemctl disable --now torrap.service torrap.socket")
    scene.do("rm -f /usr/local/bin/torrap* /etc/systemd/system/torrap.* && systemctl daemon-reload")
    scene.do("mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates && touch /var/lib/dpkg/status")
    scene.do(f"dpkg --install {package} && systemctl enable --now torrap.service")
    assert scene.show("FragmentPath").endswith("/lib/systemd/system/torrap.service"), scene.show("FragmentPath")
    works(scene, "packaged")
    before = scene.show("MainPID")
    with Load(scene.slack, "package") as load:
        load.more(50)
        scene.do(f"dpkg --install {package}")
        load.more(50)
    assert scene.show("MainPID") != before, "the upgrade did not restart the bot"
    said = finished(load, "an upgrade")
    scene.do("dpkg --remove torrap && test -e /etc/torrap/slack-signing-secret && test -e /var/lib/torrap/lock")
    assert scene.show("ActiveState", "torrap.socket") == "inactive"
    scene.do("dpkg --purge torrap && ! test -e /etc/torrap && ! test -e /var/lib/torrap && ! test -e /var/lib/private/torrap")
    return f"{said}; removed and purged"


ACTS = [
    installed_by_the_guide,
    the_journal_knows_levels,
    runs_as_a_user_of_its_own_without_privileges,
    the_sandbox_holds,
    systemd_rates_it_well,
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
