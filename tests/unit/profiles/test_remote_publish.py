"""Profiles published to a server are those published to a file, to the byte; one that is away answers nothing."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import ValidationError
from small_lake import AT, ROWS, write
from valkeys import Valkey, valkey

from consent.residue.needles import Needles
from consent.residue.places import workspace_places
from consent.residue.scan import scan
from infra.errors import Unavailable
from infra.ids import ProfileId, Purpose
from infra.serving.embedded import Generations
from infra.serving.remote import RemoteGenerations
from infra.serving_settings import ServingSettings
from infra.workspace import Workspace
from profiles.copying import copied
from profiles.publish import Edition, publish_edition
from profiles.serving import FOLDER, ProfileReader, Published, serving_store

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
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


def test_what_a_server_serves_is_searched_as_a_file_and_gone_afterwards(
    edition: Any, server: Valkey, tmp_path: Path, token_key: bytes
) -> None:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text(f"KINDRED_TOKEN_KEY={token_key.decode()}\nKINDRED_SERVING__STORE={server.url}\n")
    workspace = Workspace.open(root)
    publish_edition(replace(edition(1), store=serving_store(workspace)))
    live = serving_store(workspace).live()
    with live.change() as change:
        change.delete(b"v|service|ann")
        change.delete(b"v|analytics|ann")
        change.delete(b"g|ann")
    live.close()
    with copied(workspace) as file:
        assert file is not None
        report = scan([p for p in workspace_places(workspace) if p.store == "serving"], Needles.of(["ann@example.org"]))
        assert report.hits, "what can be undone is not gone"
        assert all(place.canary_found for place in report.places)
    assert not file.exists()
    assert [p.name for p in (root / "state" / "serving" / FOLDER).iterdir()] == []


def test_what_is_no_store_is_refused_without_its_password() -> None:
    with pytest.raises(ValidationError) as told:
        ServingSettings(store="postgresql://user:s3cret-of-the-test@host/name")
    assert "use lmdb, or redis://" in str(told.value.errors(include_input=False))
    assert "s3cret" not in repr(ServingSettings(store="redis://user:s3cret-of-the-test@host:6379/0"))
