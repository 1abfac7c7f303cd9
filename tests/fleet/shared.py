"""What happens with a journal in Redis: a replica's machine dies with replies pending, and the other one posts them."""

import re
import time

from machines import ADDRESSES, REDIS, REDIS_ADDRESS, cut, inside, machine, mend
from scene import CLIENTS, DEADLINE, DEPLOY, SLACKS_TIMEOUT, Scene, metric, reaches, wait_until

PASSWORD = "0f3c54a9"
# The lease is five seconds; issue and guide say ten.
TAKEN_OVER = 10.0
# Replies that were posted in the moment of the death and not settled yet are posted again.
TWICE_MAX = 4 * CLIENTS


class SharedScene(Scene):
    """A proxy, two replicas, and Redis on a machine of its own, with the files of deploy/fleet."""

    delay = 3.0  # so that many replies are pending when a machine dies
    environment = {"TORRAP_REDIS_PASSWORD": PASSWORD}

    def __enter__(self) -> "SharedScene":
        users = self.folder / "users.acl"
        users.write_text((DEPLOY / "fleet" / "users.acl").read_text().replace("PASSWORD", PASSWORD))
        text = (DEPLOY / "fleet" / "redis.conf").read_text()
        text = text.replace("/etc/redis/users.acl", str(users))
        text = re.sub("^dir .*$", f"dir {self.folder}", text, flags=re.MULTILINE)
        file = self.folder / "redis.conf"
        file.write_text(text)
        self.run(REDIS, inside(machine(self.network, REDIS), ["redis-server", str(file)]))
        wait_until(lambda: reaches(REDIS_ADDRESS, 6379), "Redis listens")
        return super().__enter__()

    def journal(self, replica: str) -> list[str]:
        return ["--journal", f"redis://torrap@{REDIS_ADDRESS}:6379/0?fleet=torrap"]

    def play(self) -> str:
        """A replica's machine dies and does not come back. Returns what came of it."""
        slack = self.slack
        for client in slack.clients:
            client.start()
        slack.wait_for_more()
        wait_until(lambda: all(pending(replica) > 10 for replica in ADDRESSES), "replies are pending at both")
        held = pending("a")
        cut("a")
        self.processes["a"].kill()
        self.processes["a"].wait(DEADLINE)
        died_at = time.monotonic()
        try:
            slack.wait_for_more()
            self.await_check("a", "DOWN")
            wait_until(lambda: self.taken_over() > 0, "b takes over")
            took = time.monotonic() - died_at
            slack.finish(2 * TAKEN_OVER)
        finally:
            mend("a")
        return self.judge_death(held, took)

    def taken_over(self) -> float:
        return metric("b", "torrap_journal_taken_over_total")

    def judge_death(self, held: float, took: float) -> str:
        slack = self.slack
        assert len(slack.errors) <= 2 * CLIENTS, f"{len(slack.errors)} errors: {slack.errors[:9]}"
        assert slack.slowest < SLACKS_TIMEOUT, f"an acknowledgement took {slack.slowest:.1f} s"
        lost = [text for text in slack.acknowledged if text not in slack.replies]
        assert not lost, f"{len(lost)} replies lost: {lost[:5]}"
        assert took < TAKEN_OVER, f"the other replica took over after {took:.1f} s"
        twice = sum(count > 1 for count in slack.replies.values())
        assert twice <= TWICE_MAX, f"{twice} replies posted twice"
        return (f"{len(slack.acknowledged)} commands; a replica's machine dies with {held:.0f} replies pending, the other "
                f"one takes {self.taken_over():.0f} over after {took:.1f} s; none is lost, {twice} are sent twice")


def pending(replica: str) -> float:
    """How many replies the replica has to post."""
    return metric(replica, "torrap_jobs_pending")
