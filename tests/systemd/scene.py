"""The bot on the machine, what it is asked for there, and what systemd says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import replies, send
from machine import Machine, wait_for
from processes import SlackStandIn

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DELAY = 1  # second from a command to its reply
DROP_IN = "/etc/systemd/system/torrap.service.d/act.conf"


class Scene:
    """The machine, and the bot on it."""

    def __init__(self, machine: Machine, binary: Path) -> None:
        self.machine, self.binary = machine, binary
        self.slack = SlackStandIn()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self.slack.__exit__()

    def do(self, command: str, given: str | None = None) -> str:
        return self.machine.do(command, given)

    def show(self, what: str, unit: str = "torrap.service") -> str:
        return self.do(f"systemctl show --value --property={what} {unit}")

    def signal(self, name: str) -> None:
        """To the bot, by hand."""
        pid = int(self.show("MainPID"))
        assert pid > 0, "the bot does not run"  # and 0 would be this process with all that it has started
        self.do(f"kill -{name} {pid}")

    def settings(self, *more: str) -> None:
        """Of the file that the guide names."""
        lines = [f"TORRAP_REPLY_ORIGINS={self.slack.origin}", f"TORRAP_DELAY={DELAY}", *more]
        self.machine.write("/etc/torrap/env", "".join(f"{line}\n" for line in lines))

    def drop_in(self, text: str = "") -> None:
        """What `systemctl edit torrap` would write; without a text it is taken away. Takes effect at the next start."""
        if text:
            self.machine.write(DROP_IN, text)
        else:
            self.do(f"rm -f {DROP_IN}")
        self.do("systemctl daemon-reload")

    def restart(self) -> None:
        self.do("systemctl restart torrap")

    def is_up_again(self, restarts: int) -> None:
        """systemd has started it by itself so often since the last start by hand, and it takes commands."""
        wait_for(
            f"{restarts} restarts by systemd",
            lambda: int(self.show("NRestarts")) >= restarts and self.show("StatusText") == "taking commands",
        )

    def works(self, text: str) -> None:
        """A command is acknowledged and answered."""
        send(self.slack, [text])
        replies(self.slack, [text])

    @contextmanager
    def changed(self, *settings: str, drop_in: str = "") -> Iterator[None]:
        """It runs with further settings, or with what `systemctl edit` adds, and then again as the guide has installed it."""
        self.settings(*settings)
        self.drop_in(drop_in)
        self.restart()
        yield
        self.reset()

    def reset(self) -> None:
        """As the guide has installed it."""
        self.settings()
        self.drop_in()
        self.restart()

    def log(self) -> str:
        return self.machine.try_to("journalctl -b -n 25 -o short-precise").stdout

    def log_since(self, cursor: str, options: str = "") -> str:
        # Not `--after-cursor`: with a filter systemd 252 then leaves out the first line that matches.
        return self.do(f"journalctl --sync && journalctl -o cat --cursor='{cursor}' {options}")

    def cursor(self) -> str:
        """Where the log ends now."""
        return self.do("journalctl -n 0 --show-cursor").split("-- cursor: ")[1]
