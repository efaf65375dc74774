"""Doubles of the ports, in memory: for tests, for demonstrations, and for writing pages before there is a lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from api.http.ports import Heard, Json, Known, OptIn, Question, Statement
from api.http.reading import etag
from consent.choices import Choice
from consent.errors import UnknownEntry
from consent.model import Link
from consent.signals.optin import SlipUnknown
from identity.errors import Contradiction, UnknownTask
from identity.stewardship.review import Answer, Task
from infra.ids import ProfileId, Purpose, Token

_DENYING = frozenset({"refused", "withdrawn", "objected", "restricted"})


@dataclass
class MemoryProfiles:
    """`Profiles` over dictionaries; `deny` is its overlay."""

    views: dict[tuple[Purpose, ProfileId], dict[str, Any]] = field(default_factory=dict)
    graphs: dict[ProfileId, dict[str, Any]] = field(default_factory=dict)
    timelines: dict[ProfileId, list[dict[str, Any]]] = field(default_factory=dict)
    headers: dict[ProfileId, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[Token, ProfileId] = field(default_factory=dict)
    aliases: dict[ProfileId, tuple[ProfileId, ...]] = field(default_factory=dict)
    denied: set[tuple[Token, Purpose]] = field(default_factory=set)
    loose: set[tuple[Token, Purpose]] = field(default_factory=set)

    def moment(self) -> "MemoryProfiles":
        """Return itself: nothing is published while it is read."""
        return self

    def read(self, token: Token, purpose: Purpose) -> tuple[ProfileId, bytes, bytes] | None:
        """Return whom an identifier leads to, with ETag and answer."""
        found = self.find(token, purpose)
        tagged = None if found is None else self.tagged(found, purpose)
        return None if found is None or tagged is None else (found, *tagged)

    def find(self, token: Token, purpose: Purpose | None = None) -> ProfileId | None:
        """Return the profile that an identifier belongs to, unless it is tied too loosely for the purpose."""
        return None if purpose is not None and (token, purpose) in self.loose else self.tokens.get(token)

    def search(self, words: str, purpose: Purpose, limit: int) -> list[ProfileId]:
        """Return people whose names hold each of the words."""
        wanted = words.casefold().split()
        found = [
            profile_id
            for (p, profile_id), view in sorted(self.views.items())
            if p == purpose and wanted and all(w in " ".join(view["attributes"].values()).casefold() for w in wanted)
        ]
        return [p for p in found if self.view(p, purpose) is not None][:limit]

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up."""
        return self.aliases.get(profile_id, ())

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return ETag and answer of a read, or None."""
        body = self.view(profile_id, purpose)
        return None if body is None else (etag(body), body)

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        """Return the answer to a read, or None."""
        view = self.views.get((purpose, profile_id))
        if view is None or any((token, purpose) in self.denied for token in self._tokens_of(profile_id)):
            return None
        return orjson.dumps(view)

    def usable(self, profile_id: ProfileId, purpose: Purpose) -> frozenset[str] | None:
        """Return the records that the purpose may use."""
        if self.view(profile_id, purpose) is None:
            return None
        records = self.headers[profile_id]["records"]
        return frozenset(key for key, record in records.items() if purpose in record["purposes"])

    def remasked(self, body: bytes, purpose: Purpose) -> bytes:  # noqa: ARG002 - the port's shape
        """Return the answer: no mask ever changes here."""
        return body

    def timeline(self, profile_id: ProfileId, purpose: Purpose) -> list[Json] | None:
        """Return what happened, the newest first, as far as the purpose may use the records behind it."""
        usable = self.usable(profile_id, purpose)
        if usable is None:
            return None
        return [entry for entry in self.timelines.get(profile_id, []) if entry["record_key"] in usable]

    def graph(self, profile_id: ProfileId, purpose: Purpose) -> Json | None:
        """Return the identity graph."""
        if self.view(profile_id, purpose) is None:
            return None
        return self.graphs.get(profile_id)

    def links(self, profile_id: ProfileId) -> Mapping[Token, Link]:
        """Return the tokens that a profile is made of, each of them certain."""
        return dict.fromkeys(self._tokens_of(profile_id), "own")

    def generation(self) -> str | None:
        """Name the generation."""
        return "memory"

    def counted(self) -> datetime | None:
        """Say that nobody can tell."""
        return None

    def find_all(self, tokens: Sequence[Token], purpose: Purpose) -> list[ProfileId | None]:
        """Return what `find` says of each token."""
        return [self.find(token, purpose) for token in tokens]

    def tagged_all(self, ids: Sequence[ProfileId], purpose: Purpose) -> list[tuple[bytes, bytes] | None]:
        """Return what `tagged` says of each id."""
        return [self.tagged(profile_id, purpose) for profile_id in ids]

    def _tokens_of(self, profile_id: ProfileId) -> list[Token]:
        return list(self.headers.get(profile_id, {}).get("tokens", ()))


@dataclass
class MemoryConsents:
    """`Consents` over a list; what it denies it denies in the profiles at once."""

    profiles: MemoryProfiles
    names: tuple[Purpose, ...]
    ledger: list[dict[str, Any]] = field(default_factory=list)

    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes."""
        return self.names

    def record(self, statement: Statement) -> Json:
        """Append a statement; a repeated request id appends nothing."""
        for entry in self.ledger:
            if statement.request_id is not None and entry["request_id"] == statement.request_id:
                return entry
        entry = {
            "id": f"e{len(self.ledger) + 1:06d}",
            "token": statement.identifier.token,
            "identifier_kind": statement.identifier.type,
            "purpose": statement.purpose,
            "action": statement.action,
            "mechanism": statement.mechanism,
            "occurred_at": statement.occurred_at.isoformat(),
            "received_at": statement.received_at.isoformat(),
            "request_id": statement.request_id,
        }
        self.ledger.append(entry)
        if statement.action in _DENYING:
            self.profiles.denied.add((statement.identifier.token, statement.purpose))
        return entry

    def show(self, identifier: Known) -> list[Json]:
        """Return what was said under an identifier."""
        return [entry for entry in self.ledger if entry["token"] == identifier.token]

    def decide(self, question: Question) -> Json:
        """Return whether the person may be used."""
        purpose = question.purpose
        denied = (question.identifier.token, purpose) in self.profiles.denied
        reason = "refused" if denied else "legitimate_interest"
        because = "consent" if denied else "allowed"
        return {
            "purpose": purpose, "allowed": not denied, "because": because, "reason": reason, "policy_line": "p:1",
        }  # fmt: skip

    def state(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return a decision for each purpose."""
        del at
        if profile_id not in self.profiles.headers:
            return []
        return [
            {
                "purpose": purpose,
                "allowed": self.profiles.view(profile_id, purpose) is not None,
                "reason": "legitimate_interest" if self.profiles.view(profile_id, purpose) else "no_consent",
                "policy_line": f"policy.yaml:{20 + line}",
            }
            for line, purpose in enumerate(self.names)
        ]

    def heard(self, profile_id: ProfileId, *, at: datetime) -> list[Json]:
        """Return what was said under the person's identifiers."""
        held = self.profiles.links(profile_id)
        said = [entry for entry in self.ledger if entry["token"] in held]
        return [{**entry, "link": "own"} for entry in said if entry["received_at"] <= at.isoformat()]

    def choices(self, token: Token, *, at: datetime) -> tuple[Choice, ...]:
        """Return each purpose with what the profile's views and denials come to."""
        found = self.profiles.find(token)
        del at
        seen = {p for p in self.names if found is not None and self.profiles.view(found, p) is not None}
        denied = "withdrawn" if found is not None else "no_consent"
        return tuple(
            Choice(
                purpose=purpose,
                description=f"For {purpose}",
                allowed=purpose in seen,
                reason="legitimate_interest" if purpose in seen else denied,
                no=None if purpose == "service" else "withdrawn",
                yes=None if purpose == "service" else "given",
            )
            for purpose in self.names
        )

    def said(self, token: Token) -> list[Json]:
        """Return what was said under a token."""
        return [entry for entry in self.ledger if entry["token"] == token]


@dataclass
class MemorySignals:
    """`Signalling` over a list; a slip is the number of its request."""

    heard: list[Heard] = field(default_factory=list)
    asked: list[OptIn] = field(default_factory=list)

    def support(self) -> Json:
        """Say that a browser's wish counts."""
        return {"gpc": True}

    def signal(self, heard: Heard) -> Json:
        """Keep a visit; the same again is no news."""
        news = heard not in self.heard
        self.heard.append(heard)
        entry = {
            "id": f"s{len(self.heard)}", "identifier_kind": heard.identifiers[0].type, "purpose": "advertising",
            "action": "objected", "mechanism": "gpc", "occurred_at": heard.at.isoformat(),
            "received_at": heard.received_at.isoformat(),
        }  # fmt: skip
        return {"entries": [entry] if news and heard.gpc else [], "repeated": int(not news), "flags": []}

    def request(self, wish: OptIn) -> Json:
        """Return the number of a request."""
        self.asked.append(wish)
        return {"token": str(len(self.asked)), "purpose": wish.purpose, "expires_at": wish.at.isoformat()}

    def confirm(self, slip: str, at: datetime) -> Json:
        """Return the receipt of a request."""
        if not (slip.isascii() and slip.isdigit() and 0 < int(slip) <= len(self.asked)):
            raise SlipUnknown
        wish = self.asked[int(slip) - 1]
        return {"id": slip, "purpose": wish.purpose, "action": "given", "received_at": at.isoformat()}


@dataclass
class MemoryNotary:
    """`Notary` over a dictionary of receipts; what nobody put there is unknown."""

    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def public_key(self) -> str:
        """Return the public half of no key."""
        return ""

    def heads(self, *, before: int | None, limit: int) -> list[Json]:
        """Return the heads of the receipts, the newest first."""
        told = [one["head"] for one in self.known.values() if before is None or one["head"]["size"] < before]
        return sorted(told, key=lambda head: -head["size"])[:limit]

    def receipt(self, entry: str) -> Json:
        """Return the receipt of an entry."""
        if entry not in self.known:
            raise UnknownEntry
        return self.known[entry]

    def receipts(self, identifier: Known) -> list[Json]:
        """Return the receipts under an identifier."""
        return [one for one in self.known.values() if one["token"] == identifier.token]

    def consistency(self, first: int, second: int | None) -> Json:
        """Return a proof without hashes."""
        return {"first": {"size": first}, "second": {"size": second}, "proof": []}


@dataclass
class MemoryStewards:
    """`Stewards` over a list; what is in `forbidden` contradicts an earlier word."""

    tasks: list[Task] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    decided: list[tuple[str, str, str, str, datetime | None]] = field(default_factory=list)

    def waiting(self, at: datetime, *, kind: str | None = None, limit: int | None = None) -> list[Task]:
        """Return the questions that nobody has answered."""
        done = {said[0] for said in self.decided if said[4] is None or said[4] > at}
        return [t for t in self.tasks if t.id not in done and kind in {None, t.kind}][:limit]

    def counts(self, at: datetime) -> dict[str, int]:
        """Return how many questions of each kind wait."""
        kinds = [task.kind for task in self.waiting(at)]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def task(self, task_id: str) -> Task:
        """Return one question."""
        found = next((task for task in self.tasks if task.id == task_id), None)
        if found is None:
            raise UnknownTask(task_id)
        return found

    def decide(
        self, task: Task, answer: Answer, *, actor: str, reason: str, until: datetime | None, at: datetime
    ) -> int:
        """Keep an answer."""
        del at
        if task.id in self.forbidden:
            raise Contradiction("must_link", task.left or "", task.right or "", "they must stay apart")
        self.decided.append((task.id, answer, actor, reason, until))
        return 0 if answer == "skip" else 1


@dataclass
class MemoryDecider:
    """`Decider` that always does nothing."""

    decisions: list[Mapping[str, Any]] = field(default_factory=list)

    def decide(self, request: Json, *, at: datetime) -> Json:
        """Return `no_action` and remember that it was asked."""
        answer = {
            "decision_id": f"d{len(self.decisions) + 1}", "decision": "next_best_action", "purpose": request["purpose"],
            "chosen": "no_action", "at": at.isoformat(), "propensity": 1.0, "holdout": False, "because": "nothing else",
            "candidates": [], "recommendations": {},
        }  # fmt: skip
        self.decisions.append({**request, **answer})
        return answer
