"""`Signalling` at the officer's desk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.http.ports import Heard, Json, OptIn
from consent import officer
from consent.signals import optin
from consent.signals.config import SignalsConfig
from consent.signals.desk import take
from consent.signals.model import Named, Signals, Visit
from consent.suppression import kept_out


@dataclass(frozen=True, slots=True)
class SignalDesk:
    """The ledger for what programs hear of browsers and banners."""

    desk: officer.Desk
    config: SignalsConfig
    keys: Mapping[int, bytes] = field(repr=False)

    def support(self) -> Json:
        """Return what `/.well-known/gpc.json` says: whether a browser's wish refuses anything here."""
        told: dict[str, object] = {"gpc": any(terms.gpc for terms in self.desk.policy.purposes.values())}
        updated = self.config.gpc.last_update
        return told if updated is None else told | {"lastUpdate": updated.isoformat()}

    def signal(self, heard: Heard) -> Json:
        """Keep what is new of a visit's signals and obey it."""
        kinds, out = self.desk.kinds, kept_out(self.desk.database, self.keys)
        # The program vouches for whom it names: what marks no browser is who is signed in.
        named = (
            Named(one.type, one.token, "browser" if kinds[one.type].anonymous else "visitor")
            for one in heard.identifiers
            # Of somebody who was erased nothing is kept; they are denied everything as it is.
            if not (out and out.names(kinds, one.type, one.value))
        )
        visit = Visit(
            named=tuple({one.token: one for one in named}.values()),
            signals=Signals(heard.gpc, heard.tcf, heard.categories, heard.gpp),
            at=heard.at,
            received_at=heard.received_at,
            jurisdiction=heard.jurisdiction,
        )
        kept = take(self.desk, self.config, [visit])
        entries = [officer.entry_facts(entry) for entry in kept.entries]
        return {"entries": entries, "repeated": kept.repeated, "flags": list(kept.flags)}

    def request(self, wish: OptIn) -> Json:
        """Return a signed slip for the mail, and when it runs out."""
        said = optin.Wish(
            kind=wish.identifier.type,
            token=wish.identifier.token,
            purpose=wish.purpose,
            at=wish.at,
            requested_by=wish.actor,
            channel=wish.channel,
            jurisdiction=wish.jurisdiction,
            notice=wish.notice,
        )
        return optin.request(self.desk, said, timedelta(hours=self.config.double_opt_in.hours))

    def confirm(self, slip: str, at: datetime) -> Json:
        """Record the yes of a slip once and return its receipt."""
        return optin.confirm(self.desk, slip, at)
