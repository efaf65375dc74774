"""Opens and leads privacy requests until it is killed: `python request_child.py FOLDER NUMBER`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import consent.store
from consent.requests.config import RequestsConfig
from consent.requests.desk import Desk, listed, move, settle_all
from consent.requests.intake import open_request
from consent.requests.judge import cancel
from consent.requests.model import FROZEN, Claimed, Wish
from consent.requests.noting import ledger_note
from consent.requests.store import METADATA
from consent.requests.vault import Vault
from infra.database import open_database
from infra.identifiers import token

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
WAY = (*(one for one in FROZEN if one != "certified_with_exceptions"), "closed")


def desk_at(folder: Path) -> Desk:
    database = open_database(f"sqlite:///{folder}/kindred.db", METADATA, consent.store.METADATA)
    return Desk(database, Vault.open(folder, b"w" * 32), ledger_note(database), RequestsConfig(), proofs=b"p" * 32)


def work(desk: Desk, number: int) -> None:
    settle_all(desk)
    for request in listed(desk):
        start = WAY.index(request.status) + 1 if request.status in WAY else 0
        for status in WAY[start:]:
            move(desk, request.id, status, at=NOW, actor="e")  # type: ignore[arg-type]
    while True:
        number += 1
        value = f"p{number}@example.org"
        one = Claimed("email", token(b"k" * 40, "email", value), value)
        wish = Wish(right="erasure", identifiers=(one,), received_at=NOW, actor="c", jurisdiction="DE", vouched="c")
        request = open_request(desk, wish, NOW)
        print(request.id, flush=True)
        if number % 3 == 0:
            cancel(desk, request.id, at=NOW, actor="c")
            continue
        for status in WAY:
            move(desk, request.id, status, at=NOW, actor="e")  # type: ignore[arg-type]


if __name__ == "__main__":
    work(desk_at(Path(sys.argv[1])), int(sys.argv[2]) * 1_000)
