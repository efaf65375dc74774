"""What each column of a file means for its person: a field, an identifier, or nothing that may be kept. Pure.

A column's name and its values both have a say (`consent.discovery`). A name that says it outright is believed unless
the values refute it; values that tell by themselves need no name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consent.discovery.kinds import FREE_TEXT, OUTRIGHT, named_for, named_for_things, worded
from consent.discovery.vote import SURE, Finding
from ingestion.proposal.facts import ColumnFacts, FileFacts
from ingestion.proposal.words import last_words, nearness, roles_of, speaks_of_others

NAMES: Final = ("given_name", "family_name", "full_name")
# Fields that describe a person, in the order in which they are written down.
FIELDS: Final = (
    *NAMES, "middle_name", "suffix", "birth_date", "gender", "street", "city", "postcode", "country",
)  # fmt: skip
REACH: Final = ("email", "phone")
CODES: Final = ("customer", "account", "loyalty", "national_id", "cookie", "device")
# Kinds that no mapping needs: what is not taken in cannot be lost.
_SPARED: Final[Mapping[str, str]] = {
    "iban": "bank accounts",
    "credit_card": "numbers of payment cards",
    "ip_address": "addresses on the internet",
    "geo_position": "places on the map",
    "national_id": "numbers that a state gives its people",
    "cookie": "marks of browsers",
    "device": "marks of devices",
    "digest": "digests",
}
BIRTH_PLACE: Final = "birth_place"
_MOST: Final = 4
_OPAQUE: Final = 16
_FEW: Final = 40


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column stands for: a field or an identifier type, how surely, and why."""

    column: str
    role: str
    sure: float
    because: str


@dataclass(frozen=True, slots=True)
class Left:
    """A column that is left out, and why."""

    column: str
    because: str


@dataclass(frozen=True, slots=True)
class Meanings:
    """What a file's columns mean. `doubts` say what else could have been meant."""

    fields: Mapping[str, Meaning]
    identifiers: Mapping[str, tuple[Meaning, ...]]
    texts: tuple[Meaning, ...]
    left: tuple[Left, ...]
    doubts: tuple[str, ...]

    @property
    def describing(self) -> int:
        """How many fields tell of a person's name, birth and home."""
        return sum(1 for role in self.fields if role not in ("gender", "country", "city", "postcode", "suffix"))

    @property
    def named(self) -> bool:
        """Whether a person is told by name or by birth: a place, too, has a street and a town."""
        return not {*NAMES, "birth_date"}.isdisjoint(self.fields)

    @property
    def taken(self) -> frozenset[str]:
        """The columns that are spoken for."""
        several = [m.column for meant in self.identifiers.values() for m in meant]
        others = [*self.fields.values(), *self.texts]
        return frozenset([*several, *(m.column for m in others), *(one.column for one in self.left)])


def meanings_of(file: FileFacts) -> Meanings:
    """Return what the columns of a file mean for the person of each row."""
    found: list[Meaning] = []
    left: list[Left] = []
    for column in file.columns:
        if column.filled == 0:
            left.append(Left(column.name, "it is always empty"))
            continue
        meaning = _meant(column)
        if meaning is None:
            spared = _spared(column)
            left += [spared] if spared else []
        elif speaks_of_others(column.name):
            left.append(
                Left(column.name, f"{_told(meaning.role)} of somebody else than the row's own person, by its name")
            )
        else:
            found.append(meaning)
    found = _placed(_named_plainly(file, found))
    fields, doubts, beaten = _fields(file, found)
    identifiers, surplus = _identifiers(found)
    texts = tuple(m for m in found if m.role == FREE_TEXT)
    return Meanings(fields, identifiers, texts, (*left, *beaten, *surplus), doubts)


def _placed(found: Sequence[Meaning]) -> list[Meaning]:
    """Return the meanings with a place of birth as the town where there is none: it lasts, and tells people apart."""
    towns = any(m.role == "city" for m in found)
    because = "a place of birth, for want of a town where people live; it tells them apart"
    placed = [replace(m, role="city", sure=0.7, because=because) if m.role == BIRTH_PLACE else m for m in found]
    return [m for m in placed if not (towns and m.because == because)]


def _told(role: str) -> str:
    return role.replace("_", " ")


