"""Answers to requests for access and portability, put together from every package; nothing of them is kept."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

import activation.disclosure
import identity.disclosure
import ingestion.disclosure
import profiles.disclosure
from api.http.audit import looks
from consent import officer
from consent.requests import disclosure
from consent.requests.desk import Desk, get, identifiers, locked, settled, write
from consent.requests.disclosure import Disclosable, LeftOut, Person, Sheet
from consent.requests.errors import NotNow
from consent.requests.model import Request, following
from consent.retention.model import Rule
from consent.store import CONSENT_DECISION
from infra.database import writing
from profiles.serving import ProfileReader


@dataclass(frozen=True, slots=True)
class Spoken:
    """The consent ledger, and the decisions that were logged, as `Disclosable`."""

    words: officer.Desk
    name: str = "consent"

    def stores(self) -> Iterable[str]:
        """Return the names of its stores."""
        return ("consent_event", "consent_decision", "consent_inbox")

    def sheets(self, person: Person) -> Iterator[Sheet | LeftOut]:
        """Yield every word that was said under the person's identifiers, and what was decided about them."""
        said = tuple(officer.show(self.words, sorted(person.tokens)))
        yield Sheet("consent_event", "given", "What you allowed and refused, and when", said)
        query = select(CONSENT_DECISION).where(CONSENT_DECISION.c.profile_id.in_((*person.profiles, *person.former)))
        with self.words.database.connect() as connection:
            rows = connection.execute(query.order_by(CONSENT_DECISION.c.at, CONSENT_DECISION.c.id)).mappings().all()
        decided = tuple({name: row[name] for name in row if name != "actor"} for row in rows)
        yield Sheet("consent_decision", "handling", "What we decided that your data may be used for", decided)
        yield LeftOut("consent_inbox", "copies of words on their way into the ledger, which is told whole")


@dataclass(frozen=True, slots=True)
class Read:
    """The audit of reads as `Disclosable`: when the person's data were read, and for what."""

    database: Engine
    name: str = "api"

    def stores(self) -> Iterable[str]:
        """Return the names of its stores."""
        return ("read_audit",)

    def sheets(self, person: Person) -> Iterator[Sheet | LeftOut]:
        """Yield every look at the person's profiles; whose key it was stays ours."""
        rows = [
            asdict(look) for profile in (*person.profiles, *person.former) for look in looks(self.database, profile)
        ]
        told = tuple({name: value for name, value in row.items() if name != "key_id"} for row in rows)
        yield Sheet("read_audit", "handling", "When your profile was read, and for which purpose", told)


@dataclass(frozen=True, slots=True)
class Answers:
    """What puts answers together."""

    desk: Desk
    words: officer.Desk
    lake: Path
    reader: ProfileReader
    rules: tuple[Rule, ...] = ()

    def packages(self) -> tuple[Disclosable, ...]:
        """Return every package that holds people."""
        policy = self.words.policy
        return (
            ingestion.disclosure.disclosed(self.lake),
            identity.disclosure.disclosed(self.lake),
            profiles.disclosure.disclosed(self.lake, policy),
            activation.disclosure.disclosed(self.lake, policy),
            Spoken(self.words),
            Read(self.words.database),
        )

    def handed_out(self, request_id: str, *, at: datetime, actor: str, packed: bool) -> bytes:
        """Return the answer to a request that was carried out, as JSON or packed with CSV; raise `NotNow` before.

        That it was handed out, and to whom, is a step of the request and in the ledger before anybody has it.
        """
        request = get(self.desk, request_id)
        if request.right not in {"access", "portability"} or request.status != "notifying":
            raise NotNow(request.status, "answered", following(request.right, request.status, request.resumes))
        document = self._answer(request, at)
        kind = "zip" if packed else "json"
        with writing(self.desk.database) as connection:
            row = locked(connection, request_id)
            facts = {"as": kind, "stores": len(document["data"])}
            write(connection, row, row["status"], at=at, actor=actor, facts=facts, step="handed_out")
        settled(self.desk, request_id)
        return disclosure.as_zip(document) if packed else disclosure.as_json(document)

    def _answer(self, request: Request, at: datetime) -> dict[str, Any]:
        held = identifiers(self.desk, request.id)
        person = profiles.disclosure.person_of(self.lake, self.reader, [one.token for one in held])
        return disclosure.answer(request, person, self.packages(), self.words.policy, self.desk.config, at, self.rules)
