"""The answer to a request for access: what is held, whence, for what, for how long, and how it came about.

Each package tells its own tables (`Disclosable`); what a table holds and is not told is told with the reason.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, Protocol

import orjson

from consent.model import Policy
from consent.requests.config import RequestsConfig
from consent.requests.model import Request
from consent.retention.model import Rule
from consent.retention.rule import told
from infra.ids import ProfileId, RecordKey, Token

# given: the person told it; observed: they did it; derived: we concluded it; handling: what we did with it.
Origin = Literal["given", "observed", "derived", "handling"]
# What Art. 20 covers: given by the person, also by what they did (WP 242); never what was concluded.
PORTABLE: Final[frozenset[Origin]] = frozenset({"given", "observed"})
# The bases of Art. 20(1)(a), by the words of the policy.
PORTABLE_BASES: Final = frozenset({"consent", "contract"})
_WHEN: Final = (2026, 1, 1, 0, 0, 0)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an answer is about, as far as that is sure: nobody is told of somebody who is only probably they.

    `former` are ids under which their profiles were known. `unsure` records hang together with theirs by weaker links,
    or by an identifier that several people share.
    """

    tokens: frozenset[Token]
    records: frozenset[RecordKey] = frozenset()
    profiles: tuple[ProfileId, ...] = ()
    former: tuple[ProfileId, ...] = ()
    portable: frozenset[RecordKey] = frozenset()
    unsure: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one store holds of a person."""

    store: str
    origin: Origin
    told: str
    rows: tuple[Mapping[str, Any], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a store may hold and is not told, and why."""

    store: str
    because: str


class Disclosable(Protocol):
    """A package that tells what its stores hold of a person."""

    @property
    def name(self) -> str:
        """The package's name."""

    def stores(self) -> Iterable[str]:
        """Return the names of all its stores that may hold people, told or left out."""

    def sheets(self, person: Person) -> Iterator[Sheet | LeftOut]:
        """Yield what each holds of a person, and what is left out."""


def answer(
    request: Request,
    person: Person,
    packages: Sequence[Disclosable],
    policy: Policy,
    config: RequestsConfig,
    at: datetime,
    rules: Sequence[Rule] = (),
) -> dict[str, Any]:
    """Return the answer as data, in one order for one state of the stores.

    How long data are kept is told by the rules that are carried out, and only without any in words of ours.
    """
    found = [one for package in packages for one in package.sheets(person)]
    portable = request.right == "portability"
    sheets = [one for one in found if isinstance(one, Sheet) and (not portable or one.origin in PORTABLE)]
    kept = {one.store: told(rules, one.store) or _kept(one.store, config) for one in sheets}
    data = [_sheet(one, kept[one.store], person.portable if portable else None) for one in sheets]
    left_out: list[dict[str, Any]] = [
        {"store": one.store, "because": one.because} for one in found if isinstance(one, LeftOut)
    ]
    if person.unsure:
        because = "held together with yours by links that are not sure; they may be somebody else's"
        left_out.append({"store": "records", "records": person.unsure, "because": because})
    return {
        "request": {"id": request.id, "right": request.right, "regulation": request.regulation, "made_at": at},
        "controller": config.controller if config.controller != "self" else policy.controller,
        "purposes": [] if portable else _purposes(policy),
        "recipients": [] if portable else [{"name": n, "told": t} for n, t in sorted(config.recipients.items())],
        "rights": [] if portable else list(_RIGHTS),
        "data": [one for one in data if one["rows"]],
        "nothing_held_in": [one["store"] for one in data if not one["rows"]],
        "left_out": left_out,
    }


# Art. 15(1)(e), (f): to be told with every copy.
_RIGHTS: Final = (
    "You may ask us to correct or erase these data, to restrict their use, and object to it.",
    "You may complain to a supervisory authority.",
)


def _kept(store: str, config: RequestsConfig) -> str:
    return config.retention.get(store) or config.retention.get("*") or "as long as you are a customer"


def _sheet(sheet: Sheet, kept: str, portable: frozenset[RecordKey] | None) -> dict[str, Any]:
    rows = [dict(row) for row in sheet.rows]
    if portable is not None:
        rows = [row for row in rows if row.get("record_key") in portable]
    return {
        "store": sheet.store,
        "told": sheet.told,
        "origin": sheet.origin,
        "sources": sorted({str(row["source"]) for row in rows if row.get("source")}),
        "retention": kept,
        "rows": rows,
    }


def _purposes(policy: Policy) -> list[dict[str, Any]]:
    bases: dict[str, set[str]] = {}
    for row in policy.rows:
        bases.setdefault(row.purpose, set()).add(row.basis)
    return [
        {"purpose": name, "told": terms.description, "rests_on": sorted(bases.get(name, set()))}
        for name, terms in policy.purposes.items()
    ]


def as_json(document: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON; moments as RFC 3339."""
    return orjson.dumps(document, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def as_zip(document: Mapping[str, Any]) -> bytes:
    """Return an answer as an archive: `answer.json`, and a CSV for each store; the same bytes for the same answer."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "answer.json", as_json(document))
        for sheet in document["data"]:
            _add(archive, f"{sheet['store']}.csv", _csv(sheet["rows"]))
    return packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _WHEN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])
    return text.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, list | dict | tuple):
        return orjson.dumps(value, default=_plain).decode()
    text = str(value)
    # A spreadsheet would run what begins like a formula; a number and a phone number it shows as they are.
    harmless = text[1:].replace(".", "", 1).isdigit() and text[0] in "+-" if text else True
    return f"'{text}" if text.startswith(_FORMULA) and not harmless else text


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)