def _meant(column: ColumnFacts) -> Meaning | None:
    """Return what a column means by itself, or None."""
    speaks = [kind for kind, weight in named_for(column.name).items() if weight == OUTRIGHT and _fits(kind, column)]
    if speaks:
        kind = _likeliest(speaks, column)
        finding = column.found(kind)
        because = finding.reason if finding else f"called so, and {_share(column, kind)} of its values look like it"
        return Meaning(column.name, _hashed(kind, column), max(0.85, finding.confidence if finding else 0.0), because)
    plain = _by_words(column)
    if plain is not None:
        return plain
    text = column.found(FREE_TEXT)
    if text is not None:
        return Meaning(column.name, FREE_TEXT, text.confidence, text.reason)
    best = next((f for f in column.findings if f.kind in (*FIELDS, *REACH) and _fits(f.kind, column)), None)
    if best is None or _refused(column, best):
        return None
    several = best.kind in NAMES and column.share("words") > 0.5
    return Meaning(column.name, "full_name" if several else best.kind, best.confidence, best.reason)


def _refused(column: ColumnFacts, finding: Finding) -> bool:
    """Say whether values alone are too weak a voice: a name or a day that is called a thing's is a thing's."""
    if finding.kind in REACH:
        return False
    return named_for_things(column.name) or (finding.confidence < SURE and finding.kind not in named_for(column.name))


def _likeliest(kinds: Sequence[str], column: ColumnFacts) -> str:
    """Return of several kinds that a name speaks for the one that the values speak for."""
    several = [kind for kind in kinds if column.found(kind)] or list(kinds)
    if {"cookie", "customer"} <= set(kinds):
        return "cookie" if _length(column) >= _OPAQUE else "customer"
    if "family_name" in several and column.found("full_name") and not column.found("family_name"):
        return "full_name"
    return max(several, key=lambda kind: (f.confidence if (f := column.found(kind)) else 0.0, -list(kinds).index(kind)))


def _length(column: ColumnFacts) -> int:
    # a column of integers is told by its shape; what is opaque is long and no number
    return 0 if column.share("number") > 0.5 else _OPAQUE


def _fits(kind: str, column: ColumnFacts) -> bool:
    hashed = column.share("digest") > 0.9
    tests: Mapping[str, Callable[[], bool]] = {
        "email": lambda: column.share("mailbox") >= 0.5 or hashed,
        "phone": lambda: column.share("dialled") >= 0.5 or hashed,
        "birth_date": lambda: column.share("day") >= 0.5,
        "city": lambda: column.share("lettered") >= 0.7 and not hashed,
        "postcode": lambda: column.share("prose") < 0.1 and not hashed,
        "street": lambda: not hashed and column.share("number") < 0.5,
        **dict.fromkeys(NAMES, lambda: column.share("lettered") >= 0.7 and not hashed),
        **dict.fromkeys(
            CODES, lambda: column.share("code") >= 0.7 and column.share("moment") < 0.5 and _is_code(column)
        ),
    }
    return tests.get(kind, lambda: False)()


def _is_code(column: ColumnFacts) -> bool:
    """Say whether a column tells things apart, as a code does: a flag and a measure do not."""
    numbered = column.share("integer") > 0.99 or column.share("whole") > 0.99
    return not column.always("boolean") and (column.share("number") < 0.5 or numbered)


def _share(column: ColumnFacts, kind: str) -> str:
    shape = {"email": "mailbox", "phone": "dialled", "birth_date": "day"}.get(kind)
    shape = shape or ("lettered" if kind in (*NAMES, "city") else "")
    return f"{column.share(shape):.0%}" if shape and column.share("digest") < 0.9 else "most"


def _hashed(kind: str, column: ColumnFacts) -> str:
    """Return the kind, or that of its digests where the values are such."""
    if kind in REACH and column.share("digest") > 0.9:
        return f"{kind}_sha256" if column.share("sha256") > 0.9 else f"{kind}_md5"
    return kind


