"""Which keys a database's private parts lie under, and what is written into them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Engine, bindparam, delete, select

from consent.errors import KeysMissing
from consent.ledger.leaf import spelled
from consent.ledger.schema import IDENTIFIER_INDEX
from consent.ledger.subject_keys import BARE, FILE, VARIABLE, SubjectKeys
from infra.database import writing
from infra.ids import Sid, Token
from infra.settings import secret_key
from infra.workspace import Workspace

_OPTION: Final = "subject_keys"


def attach(database: Engine, keys: SubjectKeys) -> None:
    """Let a database's private parts lie under these keys; a workspace's database finds its own."""
    database.update_execution_options(**{_OPTION: keys})


def keys_of(database: Engine) -> SubjectKeys | None:
    """Return the keys of a database, or None where it has none: then it takes entries without evidence only."""
    options = database.get_execution_options()
    held: SubjectKeys | None = options.get(_OPTION)
    workspace: Workspace | None = options.get("workspace")
    if held is None and workspace is not None and (wrapping := wrapping_key(workspace)) is not None:
        held = SubjectKeys.open(workspace.state_path / FILE, wrapping)
        attach(database, held)
    return held


def wrapping_key(workspace: Workspace) -> bytes | None:
    """Return the key that wraps subjects' keys, None where none is set; raise `KeysMissing` for what can be none."""
    try:
        return secret_key(workspace.environ, VARIABLE)
    except ValueError:
        raise KeysMissing from None


def hidden(keys: SubjectKeys | None, told: Sequence[tuple[Sid, str | None]]) -> list[dict[str, Any]]:
    """Return the columns that hide each subject's evidence; raise `KeysMissing` where nothing can hide it."""
    if keys is None:
        if any(evidence is not None for _, evidence in told):
            raise KeysMissing
        return [{"commitment": None, "private": None} for _ in told]
    sealed = keys.seal_all([(sid, _payload(evidence)) for sid, evidence in told])
    return [{"commitment": one.commitment, "private": one.ciphertext} for one in sealed]


def _payload(evidence: str | None) -> bytes:
    """Return what an entry keeps private, in its one spelling; empty where there is nothing."""
    return b"" if evidence is None else spelled({"evidence": evidence})


def evidence(database: Engine, rows: Sequence[tuple[Sid, bytes | None]]) -> list[str | None]:
    """Return the evidence in entries' private parts; None where there is none, or its key is no more."""
    told = [(at, sid, private) for at, (sid, private) in enumerate(rows) if private is not None and len(private) > BARE]
    found: list[str | None] = [None] * len(rows)
    if not told:
        return found
    keys = keys_of(database)
    if keys is None:
        raise KeysMissing
    for (at, _, _), opened in zip(told, keys.open_all([(sid, private) for _, sid, private in told]), strict=True):
        found[at] = None if opened is None else orjson.loads(opened.payload)["evidence"]
    return found


def forget(database: Engine, tokens: Iterable[Token]) -> tuple[Sid, ...]:
    """Unlink identifiers from their entries for good and return the numbers under which those stand."""
    wanted = sorted(set(tokens))
    with writing(database) as connection:
        found = [
            Sid(sid)
            for token in wanted
            for sid in connection.execute(
                select(IDENTIFIER_INDEX.c.sid).where(IDENTIFIER_INDEX.c.token == token)
            ).scalars()
        ]
        gone = delete(IDENTIFIER_INDEX).where(IDENTIFIER_INDEX.c.token == bindparam("gone"))
        if wanted:
            connection.execute(gone, [{"gone": token} for token in wanted])
    return tuple(found)
