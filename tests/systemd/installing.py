"""Acts that follow the guide to the letter: installation, upgrade, another address; and the package in its place."""

import re
import subprocess

from client import SECRET, Client
from load import ADDRESS, Load, finished
from scene import DEPLOY, Scene


def guide(heading: str) -> list[str]:
    """The command lines below a heading of the guide."""
    text = (DEPLOY / "README.md").read_text()
    section = re.split(r"^###? ", re.split(f"^###? {heading}$", text, flags=re.M)[1], flags=re.M)[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()]


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
    scene.works("installed")
    return f"{len(lines)} command lines of the guide, all is well, a command is answered"


def built(scene: Scene, line: str) -> str:
    """The command line, with the binary under test where the guide has built one."""
    where = re.search(r"target/\S*/release/torrap", line)
    if where:
        path = scene.machine.root / "src" / where[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scene.binary.read_bytes())
    return line


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


def another_address_takes_effect_as_the_guide_says(scene: Scene) -> str:
    path = "/etc/systemd/system/torrap.socket.d/override.conf"
    line = "systemctl restart torrap.socket"
    assert f"run `{line}`" in (DEPLOY / "README.md").read_text(), "the guide says something else"
    scene.machine.write(path, "[Socket]\nListenStream=\nListenStream=127.0.0.1:8001\n")
    scene.do(f"systemctl daemon-reload && {line}")
    ready(("127.0.0.1", 8001))
    scene.do(f"rm {path} && systemctl daemon-reload && {line}")
    ready(ADDRESS)
    passed = scene.do(f"tr '\\0' '\\n' </proc/{scene.show('MainPID')}/environ")
    assert "LISTEN_FDS=1" in passed, passed
    return "127.0.0.1:8001 and back"


def ready(address: tuple[str, int]) -> None:
    with Client(address) as client:
        status = client.exchange(b"GET /readyz HTTP/1.1\r\nHost: torrap\r\n\r\n")
        assert status == 200, f"{address}: {status}"


def the_package_does_the_same(scene: Scene) -> str:
    made = subprocess.run([DEPLOY / "debian/build", scene.binary, scene.machine.root / "src"],
                          capture_output=True, text=True, check=False)
    if "needs libraries" in made.stderr:
        return "left out: a package takes a static binary"
    assert made.returncode == 0, made.stderr
    package = f"/src/{made.stdout.strip().rsplit('/', 1)[1]}"
    # What was installed by hand would come first, says the guide. An empty machine has no database of packages either.
    scene.do("systemctl disable --now torrap.service torrap.socket")
    scene.do("rm -rf /usr/local/bin/torrap* /etc/systemd/system/torrap.* && systemctl daemon-reload")
    scene.do("mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates && touch /var/lib/dpkg/status")
    scene.do(f"dpkg --install {package} && systemctl enable --now torrap.service")
    assert scene.show("FragmentPath").endswith("/lib/systemd/system/torrap.service"), scene.show("FragmentPath")
    scene.works("packaged")
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
