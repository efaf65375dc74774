"""What the console does with people: find one, show one, record what one said. Every look is audited."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from api.http.console.person import Page, full_name, page
from api.http.credentials import carried
from api.http.errors import AuditBehind, BackendMissing, IdentifierUnreadable, ProfileHidden, ScopeRefused
from api.http.keys import Credential
from api.http.ports import Json, Known, Statement
from api.http.reading import Split, graph_of, read, readable_id
from api.http.world import World
from infra.errors import Malformed
from infra.ids import ProfileId, Purpose

# The purpose that a page opens on, where its reader carries it and the person may be seen for it.
_PREFERRED = ("service", "personalization", "analytics")
_MATCHES = 20
ACTIONS = ("given", "refused", "withdrawn", "objected")


@dataclass(frozen=True, slots=True)
class Match:
    """A person found by name, with what tells namesakes apart."""

    profile_id: ProfileId
    name: str = field(repr=False)
    where: str = field(repr=False)
    born: str = field(repr=False)


class Desk:
    """The console's dealings with profiles and ledger."""

    def __init__(self, world: World) -> None:
        self._world = world

    def purposes(self, credential: Credential) -> tuple[Purpose, ...]:
        """Return for what somebody may look: the purposes of their key, the likeliest first."""
        carried_ = self._purposes(credential)
        return tuple(sorted(carried_, key=lambda purpose: purpose not in _PREFERRED))

    def find(self, credential: Credential, words: str, purpose: str) -> ProfileId | None:
        """Return whom an identifier of any type means; its type is found by trying, a profile id means itself.

        It leads to nobody who is not as closely tied to it as the purpose demands. The look-up is in the audit under
        the purpose that was named, whatever came of it.
        """
        wanted = carried(credential, purpose)
        if not self._world.audit.room():
            raise AuditBehind
        found = self._find(words.strip()[:320], wanted)
        self._world.audit.note(credential.key_id, wanted, found or "", "searched")
        return found

    def _find(self, asked: str, purpose: Purpose) -> ProfileId | None:
        for kind in self._likely(asked) if asked else ():
            try:
                known = self._world.tongue.known(kind, asked)
            except IdentifierUnreadable:
                continue
            if found := self._world.profiles.find(known.token, purpose):
                return found
        return ProfileId(asked) if readable_id(asked) and len(asked) == 32 else None

    def named(self, credential: Credential, words: str, purpose: str) -> list[Match]:
        """Return people by name, as far as the purpose may see names; each is in the audit."""
        wanted = carried(credential, purpose)
        if not credential.may("profile:read") or not self._world.audit.room():
            return []
        found = self._world.profiles.search(words.strip()[:100], wanted, _MATCHES)
        matches = [m for p in found if (m := self._match(p, wanted)) is not None]
        for match in matches:
            self._world.audit.note(credential.key_id, wanted, match.profile_id, "listed")
        return matches

    def hidden_but_known(self, credential: Credential, profile_id: ProfileId) -> bool:
        """Say whether an officer may see why somebody whom no purpose sees is closed to them."""
        if not (credential.may("consent:read") and credential.may("consent:reasons")) or self._world.consents is None:
            return False
        return readable_id(profile_id) and bool(self._world.consents.state(profile_id, at=self._world.clock()))

    def page(self, credential: Credential, asked: ProfileId, wanted: str | None) -> Page | tuple[ProfileId, ...]:
        """Return a person as a purpose sees them, or the successors of a split id; raise `ProfileHidden`."""
        if not credential.may("profile:read"):
            raise ScopeRefused("profile:read")
        if not self._world.audit.room():
            raise AuditBehind
        purposes, profiles = self._purposes(credential), self._world.profiles.moment()
        found = {p: read(profiles, asked, p) for p in purposes} if readable_id(asked) else {}
        split = next((f.successors for f in found.values() if isinstance(f, Split)), None)
        if split is not None:
            return split
        seen = {p: f for p, f in found.items() if f is not None and not isinstance(f, Split)}
        if not seen:
            raise ProfileHidden
        chosen = self._chosen(credential, tuple(seen), wanted)
        profile_id = seen[chosen].profile_id
        for purpose in seen:
            self._world.audit.note(credential.key_id, purpose, profile_id, "console")
        explained = credential.may("profile:explain")
        graph = graph_of(profiles, profile_id, chosen) if explained else None
        timeline = profiles.timeline(profile_id, chosen) or []
        bodies = {p: seen[p].body if p in seen else None for p in purposes}
        return page(chosen, bodies, graph, timeline, self._verdicts(credential, profile_id), self._world.zone)

    def consent(self, credential: Credential, profile_id: ProfileId) -> Json:
        """Return what the page says of consent, and what its form may offer."""
        writes = credential.may("consent:write") and self._world.consents is not None
        identifiers = {known.token: known for known in self._identifiers(profile_id, credential)} if writes else {}
        return {
            "verdicts": self._verdicts(credential, profile_id),
            "identifiers": list(identifiers.values()),
            "purposes": self._purposes(credential) if writes else (),
            "actions": ACTIONS,
        }

    def permissions(self, credential: Credential, profile_id: ProfileId, at: datetime) -> Json:
        """Return what was allowed at a moment and the words that it rests on; a look that the audit keeps.

        Whoever is closed to every reader has a page here, too: an officer must see why.
        """
        for scope in ("consent:read", "consent:reasons"):
            if not credential.may(scope):
                raise ScopeRefused(scope)
        if self._world.consents is None:
            raise BackendMissing("a consent ledger")
        if not self._world.audit.room():
            raise AuditBehind
        if not readable_id(profile_id):
            raise ProfileHidden
        verdicts = self._world.consents.state(profile_id, at=at)
        if not verdicts:
            raise ProfileHidden
        self._world.audit.note(credential.key_id, Purpose("consent"), profile_id, "console")
        said = sorted(self._world.consents.heard(profile_id, at=at), key=lambda one: str(one["received_at"]))
        numbers = {one["id"]: number for number, one in enumerate(said, start=1)}
        rests = {v["purpose"]: sorted(numbers[e] for e in v.get("entries", ()) if e in numbers) for v in verdicts}
        return {"verdicts": verdicts, "said": list(enumerate(said, start=1))[::-1], "rests": rests}

    def record(self, credential: Credential, profile_id: ProfileId, form: Mapping[str, str]) -> None:
        """Append what a person said; the form names the identifier by its token, never by its value."""
        if not credential.may("consent:write"):
            raise ScopeRefused("consent:write")
        if self._world.consents is None:
            raise BackendMissing("a consent ledger")
        named = [k for k in self._identifiers(profile_id, credential) if k.token == form.get("identifier")]
        if not named or form.get("action") not in ACTIONS:
            raise Malformed("the form is not complete; choose an identifier, a purpose and an action")
        now = self._world.clock()
        self._world.consents.record(
            Statement(
                identifier=named[0],
                purpose=carried(credential, form.get("purpose", "")),
                action=form["action"],
                mechanism="operator",
                occurred_at=now,
                received_at=now,
                actor=f"key:{credential.key_id}",
            )
        )

    def _match(self, profile_id: ProfileId, purpose: Purpose) -> Match | None:
        body = self._world.profiles.view(profile_id, purpose)
        if body is None:
            return None
        said = orjson.loads(body).get("attributes") or {}
        where = ", ".join(said[name] for name in ("street", "city") if said.get(name))
        return Match(profile_id, full_name(said), where, str(said.get("birth_date", "")))

    def _likely(self, asked: str) -> list[str]:
        types = self._world.tongue.types
        by_shape = "email" if "@" in asked else "phone" if asked[:1] in "+(" else ""
        return sorted(types, key=lambda kind: (types[kind].normaliser != by_shape, kind))

    def _purposes(self, credential: Credential) -> tuple[Purpose, ...]:
        known = self._world.consents.purposes() if self._world.consents else tuple(sorted(credential.purposes))
        return tuple(purpose for purpose in known if purpose in credential.purposes)

    def _chosen(self, credential: Credential, seen: tuple[Purpose, ...], wanted: str | None) -> Purpose:
        if wanted is not None and carried(credential, wanted) in seen:
            return Purpose(wanted)
        return next((Purpose(p) for p in _PREFERRED if p in seen), seen[0])

    def _verdicts(self, credential: Credential, profile_id: ProfileId) -> list[Json]:
        """Return what the ledger says of each purpose, and nothing to a key that may not read the ledger."""
        if self._world.consents is None or not credential.may("consent:read"):
            return []
        return self._world.consents.state(profile_id, at=self._world.clock())

    def _identifiers(self, profile_id: ProfileId, credential: Credential) -> list[Known]:
        for purpose in self._purposes(credential):
            graph = self._world.profiles.graph(profile_id, purpose) if readable_id(profile_id) else None
            if graph is not None:
                shown = [i for record in graph["records"] for i in record["identifiers"] if "value" in i]
                named = {(i["type"], i["value"]) for i in shown}
                return [self._world.tongue.known(*pair) for pair in sorted(named)]
        return []
