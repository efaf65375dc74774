"""The freeze: suppressed, restricted and denied at once, so that nobody sees or takes in the person while it lasts."""

from collections.abc import Sequence

from sqlalchemy import Engine

from consent import store
from consent.model import ALL, RESTRICTED, ConsentEntry
from consent.overlay import DenyOverlay
from consent.suppression import Cause, suppress
from infra.ids import Sid, Token, content_digest

REASON = "erasure"


def freeze(
    database: Engine, overlay: DenyOverlay, tokens: Sequence[tuple[int, Token]], cause: Cause, controller: str = "self"
) -> None:
    """Keep out, restrict and deny the bearers of the tokens; when this returns all of it is on disk and obeyed.

    Done again it changes nothing: the entries of the ledger have ids that follow from the request and the token.
    """
    suppress(database, tokens, cause)
    said = [store.Said(token, _entry(token, cause, controller)) for _, token in tokens]
    store.append(database, said, store.secret_sid)
    overlay.restrict([t for _, t in tokens], [ALL], at=cause.at, sequence=store.last_sequence(database))


def _entry(token: Token, cause: Cause, controller: str) -> ConsentEntry:
    return ConsentEntry(
        id=content_digest([REASON, cause.request_id, token]),
        sid=Sid(""),
        identifier_kind=REASON,
        purpose=ALL,
        action=RESTRICTED,
        mechanism="operator",
        controller=controller,
        occurred_at=cause.at,
        received_at=cause.at,
    )
