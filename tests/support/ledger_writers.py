"""Many processes that append to one ledger, and a sealer among them that is killed again and again.

Run as `python ledger_writers.py URL KEYS WRITERS EACH SEED`; says how often a sealer was killed.
"""

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from consent import store
from consent.ledger import sealer, vault
from consent.ledger.subject_keys import SubjectKeys
from consent.model import ConsentEntry
from infra.database import open_database
from infra.ids import Purpose, Sid, Token
from infra.signing import Signer

AT = datetime(2026, 5, 1, tzinfo=UTC)
SEED = bytes(range(32))


def said(writer: int, number: int) -> store.Said:
    entry = ConsentEntry(
        id=f"w{writer}-{number}",
        sid=Sid(""),
        identifier_kind="email",
        purpose=Purpose("analytics"),
        action="given",
        mechanism="centre",
        occurred_at=AT,
        received_at=AT + timedelta(milliseconds=number % 7),
        evidence=f"form {writer} {number}",
    )
    return store.Said(Token(f"1:p{number % 11}"), entry)  # the writers speak of the same few people


def opened(url: str, keys: Path) -> object:
    engine = open_database(url, store.METADATA)
    vault.attach(engine, SubjectKeys.open(keys, bytes(32)))
    return engine


def write(url: str, keys: Path, writer: int, each: int, seed: int) -> None:
    engine, drawn, done = opened(url, keys), random.Random(seed + writer), 0  # noqa: S311 - a sample, not a secret
    while done < each:
        size = drawn.randrange(1, 9)
        # The last one is said again: a word that was repeated is one entry.
        store.append(
            engine, [said(writer, n) for n in range(max(done - 1, 0), min(done + size, each))], store.secret_sid
        )
        done += size
        if drawn.random() < 0.2:
            sealer.append_note(engine, "step", {"writer": writer, "done": done}, AT, note_id=f"n{writer}-{done}")


def seal_for_ever(url: str, keys: Path) -> None:
    engine = opened(url, keys)
    while True:
        sealer.seal(engine, Signer.of(SEED), lambda: AT, batch=7)


def child(work: object, *told: object) -> int:
    pid = os.fork()
    if pid == 0:
        work(*told)
        os._exit(0)
    return pid


def main(url: str, keys: Path, writers: int, each: int, seed: int) -> None:
    engine = opened(url, keys)
    engine.dispose()
    writing = {child(write, url, keys, n, each, seed) for n in range(writers)}
    drawn, kills, sealing = random.Random(seed), 0, child(seal_for_ever, url, keys)  # noqa: S311 - a sample
    while writing:
        time.sleep(drawn.uniform(0.02, 0.15))
        os.kill(sealing, signal.SIGKILL)
        os.waitpid(sealing, 0)
        kills, sealing = kills + 1, child(seal_for_ever, url, keys)
        for pid in list(writing):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                assert status == 0, "a writer failed"
                writing.discard(pid)
    os.kill(sealing, signal.SIGKILL)
    os.waitpid(sealing, 0)
    print(f"killed {kills}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6]))
