"""`Notary` at the officer's desk."""

from dataclasses import dataclass

from api.http.ports import Json, Known
from consent import officer
from consent.ledger import proofs
from consent.ledger.heads import heads
from consent.ledger.receipt import receipt
from infra.signing import encoded


@dataclass(frozen=True, slots=True)
class DeskNotary:
    """The sealed ledger behind a desk; without a key to sign with it answers that it cannot now."""

    desk: officer.Desk

    def public_key(self) -> str:
        """Return the public half of the key that signs, as text."""
        return encoded(officer.signing(self.desk).public)

    def heads(self, *, before: int | None, limit: int) -> list[Json]:
        """Return signed heads, the newest first."""
        return [one.document() for one in heads(self.desk.database, before=before, limit=limit)]

    def receipt(self, entry: str) -> Json:
        """Return the receipt of an entry."""
        return receipt(self.desk.database, entry, self.desk.policy, officer.signing(self.desk))

    def receipts(self, identifier: Known) -> list[Json]:
        """Return the receipts of what was said under an identifier."""
        return list(officer.receipts(self.desk, [identifier.token]))

    def consistency(self, first: int, second: int | None) -> Json:
        """Return the proof that the ledger of an earlier head is the beginning of a later one."""
        return proofs.consistency(self.desk.database, first, second)
