"""The composition root of the senders: a workspace in, its change feed sent until the process is told to end.

Run as `python -m api.changes.main WORKSPACE`, which is what `kindred serve` does. It ends with its parent. One process
sends for a workspace: a lock of the system sees to it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import consent.store
import infra.runs
from api.changes.sending import Recipient, Sender, send_all
from api.changes.webhook import Webhook
from api.http.alongside import told_to_end
from api.http.told import open_teller
from consent import officer
from infra import journal
from infra.clock import Clock, system_clock
from infra.database import open_database
from infra.errors import Held, Malformed
from infra.locks import taken
from infra.workspace import Workspace
from profiles.changefeed.pages import Feed
from profiles.changefeed.store import METADATA as CHANGES
from profiles.history.store import METADATA as HISTORY

FOLDER: Final = "changes"


def open_senders(workspace: Workspace, clock: Clock = system_clock) -> tuple[list[Sender], Callable[[], None]]:
    """Return a sender for each webhook and each topic, and the look that their decisions need now and then.

    Raise `Malformed` where one is sent for a purpose that there is not.
    """
    database = open_database(workspace, consent.store.METADATA, infra.runs.METADATA, CHANGES, HISTORY)
    desk = officer.Desk.open(workspace, database)
    teller, look = open_teller(workspace, database, desk.overlay, clock)
    feed = Feed(database, teller, workspace.token_key())
    found = recipients(workspace, clock)
    for one in found:
        if one.purpose not in desk.policy.purposes:
            raise Malformed(
                f"serving.changes: {one.name} is sent what is for {one.purpose}, which is no purpose of the policy; "
                f"purposes: {', '.join(desk.policy.purposes)}"
            )
    return [Sender(feed, one, clock) for one in found], lambda: look(clock())


def recipients(workspace: Workspace, clock: Clock) -> list[Recipient]:
    """Return whom the feed is sent to."""
    declared = workspace.settings.serving.changes
    found: list[Recipient] = [Webhook(one, clock) for one in declared.webhooks]
    if declared.topics:
        from api.changes.topic import Topic  # noqa: PLC0415 - Kafka's client is loaded by who has a topic

        found += [Topic(one) for one in declared.topics]
    return found


def serve(workspace: Workspace) -> None:
    """Send until the process is told to end, or its parent has ended."""
    stop = told_to_end()
    with only_one(workspace.state_path / FOLDER):
        senders, look = open_senders(workspace)
        send_all(senders, stop, look)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of the one sender of a workspace; the system lets it go with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = taken(folder / "sender.lock")
    if descriptor is None:
        raise Held("another process of this workspace sends its changes; end it first")
    try:
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    opened = Workspace.open(Path(sys.argv[1]))
    journal.configure(opened.settings.logs.format, sys.stderr)
    serve(opened)
