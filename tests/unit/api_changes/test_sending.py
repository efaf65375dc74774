"""The feed taken to a webhook and a topic: signed, in order, at least once, whoever fails and whoever is killed."""

import base64
import hashlib
import hmac
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from feed_world import BEGIN, PURPOSES, FeedWorld, token_of
from online_world import prepared
from pydantic import ValidationError

import consent.store
import infra.runs
from api.changes.main import only_one
from api.changes.sending import NotTaken, Sender, send_all
from api.changes.topic import Topic
from api.changes.webhook import Webhook, asked_wait
from infra.changes_settings import ChangesSettings, TopicSettings, WebhookSettings
from infra.database import open_database
from infra.errors import Held, Malformed
from infra.ids import Purpose
from profiles.changefeed import followers, store
from profiles.history import store as past

ROOT = Path(__file__).parents[3]
ALL = dict.fromkeys(PURPOSES, 1)
KEY = b"a key of tests that guards nothing"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    """A real server that checks signatures as the standard says, and now and then fails."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.messages: list[str] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.checked(self.headers, body)
                status = outer.answers.pop(0) if outer.answers else 204
                if status == 0:  # it dies with the answer on its lips
                    outer.take(body)
                    self.connection.close()
                    return
                if 200 <= status < 300:
                    outer.take(body)
                self.send_response(status)
                if status == 503:
                    self.send_header("retry-after", "7")
                if status == 302:
                    self.send_header("location", "http://127.0.0.1:1/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks?shop=1"

    def checked(self, headers: Any, body: bytes) -> None:
        message, moment = headers["webhook-id"], headers["webhook-timestamp"]
        signed = hmac.new(KEY, f"{message}.{moment}.".encode() + body, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()
        assert moment.isdigit()
        assert orjson.loads(body)["data"]["changes"][-1]["id"] == message
        self.messages.append(message)

    def take(self, body: bytes) -> None:
        self.taken += orjson.loads(body)["data"]["changes"]

    def kept(self) -> dict[str, str]:
        """Return what an application has that heard all of it, twice where it came twice."""
        found: dict[str, str] = {}
        for one in self.taken:
            found.pop(one["profile_id"], None) if one["version"] is None else found.update(
                {one["profile_id"]: one["version"]}
            )
        return found

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FeedWorld]:
    made = FeedWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def sender(world: FeedWorld, receiver: Receiver) -> Iterator[Callable[[], Sender]]:
    opened: list[Sender] = []

    def made() -> Sender:
        settings = WebhookSettings(name="crm", url=receiver.url, purpose="service", secret=SECRET)  # type: ignore[arg-type]
        opened.append(Sender(world.feed, Webhook(settings, world.clock), world.clock, lambda: 1.0))
        return opened[-1]

    yield made
    for one in opened:
        one.recipient.close()


def test_a_webhook_hears_everybody_and_then_what_changes(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {f"p{n}": dict(ALL) for n in range(250)}
    world.publish()
    world.teller.tell_all()
    one = sender()
    assert [one.step() for _ in range(4)] == [100, 100, 50, 0]
    world.put("p7", {"service": 9})
    world.flush()
    world.refuse("p8", "service")
    world.watch.look(world.teller)
    assert one.step() == 2
    assert [told["kind"] for told in receiver.taken[250:]] == ["updated", "consent"]
    assert receiver.kept() == world.shown("service")
    assert len(receiver.messages) == len(set(receiver.messages)) == 4


def test_what_is_not_taken_is_sent_again_ever_later_and_nothing_passes_it(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    one = sender()
    receiver.answers = [500, 302, 503, 0, 204]
    assert [one.rested() for _ in range(3)] == [0.5, 1.0, 7.0]
    assert receiver.taken == []
    world.put("ann", {"service": 5})
    world.flush()
    assert one.rested() == 4.0, "it had taken it, and its answer was lost"
    assert one.rested() == 0.0
    assert {told["version"] for told in receiver.taken[-1:]} == {world.shown("service")["ann"]}
    while one.step():
        pass
    assert receiver.kept() == world.shown("service")
    ids = [told["id"] for told in receiver.taken]
    assert len(ids) > len(set(ids)), "at least once, under the same id"


def test_who_is_killed_goes_on_where_the_last_answer_was(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {f"p{n}": dict(ALL) for n in range(150)}
    world.publish()
    world.teller.tell_all()
    assert sender().step() == 100
    assert [sender().step(), sender().step()] == [50, 0]
    world.put("p3", {"service": 4})
    world.flush()
    assert sender().step() == 1
    assert len(receiver.taken) == 151
    assert receiver.kept() == world.shown("service")


def test_that_it_took_an_erasure_says_that_it_is_done(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    one = sender()
    one.step()
    world.erase("ann")
    world.watch.look(world.teller)
    (waiting,) = followers.told(world.database, ["ann"])
    assert (waiting.recipient, waiting.told_at) == ("webhook crm", None)
    one.step()
    assert receiver.taken[-1]["kind"] == "erased"
    (done,) = followers.told(world.database, ["ann"])
    assert done.told_at == done.acknowledged_at is not None


def test_whose_purpose_is_quiet_is_not_forgotten_and_not_sent_everybody_anew(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    one = sender()
    assert [one.step(), one.step()] == [1, 0]
    for day in range(40):
        world.now += timedelta(days=1)
        world.put("bob", {"analytics": day})
        world.flush()
        assert one.step() == 0
    store.shorten(world.database, world.now - timedelta(days=30))
    assert followers.reached(world.database, one.recipient.name, one.recipient.purpose) is not None
    assert sender().step() == 0
    assert len(receiver.taken) == 1


def test_pages_that_only_say_who_is_hidden_by_now_are_gone_through_without_a_rest(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {f"p{number:03d}": {"service": 1} for number in range(700)}
    world.publish()
    world.teller.tell_all()
    for one in world.people:
        world.overlay.restrict([token_of(one)], [Purpose("service")], at=world.now, sequence=1)
    waiting = sender()
    for _ in range(2):
        assert waiting.rested() == 0.0
    assert {told["kind"] for told in receiver.taken} <= {"consent"}
    while not waiting.rested():
        pass
    assert receiver.kept() == {}


def test_it_is_heard_within_a_second_of_a_withdrawal(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    stop = threading.Event()
    running = threading.Thread(target=sender().run, args=(stop,))
    running.start()
    try:
        until = time.monotonic() + 20
        while not receiver.taken and time.monotonic() < until:
            time.sleep(0.01)
        world.refuse("ann", "service")
        world.watch.look(world.teller)
        at = time.monotonic()
        while len(receiver.taken) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        taken = time.monotonic() - at
    finally:
        stop.set()
        running.join(20)
    assert receiver.kept() == {}
    assert taken < 10, "a tenth of a second on a machine that has nothing else to do"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        (" 90 ", 90.0),
        (format_datetime(BEGIN + timedelta(seconds=42), usegmt=True), 42.0),
        (format_datetime(BEGIN - timedelta(hours=1), usegmt=True), 0.0),
        ("\N{SUPERSCRIPT TWO}", 0.0),
        ("Mon, 99 Foo 2026 09:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-1", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_how_long_one_is_asked_to_wait(said: str | None, seconds: float) -> None:
    assert asked_wait(said, BEGIN) == seconds


def test_what_nobody_foresaw_ends_the_process_that_would_go_on_without_the_recipient(
    sender: Callable[[], Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn() -> float:
        raise ValueError

    one, stop = sender(), threading.Event()
    monkeypatch.setattr(Sender, "rested", lambda _: torn())
    with pytest.raises(ValueError):  # noqa: PT011 - nobody foresaw it
        one.run(stop)
    assert stop.is_set()


def test_nothing_is_sent_before_it_is_known_what_has_ended(
    world: FeedWorld, receiver: Receiver, sender: Callable[[], Sender]
) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    stop, looked = threading.Event(), list[int]()

    def look() -> None:
        looked.append(len(receiver.taken))
        if len(looked) == 1:
            raise Held("the database is away")
        if receiver.taken:
            stop.set()

    running = threading.Thread(target=send_all, args=([sender()], stop, look))
    running.start()
    running.join(60)
    assert looked[:2] == [0, 0]
    assert [one["profile_id"] for one in receiver.taken] == ["ann"]


def test_one_process_sends(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(Held), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_a_webhook_is_told_under_https_with_a_secret() -> None:
    good = {"name": "crm", "url": "https://hooks.example.org/k", "purpose": "service", "secret": SECRET}
    assert WebhookSettings.model_validate(good)
    for wrong in ({"url": "http://hooks.example.org/k"}, {"url": "https://u:p@hooks.example.org"}, {"secret": ""},
                  {"name": "CRM"}, {"url": "hooks.example.org"}):  # fmt: skip
        with pytest.raises(ValidationError):
            WebhookSettings.model_validate(good | wrong)
    with pytest.raises(ValidationError, match="each its own"):
        ChangesSettings.model_validate({"webhooks": [good, good]})
    short = WebhookSettings.model_validate(good | {"secret": "whsec_c2hvcnQ="})
    with pytest.raises(Malformed, match="5 bytes"):
        Webhook(short, lambda: BEGIN)
    assert SECRET not in repr(WebhookSettings.model_validate(good))


def test_a_topic_keeps_each_person_in_order(world: FeedWorld, kafka_broker: Any) -> None:
    world.people = {f"p{n}": dict(ALL) for n in range(20)}
    world.publish()
    world.teller.tell_all()
    settings = TopicSettings(topic="changes-service", purpose="service", bootstrap=kafka_broker.bootstrap)
    one = Sender(world.feed, Topic(settings), world.clock)
    try:
        assert one.step() == 20
        for number in range(2, 5):
            world.put("p7", {"service": number})
            world.flush()
        world.refuse("p8", "service")
        world.watch.look(world.teller)
        assert one.step() == 4
    finally:
        one.recipient.close()
    parts = kafka_broker.kept("changes-service")
    told = {key: [] for part in parts for key, _ in part}  # type: ignore[var-annotated]
    for part in parts:
        for key, body in part:
            told[key].append(orjson.loads(body))
    assert len(told) == 20
    assert [entry["kind"] for entry in told[b"p7"]] == ["created", "updated", "updated", "updated"]
    assert told[b"p7"][-1]["version"] == world.shown("service")["p7"]
    assert [entry["kind"] for entry in told[b"p8"]] == ["created", "consent"]
    assert told[b"p8"][0]["anew"] is True


def test_brokers_that_are_away_are_waited_for(world: FeedWorld) -> None:
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_all()
    topic = Topic(TopicSettings(topic="changes", purpose="service", bootstrap="127.0.0.1:1"))
    one = Sender(world.feed, topic, world.clock, lambda: 1.0)
    with pytest.raises(NotTaken):
        one.step()
    assert one.rested() == 0.5
    topic.close()


def test_the_process_sends_what_its_workspace_declares(tmp_path: Path, receiver: Receiver) -> None:
    workspace = prepared(tmp_path / "shop")
    page = workspace.root / "kindred.yaml"
    hook = f"{{name: crm, url: '{receiver.url}', purpose: service, secret: '${{CRM_SECRET}}'}}"
    text = page.read_text()
    assert "serving: {" in text
    page.write_text(text.replace("serving: {", f"serving: {{changes: {{webhooks: [{hook}]}}, "))
    with (workspace.root / ".env").open("a") as env:
        env.write(f"CRM_SECRET={SECRET}\n")
    world = FeedWorld(workspace.serving_path, database=open_database(
        workspace, consent.store.METADATA, infra.runs.METADATA, store.METADATA, past.METADATA))  # fmt: skip
    world.people = {"ann": dict(ALL)}
    world.publish()
    world.teller.tell_generation()
    command = [sys.executable, "-m", "api.changes.main", str(workspace.root)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd="/", env=environ, stderr=subprocess.PIPE) as process:
        try:
            until = time.monotonic() + 60
            while not receiver.taken and time.monotonic() < until and process.poll() is None:
                time.sleep(0.05)
        finally:
            process.terminate()
        said = process.communicate(timeout=60)[1].decode()
    world.close()
    assert [told["profile_id"] for told in receiver.taken] == ["ann"], said
    assert process.returncode == 0, said
    assert SECRET not in said
