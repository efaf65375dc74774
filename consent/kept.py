"""The second copy of who is kept out, beside the workspace's state: a restored backup must not bring anybody back.

It holds keyed tokens alone, one line each, and is only ever added to. Keep it out of what a restore writes over.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from consent.suppression import Cause, lift, suppress, suppressed_tokens
from infra.ids import Token

FILE: Final = "suppression.ndjson"
_KEPT: Final = "kept"
_LIFTED: Final = "lifted"


def note(root: Path, tokens: Iterable[tuple[int, Token]], cause: Cause) -> None:
    """Write down, for good, who is kept out and why; what stands there already is not repeated."""
    known = {row["token"] for row in _rows(root) if row["what"] == _KEPT and row["request_id"] == cause.request_id}
    why = {"reason": cause.reason, "request_id": cause.request_id, "at": cause.at.isoformat(), "scope": cause.scope}
    fresh = [{"what": _KEPT, "token": t, "key_version": v, **why} for v, t in tokens if t not in known]
    _append(root, fresh)


def note_lifted(root: Path, tokens: Iterable[Token], at: datetime) -> None:
    """Write down that the bearers of tokens are let in again."""
    _append(root, [{"what": _LIFTED, "token": token, "at": at.isoformat()} for token in tokens])


def forgotten(root: Path, database: Engine) -> dict[Cause, list[tuple[int, Token]]]:
    """Return whom the copy tells of and the database does not, by why they are kept out: it was restored."""
    return _missing(_standing(root), database)


def reconcile(root: Path, database: Engine) -> frozenset[Token]:
    """Keep out whom the copy tells of and the database does not; return their tokens."""
    standing, lifted = _standing(root), _lifted(root)
    causes = _missing(standing, database)
    for cause, tokens in causes.items():
        suppress(database, tokens, cause)
    lift(database, [t for t in suppressed_tokens(database) if t in lifted and t not in standing])
    return frozenset(token for tokens in causes.values() for _, token in tokens)


def _missing(standing: Mapping[Token, tuple[int, Cause]], database: Engine) -> dict[Cause, list[tuple[int, Token]]]:
    causes: dict[Cause, list[tuple[int, Token]]] = {}
    for token in standing.keys() - suppressed_tokens(database):
        version, cause = standing[token]
        causes.setdefault(cause, []).append((version, token))
    return causes


def _standing(root: Path) -> dict[Token, tuple[int, Cause]]:
    """Return who is kept out by the copy, with the version of their token's key, and why."""
    standing: dict[Token, tuple[int, Cause]] = {}
    for row in _rows(root):
        token = Token(row["token"])
        if row["what"] == _LIFTED:
            standing.pop(token, None)
            continue
        at = datetime.fromisoformat(row["at"])
        cause = Cause(reason=row["reason"], request_id=row["request_id"], at=at, scope=row["scope"])
        standing[token] = int(row["key_version"]), cause
    return standing


def _lifted(root: Path) -> frozenset[str]:
    return frozenset(row["token"] for row in _rows(root) if row["what"] == _LIFTED)


def _rows(root: Path) -> Iterator[dict[str, Any]]:
    file = root / FILE
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the torn end of a write that nobody was told of
            continue


def _append(root: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    file = root / FILE
    torn = file.is_file() and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8") as out:
        out.write(("\n" if torn else "") + "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))
        out.flush()
        os.fsync(out.fileno())
