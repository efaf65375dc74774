"""A CSV file of words about consent, read row by row: what a row says, or why it says nothing that can count."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consent.errors import UnknownIdentifier
from consent.model import GIVEN, REFUSALS, RESTRICTED
from consent.signals.model import SKEW
from infra.errors import Malformed
from infra.ids import Token

NEEDED: Final = ("type", "identifier", "purpose", "action")
OPTIONAL: Final = ("occurred_at", "channel", "recipient", "jurisdiction", "notice", "expires_at", "id")
# A restriction is lifted by one who looks at it, not by a file; what ends or acknowledges follows from other words.
ACTIONS: Final = (GIVEN, *REFUSALS, RESTRICTED)
BYTES: Final = 64 * 1024 * 1024
ROWS: Final = 500_000
_WIDTHS: Final[Mapping[str, int]] = {
    "channel": 60, "recipient": 120, "jurisdiction": 12, "notice": 180, "id": 200, "identifier": 320,
}  # fmt: skip


class SheetUnreadable(Malformed):
    """A file that is no such sheet as a whole; nothing of it was taken."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row says; `at` is missing where the file tells no moment, which a no may do without."""

    number: int
    kind: str
    token: Token
    purpose: str
    action: str
    at: datetime | None
    channel: str | None = None
    recipient: str | None = None
    jurisdiction: str | None = None
    notice: str | None = None
    expires_at: datetime | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A row that cannot count, with what is wrong and what would be right; no value is repeated."""

    number: int
    because: str
    kept_out: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What rows are held to: the known purposes, how an identifier becomes a token, and now."""

    purposes: tuple[str, ...]
    token_of: Callable[[str, str], Token]
    kept_out: Callable[[str, str], bool]
    now: datetime


def cells(content: bytes) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Yield each row's number (the header is row 1) and its filled cells, or None where their number is wrong.

    Raise `SheetUnreadable` where the file is no CSV in UTF-8 with the columns that are needed, or too large.
    """
    if len(content) > BYTES:
        raise SheetUnreadable(f"the file has more than {BYTES // 2**20} MB", "split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SheetUnreadable(f"the file is no UTF-8 (byte {error.start})", "save it as CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = _header(next(reader, []))
        for number, row in enumerate((row for row in reader if row), start=2):
            if number > ROWS + 1:
                raise SheetUnreadable(f"the file has more than {ROWS:,} rows", "split it")
            filled = {name: cell.strip() for name, cell in zip(names, row, strict=False) if cell.strip()}
            yield number, filled if len(row) == len(names) else None
    except csv.Error:
        raise SheetUnreadable(f"line {reader.line_num} is no CSV", "quote cells that hold quotes or commas") from None


def _header(row: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in row]
    right = f"needed: {', '.join(NEEDED)}; also known: {', '.join(OPTIONAL)}"
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        raise SheetUnreadable(f"the first line lacks {', '.join(lacking)}", right)
    if set(names) - {*NEEDED, *OPTIONAL} or len(set(names)) < len(names):
        raise SheetUnreadable("the first line names a column that is unknown or named twice", right)
    return names


def read(number: int, told: Mapping[str, str] | None, rules: Rules) -> Row | Unsaid:
    """Return what a row says, or why it cannot count."""
    if told is None:
        return Unsaid(number, "the row has another number of cells than the first line")
    lacking = [name for name in NEEDED if name not in told]
    if lacking:
        return Unsaid(number, f"{', '.join(lacking)}: empty")
    if wide := [name for name, width in _WIDTHS.items() if len(told.get(name, "")) > width]:
        return Unsaid(number, f"{wide[0]}: longer than {_WIDTHS[wide[0]]} characters")
    if told["purpose"] not in rules.purposes:
        return Unsaid(number, f"purpose: not declared; known: {', '.join(rules.purposes)}")
    action = told["action"].lower()
    if action not in ACTIONS:
        return Unsaid(number, f"action: not known; use one of: {', '.join(ACTIONS)}")
    return _moments(number, told, action, rules)


def _moments(number: int, told: Mapping[str, str], action: str, rules: Rules) -> Row | Unsaid:
    moments: dict[str, datetime | None] = {}
    for name in ("occurred_at", "expires_at"):
        try:
            moments[name] = _moment(told.get(name))
        except (ValueError, OverflowError):
            return Unsaid(number, f"{name}: no moment with a time zone; write it as 2027-01-31T00:00:00+00:00")
    at = moments["occurred_at"]
    if action == GIVEN and at is None:
        return Unsaid(number, "occurred_at: empty; a yes counts only where it is known when it was given")
    if action == GIVEN and at is not None and at > rules.now + SKEW:
        return Unsaid(number, "occurred_at: lies ahead; nobody has said that yet")
    try:
        token = rules.token_of(told["type"], told["identifier"])
    except UnknownIdentifier as error:
        return Unsaid(number, str(error))
    if rules.kept_out(told["type"], told["identifier"]):
        return Unsaid(number, "somebody who was erased is kept out; only their own new act lets them in", kept_out=True)
    return Row(
        number=number,
        kind=told["type"],
        token=token,
        purpose=told["purpose"],
        action=action,
        at=at,
        channel=told.get("channel"),
        recipient=told.get("recipient"),
        jurisdiction=told["jurisdiction"].upper() if "jurisdiction" in told else None,
        notice=told.get("notice"),
        expires_at=moments["expires_at"],
        id=told.get("id"),
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
