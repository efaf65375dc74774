"""A workspace with as many served profiles as are wanted: invented people, rendered by the publisher's own code."""

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

from api.http.keys import create_key
from api.http.store import METADATA
from consent.overlay import DenyOverlay
from infra.database import open_database
from infra.identifiers import token
from infra.ids import Purpose
from infra.serving.embedded import Generations
from profiles import render, serving
from profiles.stored import packed

TEMPLATES = Path(__file__).parents[2] / "api" / "templates" / "workspace"
AT = datetime(2026, 11, 22, tzinfo=UTC)
KEY = "a-key-of-the-benchmark-that-guards-nothing"
PEOPLE = 100
DENIALS = 100
# Numbers that nobody has (555-01xx) in so many area codes.
PHONES = 80_000
_PIECE = 50_000
_ENOUGH = 10**9
_NAMES = ("given_name", "family_name", "email", "phone", "street", "city", "postcode", "birth_date")

Request = bytes


def world(root: Path, profiles: int) -> str:
    """Make a workspace with so many published profiles, and return a key that may read them all for ever."""
    shutil.copytree(TEMPLATES, root, dirs_exist_ok=True)
    page = root / "kindred.yaml"
    page.write_text(page.read_text().replace("NAME", "bench"))
    keys = {"TOKEN": KEY, "SIGNING": "6" * 64, "SUBJECT": "7" * 64}
    (root / ".env").write_text("".join(f"KINDRED_{name}_KEY={value}\n" for name, value in keys.items()))
    served = root / "state" / "serving"
    generations = Generations(served / serving.FOLDER)
    generations.root.mkdir(parents=True)
    with generations.building("g1") as writer:
        for start in range(0, profiles, _PIECE):
            rows = [rendered(number) for number in range(start, min(start + _PIECE, profiles))]
            # As sorted as the publisher writes them: half the pages.
            for key, value in sorted(row for person in rows for row in person):
                writer.put(key, value)
        manifest = {"generation": "g1", "as_of": AT.isoformat()}
        writer.put(serving.MANIFEST, json.dumps(manifest).encode())
    generations.publish("g1")
    overlay = DenyOverlay.open(served)
    for number in range(DENIALS):
        overlay.restrict([_token("email", f"gone{number}@example.org")], [Purpose("service")], at=AT, sequence=number)
    overlay.close()
    database = open_database(f"sqlite:///{root}/state/kindred.db", METADATA)
    key = create_key(
        database,
        name="bench",
        scopes={"profile:read", "admin"},
        purposes={"service"},
        at=AT,
        rate=_ENOUGH,
        people_per_day=_ENOUGH,
    )
    database.dispose()
    return key


def profile_id(number: int) -> str:
    """Return the id of a numbered profile; neighbours lie far from each other in the store, as real ones do."""
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def email(number: int) -> str:
    """Return the address of a numbered person."""
    return f"person.number{number}@example.org"


def phone(number: int) -> str:
    """Return the number of one of the first people, as Americans write it."""
    return f"({200 + number // 100:03d}) 555-01{number % 100:02d}"


def _token(kind: str, value: str) -> str:
    return token(KEY.encode(), kind, value)


def rendered(number: int, purpose: str = "service") -> list[tuple[bytes, bytes]]:
    """Return what a generation holds of a numbered person: view, holders, identifiers."""
    person, record = profile_id(number), f"{number:031x}r"
    tokens = [_token("email", email(number))]
    if number < PHONES:
        tokens.append(_token("phone", f"+1{200 + number // 100:03d}55501{number % 100:02d}"))
    others = [_token("cookie", f"{n}.{number}") for n in range(8 - len(tokens))]
    attributes = [
        {"name": n, "value": f"{n} {number}", "source": "crm", "record_key": record, "observed_at": AT,
         "rule": "most_recent", "confidence": 0.9} for n in _NAMES
    ]  # fmt: skip
    row = {
        "profile_id": person, "purpose": purpose, "as_of": AT, "attributes": attributes, "known": True, "size": 6,
        "traits": [(f"trait_{n}", str(n * number)) for n in range(20)],
        "identifiers": [{"type": "email", "value": email(number), "token": tokens[0]}],
        "withheld": [], "confidence": 0.97, "reason": "contract", "policy_line": "policy.yaml:12",
    }  # fmt: skip
    tag, body = render.view(row, {}, [])
    held = "\n".join([*tokens, *others]).encode()
    return [
        (serving.view_key(purpose, person), packed(tag, body, held)),
        (serving.holders_key(person), held),
        *((serving.token_key(one), person.encode()) for one in tokens),
    ]


def requests(key: str, profiles: int) -> dict[str, list[Request]]:
    """Return, for each question, requests about people all over the store, ready to be sent."""
    drawn = random.Random(7)  # noqa: S311 - load, not secrets
    chosen = [drawn.randrange(profiles) for _ in range(5_000)]
    callers = [drawn.randrange(min(profiles, PHONES)) for _ in range(5_000)]
    some = [[drawn.randrange(profiles) for _ in range(PEOPLE)] for _ in range(40)]
    return {
        "by id": [asked(f"GET /v1/profiles/{profile_id(n)}?purpose=service", key) for n in chosen],
        "by email": [_lookup(key, "email", email(n)) for n in chosen],
        "by phone": [_lookup(key, "phone", phone(n)) for n in callers],
        f"{PEOPLE} ids": [_batch(key, [{"profile_id": profile_id(n)} for n in people]) for people in some],
        f"{PEOPLE} emails": [_batch(key, [{"type": "email", "value": email(n)} for n in people]) for people in some],
    }


def _lookup(key: str, kind: str, value: str) -> Request:
    body = {"identifier": {"type": kind, "value": value}, "purpose": "service"}
    return asked("POST /v1/profiles:lookup", key, body)


def _batch(key: str, people: list[dict[str, str]]) -> Request:
    return asked("POST /v1/profiles:batchLookup", key, {"people": people, "purpose": "service"})


def asked(line: str, key: str, body: object = None) -> Request:
    """Return a request as it goes over the wire."""
    head = f"{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    content = json.dumps(body).encode()
    return f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
