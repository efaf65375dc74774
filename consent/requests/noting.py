"""Every step as a note in the sealed ledger, written before the act that it announces."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from consent.ledger.sealer import append_note
from infra.ids import content_digest

Note = Callable[[str, Mapping[str, Any], datetime], None]
KIND: Final = "privacy_request"


def ledger_note(database: Engine) -> Note:
    """Return the noting down in the ledger; a step that is told twice is one note, and none names a person."""

    def note(kind: str, facts: Mapping[str, Any], at: datetime) -> None:
        told = json.loads(json.dumps(dict(facts), default=str))
        append_note(database, kind, told, at, note_id=content_digest([kind, facts["request_id"], facts["sequence"]]))

    return note
