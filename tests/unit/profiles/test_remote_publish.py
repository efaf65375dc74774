"""Profiles published to a server are those published to a file, to the byte; one that is away answers nothing."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from small_lake import AT, ROWS, write
from valkeys import Valkey, valkey

from infra.errors import Unavailable
from infra.ids import ProfileId, Purpose
from infra.serving.embedded import Generations
from infra.serving.remote import RemoteGenerations
from profiles.publish import Edition, publish_edition
from profiles.serving import FOLDER, ProfileReader, Published

ANN, SERVICE = ProfileId("ann"), Purpose("service")


class NothingDenied:
    def denied_any(self, tokens: Any, purpose: str) -> bool:
        return not list(tokens) and bool(purpose)


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


def both(edition: Edition, server: Valkey) -> tuple[Generations, RemoteGenerations]:
    remote = RemoteGenerations(server.url, "shop", time.monotonic)
    publish_edition(edition)
    publish_edition(replace(edition, store=remote))
    return Generations(edition.serving / FOLDER), remote


def test_both_stores_hold_the_same_after_each_publication(edition: Any, server: Valkey) -> None:
    files, remote = both(edition(1), server)
    assert dict(remote.current().items(b"")) == dict(files.current().items(b""))
    later = [{**one, "as_of": AT + timedelta(days=9)} for one in ROWS["profile_views"][1:]]
    later[0]["confidence"] = 0.5
    for changed, store in ((files, files), (remote, remote)):
        live = store.live()
        with live.change() as change:
            change.put(b"v|service|online", b"new")
            change.delete(b"v|service|ann")
        live.close()
        assert changed.current().get(b"v|service|ann") is None
    write(edition(2).lake, {**ROWS, "profile_views": later})
    files, remote = both(edition(2), server)
    found = dict(remote.current().items(b""))
    assert found == dict(files.current().items(b""))
    assert b'"from":"00000001"' in found[b"m|manifest"]
    assert b"v|service|online" not in found
    assert remote.rollback() == files.rollback() == "00000001"


def test_a_server_that_is_away_or_empty_knows_nobody_and_denies_nobody(edition: Any, server: Valkey) -> None:
    _, remote = both(edition(1), server)
    profiles = ProfileReader(Published(remote, time.monotonic), NothingDenied())
    body = profiles.view(ANN, SERVICE)
    assert body is not None
    assert profiles.view(ProfileId("nobody"), SERVICE) is None
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    for look in (lambda: profiles.view(ANN, SERVICE), lambda: profiles.search("ann", SERVICE)):
        with pytest.raises(Unavailable):
            look()
    server.stop()
    with pytest.raises(Unavailable):
        profiles.view(ANN, SERVICE)
    server.start()
    publish_edition(replace(edition(2), store=remote))
    deadline = time.monotonic() + 10
    again = None
    while again is None and time.monotonic() < deadline:
        try:
            again = profiles.view(ANN, SERVICE)
        except Unavailable:
            time.sleep(0.1)
    assert again == body
