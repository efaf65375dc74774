"""A crowd of invented people with records in several sources, of any size, from a seed; and what changes about them.

Names are drawn by how common they are (surnames of the US census, forenames of many countries), everything else at
random. A person has one to five records; about one in six fields differs from record to record as people's do.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

BORN = date(1935, 1, 1).toordinal()
SOURCES = ("crm", "shop", "loyalty", "newsletter")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
IDENTIFIER = pa.struct([(name, pa.string()) for name in ("type", "value", "token")])
SCHEMA = pa.schema(
    [
        ("record_key", pa.string()), ("source", pa.string()), ("key", pa.string()), ("kind", pa.string()),
        ("known", pa.bool_()), ("attributes", pa.map_(pa.string(), pa.string())), ("identifiers", pa.list_(IDENTIFIER)),
        ("observed_at", pa.timestamp("us", tz="UTC")), ("received_at", pa.timestamp("us", tz="UTC")),
        ("content_hash", pa.string()), ("sequence", pa.int64()), ("trust", pa.float64()), ("jurisdiction", pa.string()),
        ("deleted", pa.bool_()), ("batch", pa.int64()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Forenames, and surnames with how many people in all have this one or one before it."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    shares: np.ndarray[Any, np.dtype[np.float64]]


def names(reference: Path) -> Names:
    with (reference / "popular_names" / "common-forenames-by-country.csv").open(encoding="utf-8-sig") as lines:
        given = sorted({row["Romanized Name"] for row in csv.DictReader(lines)} - {""})
    with (reference / "surnames_us_2010" / "census_surnames_2010_top10k.csv").open(encoding="utf-8") as lines:
        rows = [next(iter(row.values())) for row in csv.DictReader(lines)]
    shares = 1 / np.arange(1, len(rows) + 1) ** 0.7
    return Names(tuple(given), tuple(rows), np.cumsum(shares / shares.sum()))


def records(size: int, known: Names, seed: int = 1, batch: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield `size` records in batches; the same size and seed give the same."""
    chance = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    person = 0
    made = 0
    while made < size:
        person += 1
        life = _person(person, known, chance)
        for _ in range(min(int(chance.integers(1, 6)), size - made)):
            made += 1
            rows.append(record(life, made, chance, batch))
        if len(rows) >= 20_000:
            yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def _person(number: int, known: Names, chance: np.random.Generator) -> dict[str, str]:
    given = known.given[int(chance.integers(len(known.given)))]
    family = known.family[min(int(np.searchsorted(known.shares, chance.random())), len(known.family) - 1)]
    born = date.fromordinal(BORN + int(chance.integers(27_000)))
    return {
        "number": str(number), "given_name": given, "family_name": family, "birth_date": born.isoformat(),
        "street": f"{int(chance.integers(1, 400))} {known.family[int(chance.integers(2_000))]} Street",
        "postcode": f"{int(chance.integers(1_000, 99_000)):05d}",
        "email": f"{given}.{number}@example.org".lower().replace(" ", ""),
        "phone": f"+1555{number % 10_000_000:07d}",
    }  # fmt: skip


def record(life: dict[str, str], sequence: int, chance: np.random.Generator, batch: int = 1) -> dict[str, Any]:
    """Return one record of a person: some fields missing, some misspelt, one or two identifiers."""
    said = {k: _blemished(life[k], chance) for k in ("given_name", "family_name", "birth_date", "street", "postcode")}
    attributes = {name: value for name, value in said.items() if value}
    held = [kind for kind in ("email", "phone") if chance.random() < 0.6]
    source, key = SOURCES[int(chance.integers(len(SOURCES)))], f"{life['number']}-{sequence}"
    moment = MOMENT + timedelta(seconds=sequence)
    return {
        "record_key": f"{int(chance.integers(2**62)):016x}{sequence:016x}", "source": source, "key": key,
        "kind": "person", "known": True, "attributes": list(attributes.items()), "observed_at": moment,
        "received_at": moment,
        "identifiers": [{"type": k, "value": life[k], "token": f"1:{k}:{life[k]}"} for k in held],
        "content_hash": f"{sequence}-{batch}", "sequence": sequence, "trust": 0.5, "jurisdiction": "US-OH",
        "deleted": False, "batch": batch,
    }  # fmt: skip


def _blemished(text: str, chance: np.random.Generator) -> str:
    luck = chance.random()
    if luck < 0.06:
        return ""
    if luck < 0.12 and len(text) > 3:
        place = int(chance.integers(1, len(text) - 1))
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text


def changes(held: list[dict[str, Any]], known: Names, first: int, seed: int, batch: int) -> list[dict[str, Any]]:
    """Return news: of three held records in ten a deletion, of five another spelling, and newcomers for the rest."""
    chance = np.random.default_rng(seed)
    told = []
    for number, row in enumerate(held):
        sequence = first + number
        # later than whatever was said before: news that is older than what is known changes nothing
        moment = MOMENT + timedelta(seconds=sequence)
        stamp = {"observed_at": moment, "received_at": moment, "sequence": sequence, "batch": batch}
        fresh = {**row, **stamp, "content_hash": f"{sequence}-{batch}"}
        turn = number % 10
        if turn < 3:
            told.append({**fresh, "deleted": True})
        elif turn < 8:
            attributes = {name: _blemished(value, chance) or value for name, value in row["attributes"]}
            city = f"{known.family[int(chance.integers(2_000))]} Town"
            told.append({**fresh, "attributes": list({**attributes, "city": city}.items())})
        else:
            life = _person(10_000_000 + sequence, known, chance)
            told.append({**record(life, sequence, chance, batch), "observed_at": moment, "received_at": moment})
    return told
