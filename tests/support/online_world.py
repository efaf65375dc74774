"""A shop whose events are followed as they come, without Spark: collector, spool, resolver, ledger, serving."""

import asyncio
import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from sqlalchemy import Engine

import consent.store
import infra.runs
import ingestion.store
from api.http.wiring import Denied
from consent import officer
from identity.config import load_identity
from identity.matching import scoring
from identity.modelling import training
from identity.online import build
from identity.online.build import Resolved
from identity.tables import RECORD_FEATURES
from infra.arrow import schema
from infra.database import open_database
from infra.identifiers import record_token, token
from infra.keyvalue import LmdbStore
from infra.log.port import Entry
from infra.log.spool import Spool
from infra.settings import SpoolSettings
from infra.workspace import Workspace
from ingestion.collector.intake import Intake, Receipt, taken
from ingestion.collector.wire import read
from profiles import serving
from profiles.online.opened import Ledger, Log, Opened
from profiles.online.tails import Tail
from profiles.stored import answered

TEMPLATES = Path(__file__).parents[2] / "api" / "templates" / "workspace"
SOURCE = (
    "source: web\nconnector: {type: collector}\ntrust: 0.6\n"
    "identifiers: {customer: userId, email: traits.email, cookie: anonymousId}\n"
    "fields: {given_name: traits.firstName}\n"
    "order: {order_id: properties.order_id, product_id: properties.product, quantity: properties.quantity, "
    "amount: properties.price}\n"
)
BEGIN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def prepared(root: Path, source: str = SOURCE) -> Workspace:
    """Write a workspace with one collector's source and nothing in it."""
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text("KINDRED_TOKEN_KEY=a-key-of-tests-that-guards-nothing-at-all\n")
    (root / "sources" / "web.yaml").write_text(source)
    return Workspace.open(root)


@dataclass
class OnlineWorld:
    """The online path over one workspace; `now` is its clock."""

    workspace: Workspace
    database: Engine
    now: datetime = BEGIN
    sent: int = 0
    _opened: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path, source: str = SOURCE) -> "OnlineWorld":
        workspace = prepared(root, source)
        metadata = (consent.store.METADATA, ingestion.store.METADATA, infra.runs.METADATA)
        return cls(workspace, open_database(workspace, *metadata))

    def clock(self) -> datetime:
        return self.now

    @property
    def desk(self) -> officer.Desk:
        if not hasattr(self, "_desk"):
            self._desk = officer.Desk.open(self.workspace, self.database)
        return self._desk

    def say(self, kind: str, value: str, purpose: str, action: str) -> None:
        """Record a word of consent, as an officer would."""
        said = officer.Statement(
            kind=kind, token=officer.token_of(self.desk, kind, value), purpose=purpose, action=action,
            occurred_at=self.now, received_at=self.now,
        )  # fmt: skip
        officer.record(self.desk, said)

    def entries(self, events: Sequence[Mapping[str, Any]], *, keyed: bool = False) -> list[Entry]:
        """Return the entries that the collector makes of a request's events."""
        raw = orjson.dumps({"batch": list(events)})
        key = self.workspace.token_key()
        intake = Intake(
            lambda kind, value: token(key, kind, value), lambda m: record_token(key, "web", m), lambda: "minted"
        )
        return taken(read(raw), Receipt(self.now.isoformat()), intake, keyed=keyed).entries

    def send(self, *events: Mapping[str, Any], seconds: float = 60.0) -> None:
        """Have the log hold events, each with a moment of its own, in one request."""
        asyncio.run(self._append(self.entries(self.stamped(events, seconds))))

    def keyed(self, *events: Mapping[str, Any], seconds: float = 60.0) -> list[Entry]:
        """Return the entries of a request's events, each with a moment of its own, for a log that orders by keys."""
        return self.entries(self.stamped(events, seconds), keyed=True)

    def stamped(self, events: Sequence[Mapping[str, Any]], seconds: float) -> list[dict[str, Any]]:
        """Return events with a moment and an id of their own."""
        stamped = []
        for event in events:
            self.sent += 1
            self.now += timedelta(seconds=seconds)
            stamped.append({"messageId": f"m-{self.sent}", "timestamp": self.now.isoformat(), **event})
        return stamped

    async def _append(self, entries: list[Entry]) -> None:
        log = Spool.open(self.workspace.log_path, SpoolSettings(), clock=self.clock, suffix=lambda: f"{self.sent:08x}")
        await log.append("web", entries)
        await log.close()

    def state(self, folder: Path) -> Path:
        """Build a resolver's state that knows nobody yet."""
        config, connection = load_identity(self.workspace), scoring.connect()
        try:
            scoring.load_features(connection, pa.RecordBatchReader.from_batches(schema(RECORD_FEATURES), []))
            model = training.declared(connection, config)
        finally:
            connection.close()
        build.build(folder, config, model, {}, Resolved((), (), ()), 1)
        return folder

    def opened(self, state: Path, name: str = "g1", tail: Tail | None = None) -> Opened:
        log = Log.of(self.workspace, self.database, self.clock)
        log.tail = log.tail if tail is None else tail
        desk = self.desk
        found = Opened(self.workspace, log, name, state, Ledger(desk, self.clock), Denied(desk.overlay))
        self._opened += [found, log.tail]
        return found

    def shut(self) -> None:
        """Let go of what was opened, as a process that ends does."""
        for one in self._opened:
            one.close()
        self._opened.clear()

    def close(self) -> None:
        self.shut()
        if hasattr(self, "_desk"):
            self._desk.overlay.close()