def _by_words(column: ColumnFacts) -> Meaning | None:
    """Return what a column's whole name says beside the kinds of personal data, if the values do not refute it."""
    roles = roles_of(column.name)
    lettered = column.share("lettered") >= 0.7 and column.share("digest") < 0.5
    few = column.distinct <= max(_FEW, column.rows // 20) and column.share("number") < 0.5
    fitting = {
        **{kind: (0.85, _fits(kind, column)) for kind in NAMES},
        "gender": (0.9, few),
        "middle_name": (0.85, lettered),
        "suffix": (0.8, lettered and column.distinct <= _FEW),
        "country": (0.85, lettered),
        BIRTH_PLACE: (0.85, lettered),
    }
    role = next((role for role, (_, fits) in fitting.items() if role in roles and fits), None)
    if role is None:
        return None
    told = f"called so, with {column.distinct:,} different values" if role == "gender" else "called so"
    return Meaning(column.name, role, fitting[role][0], told)


def _spared(column: ColumnFacts) -> Left | None:
    """Return why a personal column is left out that nothing needs, or None where it is not of that kind."""
    outright = [kind for kind, weight in named_for(column.name).items() if weight == OUTRIGHT]
    for finding in column.findings:
        if finding.kind in _SPARED and (finding.confidence >= SURE or finding.kind in outright):
            return Left(column.name, f"{_SPARED[finding.kind]}, which no mapping needs ({finding.reason})")
    return None


def _named_plainly(file: FileFacts, found: Sequence[Meaning]) -> list[Meaning]:
    """Return the meanings with a column that is just called `name` understood beside those that describe people."""
    roles = {m.role for m in found}
    if roles.isdisjoint((*REACH, "birth_date", "given_name", "street")) or not roles.isdisjoint(
        ("full_name", "family_name")
    ):
        return list(found)
    known = {m.column for m in found}
    for column in file.columns:
        plain = worded(column.name) in ("name", "nombre", "nom", "nome", "naam")
        if plain and column.name not in known and column.share("lettered") >= 0.9 and column.share("digest") < 0.5:
            return [*found, Meaning(column.name, "full_name", 0.6, "called so, beside columns that describe people")]
    return list(found)


def _fields(file: FileFacts, found: Iterable[Meaning]) -> tuple[dict[str, Meaning], tuple[str, ...], tuple[Left, ...]]:
    """Return the one column for each field, what else could have been chosen, and the columns that were beaten."""
    by_role: dict[str, list[Meaning]] = {}
    for meaning in found:
        if meaning.role in FIELDS:
            by_role.setdefault(meaning.role, []).append(meaning)
    fields: dict[str, Meaning] = {}
    doubts: list[str] = []
    beaten: list[Left] = []
    for role in FIELDS:
        ranked = sorted(by_role.get(role, ()), key=lambda m: _rank(file, m))
        if not ranked:
            continue
        fields[role] = ranked[0]
        for other in ranked[1:]:
            beaten.append(
                Left(other.column, f"{_told(role)} too; {ranked[0].column} was taken, for one column makes a field")
            )
            if other.sure >= ranked[0].sure - 0.2:
                doubts.append(f"{_told(role)} is read from {ranked[0].column}; it could be {other.column}")
        if ranked[0].sure < SURE:
            doubts.append(f"{ranked[0].column} is taken for {_told(role)}, not surely: {ranked[0].because}")
    return fields, tuple(doubts), tuple(beaten)


def _rank(file: FileFacts, meaning: Meaning) -> tuple[object, ...]:
    column = file.column(meaning.column)
    outright = named_for(column.name).get(meaning.role) == OUTRIGHT
    said = last_words(column.name)
    return (not outright, nearness(column.name), said.count("_"), -round(column.full, 1), file.columns.index(column))


def _identifiers(found: Iterable[Meaning]) -> tuple[dict[str, tuple[Meaning, ...]], tuple[Left, ...]]:
    by_type: dict[str, list[Meaning]] = {}
    surplus: list[Left] = []
    order = {name: place for place, name in enumerate((*CODES[:3], "national_id", *REACH))}
    for meaning in sorted(found, key=lambda m: order.get(m.role.partition("_sha")[0], len(order))):
        if meaning.role in FIELDS or meaning.role == FREE_TEXT:
            continue
        if "fax" in worded(meaning.column):
            surplus.append(Left(meaning.column, "a fax stands in an office and is shared"))
            continue
        mine = by_type.setdefault(meaning.role, [])
        if len(mine) < (_MOST if meaning.role in REACH else 1):
            mine.append(meaning)
        else:
            surplus.append(Left(meaning.column, f"{_told(meaning.role)} too; {mine[0].column} was taken"))
    return {kind: tuple(meant) for kind, meant in by_type.items()}, tuple(surplus)
