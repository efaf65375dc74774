"""The record as matching sees it: every field in its one spelling. Pure; the Spark plan maps it over batches."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from identity.fields import addresses, dates, names
from infra import emails
from infra.identifiers import IdentifierType, is_blocked, is_evidence


@dataclass(frozen=True, slots=True)
class Value:
    """An identifier value that may be evidence, with the token that stands for it.

    `seen_from` and `seen_to` say when the record carried it, in whole seconds since 1970, where a rule asks for that.
    """

    type: str
    value: str
    token: str
    seen_from: int | None = None
    seen_to: int | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """The normalised fields of one record; a field that is not known is None.

    `numbers` are its identifiers of unique types, each as `type:value`; a value too long to be a number is none.
    """

    given_name: str | None = None
    given_forms: list[str] = field(default_factory=list)
    given_known: bool = False
    middle_name: str | None = None
    family_name: str | None = None
    suffix: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    street: str | None = None
    unit: str | None = None
    city: str | None = None
    postcode: str | None = None
    handle: str | None = None
    mail_year: str | None = None
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    identifiers: list[Value] = field(default_factory=list)
    bare: bool = True


def features(
    attributes: Mapping[str, str | None],
    identifiers: Iterable[Value],
    types: Mapping[str, IdentifierType],
    today: date | None = None,
) -> Features:
    """Return a record's features; values that stand for nobody (blocked, undeclared types) are left out."""
    text = {name: value for name, value in attributes.items() if value}
    usable = sorted(set(_usable(identifiers, types)), key=lambda v: (v.type, v.value, v.token))
    emails = [v.value for v in usable if types[v.type].normaliser == "email"]
    phones = [v.value for v in usable if types[v.type].normaliser == "phone"]
    name = names.name(
        text.get("given_name", ""), text.get("family_name", ""), text.get("full_name", ""), text.get("suffix", "")
    )
    street = addresses.street(text.get("street", ""))
    born = dates.birth_date(text.get("birth_date", ""), today) or _misspelt_date(text.get("birth_date", ""))
    return Features(
        given_name=name.given or None,
        given_forms=list(names.given_forms(name.given)),
        given_known=names.is_given_name(name.given),
        middle_name=name.middle or names.folded(text.get("middle_name", "")) or None,
        family_name=name.family or None,
        suffix=name.suffix or None,
        birth_date=born or None,
        sex=dates.sex(text.get("gender", "")) or None,
        street=street.line or None,
        unit=street.unit or None,
        city=addresses.city(text.get("city", "")) or None,
        postcode=addresses.postcode(text.get("postcode", ""), text.get("country", "")) or None,
        handle=_handle(emails, name),
        mail_year=_year(emails),
        emails=emails,
        phones=phones,
        numbers=sorted(
            {f"{v.type}:{v.value}" for v in usable if types[v.type].unique and len(v.value) <= LONGEST_NUMBER}
        ),
        identifiers=usable,
        bare=not (name.given or name.family or born),
    )


def _misspelt_date(text: str) -> str:
    """Return a date that cannot be (`1851-81-01`) as it is spelt: most of its digits are right, which is evidence."""
    found = _DATE_SHAPED.fullmatch(text.strip())
    if not found or "00" in (found[2], found[3]):
        return ""
    impossible = int(found[2]) > _MONTHS or int(found[3]) > _DAYS
    return "-".join(found.groups()) if impossible else ""


_DATE_SHAPED = re.compile(r"(1[0-9]{3}|20[0-9]{2})[-/]?([0-9]{2})[-/]?([0-9]{2})")
_MONTHS, _DAYS = 12, 28
LONGEST_NUMBER = 64
"""What is longer is no number, and to tell how far two of them are apart takes the product of their lengths."""


def _usable(identifiers: Iterable[Value], types: Mapping[str, IdentifierType]) -> Iterable[Value]:
    for one in identifiers:
        kind = types.get(one.type)
        if kind is None or not one.value or not is_evidence(kind, one.value):
            continue
        value = emails.canonical(one.value) if kind.normaliser == "email" else one.value
        if not is_blocked(kind, value):
            yield replace(one, value=value)


def _handle(emails: list[str], name: names.Name) -> str | None:
    """Return what a mailbox is called beyond its owner's name, where that is enough to tell people apart.

    `jane.miller77` says no more of a Jane Miller than her name does, and namesakes share it.
    """
    for address in emails:
        user = "".join(names.folded(address.partition("@")[0]).split())
        for part in sorted((name.given, name.family.replace(" ", ""), *names.given_forms(name.given)), key=len):
            user = user.replace(part, "") if len(part) >= _SHORTEST_NAME else user
        if len("".join(c for c in user if c.isalpha())) >= _SHORTEST_HANDLE and user not in _ROLES:
            return user
    return None


def _year(emails: list[str]) -> str | None:
    """Return the two digits of the year that a mailbox ends in (`miller77`, `jane1977`), as many do by birth."""
    for address in emails:
        found = _YEAR.search(address.partition("@")[0])
        if found:
            return found[1]
    return None


_YEAR = re.compile(r"(?<![0-9])(?:19|20)?([0-9]{2})$")
_SHORTEST_NAME = 3
_SHORTEST_HANDLE = 4
_ROLES = frozenset({"info", "mail", "email", "contact", "office", "sales", "admin", "hello", "support", "test", "home"})