PAGE = {"type": "page", "name": "Home", "anonymousId": "c-1"}
BUY = {"type": "track", "event": "Order Completed", "anonymousId": "c-1", "properties": {
    "order_id": "o-1", "product": "p-1", "quantity": 2, "price": "12.50"}}  # fmt: skip
LOGIN = {"type": "identify", "userId": "u-1", "anonymousId": "c-1",
         "traits": {"email": "ann@example.org", "firstName": "Ann"}}  # fmt: skip
SERVED = (b"v|", b"h|", b"k|", b"l|", b"g|", b"t|", b"a|")


def content(store: LmdbStore, prefixes: Iterable[bytes] = SERVED) -> dict[bytes, bytes]:
    """Return all that is served, to be compared."""
    return {key: value for prefix in prefixes for key, value in store.items(prefix)}


def view(store: LmdbStore, purpose: str, profile_id: str) -> dict[str, Any] | None:
    """Return a purpose's view of a person, or None."""
    raw = store.get(serving.view_key(purpose, profile_id))
    return None if raw is None else orjson.loads(answered(raw))


def whose(world: OnlineWorld, store: LmdbStore, kind: str, value: str) -> tuple[str, ...]:
    """Return the profiles that an identifier leads to."""
    raw = store.get(serving.token_key(officer.token_of(world.desk, kind, value)))
    return tuple(raw.decode().partition("\n")[0].split(",")) if raw else ()


def random_days(seed: int) -> list[list[dict[str, Any]]]:
    """Return requests of a few visitors and customers, on shared and own devices, with repetitions."""
    chance = random.Random(seed)  # noqa: S311 - a sample
    sent: list[dict[str, Any]] = []
    requests = []
    for _ in range(chance.randint(4, 14)):
        request = []
        for _ in range(chance.randint(1, 4)):
            cookie, user = f"c-{chance.randint(1, 4)}", f"u-{chance.randint(1, 3)}"
            kind = chance.random()
            if kind < 0.2:
                event: dict[str, Any] = {**LOGIN, "userId": user, "anonymousId": cookie,
                                         "traits": {"email": f"{user}@example.org"}}  # fmt: skip
            elif kind < 0.35:
                event = {"type": "track", "event": "Signed Out", "anonymousId": cookie}
            elif kind < 0.6:
                order = {"order_id": f"o-{chance.randint(1, 5)}", "product": "p", "quantity": 1, "price": "1.25"}
                event = {**BUY, "anonymousId": cookie, "properties": order}
                event |= {"userId": user} if chance.random() < 0.5 else {}
            elif kind < 0.7 and sent:
                event = chance.choice(sent)
            else:
                event = {**PAGE, "anonymousId": cookie}
            event = {"messageId": f"r-{chance.getrandbits(48):x}", **event}
            sent.append(event)
            request.append(event)
        requests.append(request)
    return requests
