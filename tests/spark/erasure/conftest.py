"""Twelve people in four sources, and runs of the whole pipeline over them."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "api" / "templates" / "workspace"
FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)
NAMES = ("Ann Carver", "Bob Delgado", "Cid Engel", "Dora Fink", "Eve Grant", "Fay Hurst", "Gil Ives", "Hal Jonas",
         "Ida Klein", "Jon Lund", "Kay Moss", "Leo Nash")  # fmt: skip
FILES = {
    "kindred.yaml": "name: test\njurisdiction: US-OH\nseed: 1\n",
    "sources/crm.yaml": (
        "source: crm\nconnector: {type: files, path: 'data/crm/*.csv', format: csv}\nrecord: person\nkey: id\n"
        "fields: {given_name: first, family_name: last, birth_date: born, street: street, postcode: zip}\n"
        "identifiers: {email: email, phone: phone, customer: id}\n"
        "contract: {born: {type: date, max: today}}\non_violation: quarantine\n"
    ),
    "sources/tills.yaml": (
        "source: tills\nconnector: {type: files, path: 'data/tills/*.csv', format: csv}\nrecord: event\n"
        "key: [receipt, line]\noccurred_at: at\nevent: {type: '=purchase', name: '=line'}\n"
        "identifiers: {customer: customer}\nproperties: [store]\n"
        "order: {order_id: receipt, product_id: product, quantity: quantity, amount: amount}\n"
    ),
    "sources/web.yaml": (
        "source: web\nconnector: {type: files, path: 'data/web/*.ndjson', format: ndjson}\nrecord: event\n"
        "key: messageId\noccurred_at: timestamp\nevent: {type: type, name: event}\n"
        "identifiers: {email: traits.email, cookie: anonymousId}\n"
    ),
    "sources/consents.yaml": (
        "source: consents\nconnector: {type: files, path: 'data/consents/*.csv', format: csv}\nrecord: consent\n"
        "key: id\noccurred_at: at\nidentifiers: {email: email}\n"
        "consent: {purpose: purpose, action: action, mechanism: '=centre', jurisdiction: '=US-OH'}\n"
    ),
    "audiences/all.yaml": "audience: all\npurpose: email_marketing\nwhere: {trait: events, op: '>=', value: 1}\n",
    "destinations/mail.yaml": (
        "destination: mail\npath: out/mail\npurpose: email_marketing\naudiences: [all]\nmatch_keys: [email]\n"
        "traits: [orders]\nminimum_size: 1\n"
    ),
}


def email_of(number: int) -> str:
    return f"{NAMES[number].replace(' ', '.').lower()}@example.org"


def phone_of(number: int) -> str:
    # the first two share the telephone of their home
    return f"+1614555{max(number, 1) + 99:04d}"


def customer_of(number: int) -> str:
    return f"C77{number:02d}88{number:02d}"


def facts(people: range | list[int]) -> dict[str, str]:
    """Return the sources' files about some of the people."""
    crm = ["id,first,last,born,street,zip,email,phone"]
    tills, consents = ["receipt,line,at,customer,product,quantity,amount,store"], ["id,at,email,purpose,action"]
    web = []
    for n in people:
        first, last = NAMES[n].split()
        born, lives = f"19{60 + n}-03-0{n % 9 + 1}", f"{n} Elm St,430{n:02d}"
        crm.append(f"{customer_of(n)},{first},{last},{born},{lives},{email_of(n)},{phone_of(n)}")
        tills += [f"R{n}-{i},1,2026-10-0{i}T10:00:00Z,{customer_of(n)},P{i},1,{n + i}.50,s1" for i in (1, 2)]
        consents.append(f"k{n},2026-09-01T00:00:00Z,{email_of(n)},email_marketing,given")
        for i, traits in enumerate(({}, {"email": email_of(n)}, {})):
            seen = {"messageId": f"m{n}-{i}", "type": "track", "event": "Page Viewed", "traits": traits}
            seen |= {"anonymousId": f"cookie-of-number-{n:02d}", "timestamp": f"2026-10-05T1{i}:00:00Z"}
            web.append(json.dumps(seen))
        # of some a row is rejected: born tomorrow, with the address in another spelling
        if n % 4 == 2:
            crm.append(f"{customer_of(n)}X,{first},{last},2999-01-01,{n} Elm St,43017,{email_of(n).upper()},")
    return {
        "data/crm/1.csv": "\n".join(crm) + "\n",
        "data/tills/1.csv": "\n".join(tills) + "\n",
        "data/web/1.ndjson": "\n".join(web) + "\n",
        "data/consents/1.csv": "\n".join(consents) + "\n",
    }


@dataclass
class Town:
    """A workspace, and what the job runner would do on it; each run has a number, a base and a moment of its own."""

    root: Path
    spark: Any
    number: int = 0
    said: list[str] = field(default_factory=list)
    _last: Any = None

    @property
    def world(self) -> Any:
        from api.cli.world import open_world

        return open_world(self.root)

    def write(self, files: Mapping[str, str]) -> None:
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    def runtime(self, *, resume: bool = False) -> Any:
        from infra.lake import Lake
        from infra.runs import RUN
        from infra.runtime import RunInfo, Runtime
        from infra.shelf import newest_versions

        world = self.world
        if not resume or self._last is None:
            self.number += 1
            at = FIRST + timedelta(hours=self.number)
            base = newest_versions(world.workspace.lake_path)
            self._last = RunInfo(f"run{self.number}", self.number, at, "salt-of-the-seed", base)
            row = {"id": f"run{self.number}", "number": self.number, "job": "run", "arguments": {}, "priority": 0,
                   "status": "running", "submitted_at": at, "started_at": at, "steps": []}  # fmt: skip
            with world.database.begin() as connection:
                connection.execute(RUN.insert().values(row))
        lake = Lake(self.spark, world.workspace.lake_path, self.number, self._last.base)
        return Runtime(world.workspace, lake, world.database, self._last, self.said.append)

    def job(self, name: str, *, resume: bool = False, **arguments: str) -> Any:
        from api.cli import pipeline

        asked = {"at": "set", **arguments}
        return getattr(pipeline, name)(self.runtime(resume=resume), asked)

    def ask(self, kind: str, value: str) -> str:
        """Freeze a person and return the erasure's id."""
        from api.cli import erasing

        return erasing.begin(self.world, erasing._asked(self.world, f"{kind}:{value}"))


@pytest.fixture
def town_of(spark: Any, tmp_path: Path) -> Callable[..., Town]:
    def make(name: str, people: range | list[int] = range(12)) -> Town:
        root = tmp_path / name
        shutil.copytree(TEMPLATES, root)
        for folder in ("audiences", "decisions", "destinations", "sources"):
            for file in (root / folder).glob("*"):
                file.unlink()
        (root / ".env").write_text(
            f"KINDRED_TOKEN_KEY={'t' * 40}\nKINDRED_SIGNING_KEY={'a1' * 32}\nKINDRED_SUBJECT_KEY={'b2' * 32}\n"
        )
        town = Town(root, spark)
        town.write(FILES)
        town.write(facts(people))
        return town

    return make
