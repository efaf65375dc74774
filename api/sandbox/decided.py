"""Profiles whose every read asks the ledger: in a sandbox a grant counts as fast as a refusal, no build between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from api.http.ports import Json
from consent import officer
from consent.model import Decision, Link
from infra.clock import Clock
from infra.ids import ProfileId, Purpose, Token
from infra.keyvalue import KeyValue
from profiles import render
from profiles.header import Header
from profiles.serving import ProfileReader


class Undenied:
    """Denials of nobody: the ledger itself is asked."""

    def denied_any(self, tokens: object, purpose: str) -> bool:
        """Say no."""
        del tokens, purpose
        return False


@dataclass(frozen=True, slots=True)
class Decided:
    """`Profiles` of a reader, under what the ledger says at the moment of the read; for few people."""

    reader: ProfileReader
    desk: officer.Desk
    clock: Clock

    def moment(self) -> "Decided":
        """Return all of them as they are at this moment."""
        return replace(self, reader=self.reader.moment())

    def over(self, store: KeyValue) -> "Decided":
        """Return the profiles of one store, under the same ledger."""
        return replace(self, reader=self.reader.over(store))

    def read(self, token: Token, purpose: Purpose) -> tuple[ProfileId, bytes, bytes] | None:
        """Return whom an identifier leads to, with ETag and answer."""
        found = self.find(token, purpose)
        tagged = None if found is None else self.tagged(found, purpose)
        return None if found is None or tagged is None else (found, *tagged)

    def find_all(self, tokens: Sequence[Token], purpose: Purpose) -> list[ProfileId | None]:
        """Return what `find` says of each token."""
        return self.reader.find_all(tokens, purpose)

    def tagged_all(self, ids: Sequence[ProfileId], purpose: Purpose) -> list[tuple[bytes, bytes] | None]:
        """Return what `tagged` says of each id."""
        return [self.tagged(one, purpose) for one in ids]

    def find(self, token: Token, purpose: Purpose | None = None) -> ProfileId | None:
        """Return the profile that an identifier belongs to."""
        return self.reader.find(token, purpose)

    def search(self, words: str, purpose: Purpose, limit: int) -> list[ProfileId]:
        """Return people whose names begin with each of the words."""
        found = self.reader.search(words, purpose, limit)
        return [one for one in found if self._decision(one, purpose) is not None]

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up."""
        return self.reader.successors(profile_id)

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return ETag and answer of a read, with the reason that holds now."""
        decision = self._decision(profile_id, purpose)
        stored = None if decision is None else self.reader.view(profile_id, purpose)
        if stored is None or decision is None:
            return None
        shown = orjson.loads(stored)
        del shown["version"]
        shown["consent"] |= {"reason": decision.reason, "policy": decision.policy_line}
        version = render.digest(shown)
        return render.etag(version), orjson.dumps({**shown, "version": version}, option=orjson.OPT_SORT_KEYS)

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        """Return the answer alone."""
        tagged = self.tagged(profile_id, purpose)
        return None if tagged is None else tagged[1]

    def shown(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes, frozenset[str]] | None:
        """Return ETag, answer and the records behind them."""
        records, tagged = self.usable(profile_id, purpose), self.tagged(profile_id, purpose)
        return None if records is None or tagged is None else (*tagged, records)

    def usable(self, profile_id: ProfileId, purpose: Purpose) -> frozenset[str] | None:
        """Return the records that the purpose may use."""
        return None if self._decision(profile_id, purpose) is None else self.reader.usable(profile_id, purpose)

    def remasked(self, body: bytes, purpose: Purpose) -> bytes:
        """Return an answer of another time; no mask changes in a sandbox."""
        return self.reader.remasked(body, purpose)

    def timeline(self, profile_id: ProfileId, purpose: Purpose) -> list[Json] | None:
        """Return what happened, the newest first."""
        return None if self._decision(profile_id, purpose) is None else self.reader.timeline(profile_id, purpose)

    def graph(self, profile_id: ProfileId, purpose: Purpose) -> Json | None:
        """Return the identity graph."""
        return None if self._decision(profile_id, purpose) is None else self.reader.graph(profile_id, purpose)

    def candidates(self, token: Token) -> tuple[ProfileId, ...]:
        """Return everybody whom an identifier leads to."""
        return self.reader.candidates(token)

    def header(self, profile_id: ProfileId) -> Header | None:
        """Return who a profile is made of."""
        return self.reader.header(profile_id)

    def links(self, profile_id: ProfileId) -> Mapping[Token, Link]:
        """Return the tokens that a profile is made of."""
        return self.reader.links(profile_id)

    def generation(self) -> str | None:
        """Name the generation."""
        return self.reader.generation()

    def counted(self) -> datetime | None:
        """Return when what is served was worked out."""
        return self.reader.counted()

    def _decision(self, profile_id: ProfileId, purpose: Purpose) -> Decision | None:
        links = self.reader.links(profile_id)
        said = officer.state(self.desk, links, at=self.clock()) if links else ()
        return next((one for one in said if one.purpose == purpose and one.allowed), None)
