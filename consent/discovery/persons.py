"""Recognisers of what a person writes of themselves: mailbox, telephone, name, birth, home."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import nicknames
import phonenumbers
from anyascii import anyascii

from consent.discovery.column import Column, Vote, counted
from infra import dates, emails

if TYPE_CHECKING:
    from tldextract import TLDExtract

_INTERNATIONAL: Final = re.compile(r"\+[1-9][\d ().\-/]{6,20}\d|00[1-9]\d{0,2}[ ().\-/][\d ().\-/]{5,18}\d")
_WRITTEN: Final = re.compile(r"\(?\d{1,5}\)?(?:[ .\-/]{1,2}\(?\d{1,5}\)?){1,5}(?: ?(?:x|ext\.?) ?\d{1,5})?")
_DIGITS: Final = re.compile(r"0?\d{9,11}")
_DIALLED: Final = re.compile(r"\+?(?:[ ()./-]*\d){7,15}")
_MOMENT: Final = re.compile(r"1\d{9}|1\d{12}")  # seconds or milliseconds since 1970
# Each sign fits one branch alone, so that no value can make the search go back and forth.
_WORD: Final = r"[^\W\d_](?:[^\W\d_]|['\u2019\-](?=[^\W\d_])|\.)*"
_NAME: Final = re.compile(rf"{_WORD}(?: {_WORD}){{0,2}}")
_FULL: Final = re.compile(rf"(?:{_WORD},? ){{1,4}}{_WORD}")
_TITLES: Final = re.compile(
    r"^(?:mr|mrs|ms|miss|dr|prof|herr|frau|mme|m|sr|sra|sig|mx)\.? |,? (?:jr|sr|ii|iii|iv|phd|md)\.?$", re.IGNORECASE
)
_COMPANIES: Final = re.compile(
    r"\b(?:inc|llc|ltd|plc|corp|corporation|gmbh|ag|kg|co|company|sa|sarl|spa|bv|nv|oy|ab|group|holdings?"
    r"|partners|"
    r"associates|university|institute|foundation|bank|hotel|restaurant|club|department|street|road|avenue"
    r"|services?)\b",
    re.IGNORECASE,
)
_STREETS: Final = (
    (
        r"\d{1,5}[a-z]?(?:[-/]\d{1,4})?,? (?:[\w'.]+ ){0,4}[\w'.]+ ?\b(?:st|street|ave|avenue|av|rd|road|dr"
        r"|drive|ln|lane|blvd|boulevard"
        r"|ct|court|pl|place|way|ter|terrace|cir|circle|pkwy|parkway|hwy|highway|sq|square|close|crescent"
        r"|gardens|grove|row|mews"
        r"|trl|trail|loop|run|aly|alley|pike|green|hill|walk)\b\.?.{0,40}"
    ),
    (
        r"[\w .\-]{2,40}?(?:stra(?:ß|ss)e|str\.?|weg|platz|gasse|allee|ring|damm|ufer|steig|straat|laan|plein"
        r"|kade|gracht|dijk|singel"
        r"|gatan|v[aä]gen|gata|katu|tie|utca|vej|gade)\.? ?\d{1,5} ?[a-z]?.{0,20}"
    ),
    (
        r"(?:\d{1,5},? ?(?:bis |ter )?)?(?:rue|avenue|av\.|boulevard|bd|place|chemin|all[ée]e|impasse|route"
        r"|quai|cours|calle|c/|c\."
        r"|avenida|avda\.?|paseo|plaza|pza\.?|camino|carrera|via|viale|v\.le|piazza|p\.za|corso|largo|rua"
        r"|travessa|pra[çc]a|ul\.|ulica"
        r"|al\.) ?[\w .,'ºª°\-/]{2,50}"
    ),
    r"(?:p\.? ?o\.? box|postfach|postbus|apartado|casella postale|bo[îi]te postale) \d{1,6}.{0,20}",
)
_STREET: Final = re.compile("|".join(f"(?:{street})" for street in _STREETS), re.IGNORECASE)
_HAS_DIGIT: Final = re.compile(r"\d")
_LOOSE: Final = re.compile(r"(?=.*[^\W\d_]{2}).*[ \d].*")
_POSTCODES: Final = re.compile(
    r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{4} [A-Z]{2}|\d{5}-\d{4}"
    r"|[A-Z]\d{2} [A-Z\d]{4}|[DFLAB]-\d{4,5}"
    r"|LV-\d{4}|LT-\d{5}"
)
_POSTCODE: Final = re.compile(r"[A-Z0-9][A-Z0-9 -]{1,8}[A-Z0-9]", re.IGNORECASE)
_CITY: Final = re.compile(rf"{_WORD}(?:[ /]{_WORD}){{0,4}}(?: \(\w+\))?")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_AGES: Final = range(14, 106)
_COMMON_WEIGHT: Final = 0.3
_FEW_NAMES: Final = 8


def mailboxes(column: Column) -> Iterator[Vote]:
    """Yield what speaks for addresses of mail."""
    yield Vote("email", *counted(column, is_email), 0.99, "addresses of mail", plain=True)


@lru_cache(maxsize=16_384)
def is_email(value: str) -> bool:
    """Say whether a value is an address of mail under a public suffix; `logo@2x.png` is none."""
    address = emails.strict(value) if "@" in value else None
    return address is not None and bool(suffixes()(address.rpartition("@")[2]).top_domain_under_public_suffix)


@lru_cache(maxsize=1)
def suffixes() -> "TLDExtract":
    """Return the public suffixes that ship with tldextract: the default asks the network."""
    import tldextract  # noqa: PLC0415 - it brings a client of HTTP, which others need not wait for

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def telephones(column: Column, region: str) -> Iterator[Vote]:
    """Yield what speaks for telephone numbers; ten bare digits that begin alike are order numbers sooner."""
    yield Vote("phone", *counted(column, is_international), 0.95, "international telephone numbers", plain=True)
    written = {v for v in column.values if _WRITTEN.fullmatch(v) and _dials(v, region) and not is_date(v)}
    either = counted(column, lambda value: value in written or is_international(value))
    yield Vote("phone", *either, 0.85, f"telephone numbers as written in {region} or abroad", 0.1)
    dialled = [v for v in column.values if _DIGITS.fullmatch(v) and not _MOMENT.fullmatch(v) and _dials(v, region)]
    apart = len({value[:3] for value in dialled}) >= min(10, max(3, len(dialled) / 10))
    hits = sum(column.values[value] for value in dialled)
    told = f"digits that ring in {region}" + ("" if apart else ", but begin alike")
    yield Vote("phone", hits, len(dialled), 0.75 if apart else 0.25, told, 0.3)
    loose = counted(column, lambda value: bool(_DIALLED.fullmatch(value)) and not is_date(value))
    yield Vote("phone", *loose, 0.3, "7 to 15 digits", leaning=True)


def is_international(value: str) -> bool:
    """Say whether a value is a telephone number that begins with its country's code."""
    return bool(_INTERNATIONAL.fullmatch(value)) and _dials(re.sub(r"^00", "+", value), None)


@lru_cache(maxsize=16_384)
def _dials(value: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(value, region)))
    except phonenumbers.NumberParseException:
        return False


def is_date(value: str) -> bool:
    """Say whether a value is a day in any of the usual spellings."""
    return bool(dates.day(value))


def births(column: Column, today: date) -> Iterator[Vote]:
    """Yield what speaks for days of birth: no clock, and years as far back and as far apart as people's are."""
    days = {value: dates.day(value, "month_first", today) for value in column.values if not _clocked(value)}
    years = {value: int(day[:4]) for value, day in days.items() if day}
    aged = {value for value, year in years.items() if today.year - year in _AGES}
    hits = sum(column.values[value] for value in aged)
    apart = len({years[value] for value in aged}) >= min(20, max(5, len(aged) / 3))
    told = "days that lie a person's age back, in many years" if apart else "days that lie a person's age back"
    yield Vote("birth_date", hits, len(aged), 0.75 if apart else 0.3, told, 0.2)
    any_day = sum(column.values[value] for value in years)
    yield Vote("birth_date", any_day, len(years), 0.35, "days", leaning=True)
    years_alone = counted(column, lambda v: bool(_YEAR.fullmatch(v)) and today.year - int(v) in range(106))
    yield Vote("birth_date", *years_alone, 0.3, "years", leaning=True)


def _clocked(value: str) -> bool:
    return ":" in value and "00:00" not in value


def names(column: Column) -> Iterator[Vote]:
    """Yield what speaks for people's names, by lists and by shape; each distinct value has one voice.

    A name that is a word of daily life speaks softly: a column of colours is full of surnames.
    """
    distinct = [value for value in column.values if len(value) <= 80 and not _HAS_DIGIT.search(value)]
    for kind, believed in (("given_name", 0.85), ("family_name", 0.8), ("full_name", 0.9)):
        voices = [_voice(kind, value) for value in distinct]
        voiced = sum(voices) * column.filled / max(len(column.values), 1)
        heard = sum(1 for voice in voices if voice)
        told = f"known {kind.replace('_', ' ')}s"
        if heard >= max(_FEW_NAMES, column.filled / 20):  # fewer are the values of a list
            yield Vote(kind, int(voiced), heard, believed, told, 0.15)
        shape = _FULL if kind == "full_name" else _NAME
        likely = [v for v in distinct if shape.fullmatch(v) and not _COMPANIES.search(v)]
        shaped = sum(column.values[value] for value in likely), len(likely)
        yield Vote(kind, *shaped, 0.3 + (0.2 if heard >= len(distinct) / 5 else 0), "words as names are", leaning=True)


def _voice(kind: str, value: str) -> float:
    plain = folded(value)
    if kind != "full_name":
        listed = given_names() if kind == "given_name" else family_names()
        words = re.split(r"[ \-]", plain)
        known = plain in listed or (len(words) in (2, 3) and all(word in listed for word in words))
        return (_COMMON_WEIGHT if plain in common_words() else 1.0) if known else 0.0
    bare = _TITLES.sub("", plain)
    if not _FULL.fullmatch(bare) or _COMPANIES.search(bare):
        return 0.0
    turned = " ".join(reversed(bare.split(", "))) if bare.count(", ") == 1 else bare
    words = turned.replace(",", "").split()
    first, last = words[0] in given_names(), words[-1] in family_names()
    either = words[0] in family_names() and words[-1] in given_names()
    common = words[0] in common_words() and words[-1] in common_words()
    if common:
        return _COMMON_WEIGHT if first and last else 0.0
    return (
        1.0
        if (first and last) or either
        else 0.8
        if first
        else 0.4
        if last and words[-1] not in common_words()
        else 0.0
    )


@lru_cache(maxsize=16_384)
def folded(value: str) -> str:
    """Return a name as the lists have it: without signs on letters and in lower case."""
    return " ".join(anyascii(unicodedata.normalize("NFKC", value)).lower().split())


@lru_cache(maxsize=1)
def given_names() -> frozenset[str]:
    """Return given names of many countries, and their short forms in English."""
    short = {name for pair in nicknames.name_triplets() for name in (pair.name1, pair.name2)}
    return _listed("given_names") | frozenset(short)


@lru_cache(maxsize=1)
def family_names() -> frozenset[str]:
    """Return family names of many countries."""
    return _listed("family_names")


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Return words that are names too and more often name things: colours, months, trades, places."""
    return frozenset(_text("common_words").split())


def _listed(name: str) -> frozenset[str]:
    return frozenset(folded(line) for line in _text(name).splitlines())


def _text(name: str) -> str:
    return files("consent.discovery").joinpath(f"data/{name}.txt").read_text(encoding="utf-8")


def homes(column: Column) -> Iterator[Vote]:
    """Yield what speaks for where people live: street, town, postcode."""
    yield Vote(
        "street", *counted(column, lambda v: len(v) <= 120 and bool(_STREET.fullmatch(v))), 0.85, "streets with a house"
    )
    yield Vote(
        "street",
        *counted(column, lambda v: 5 <= len(v) <= 80 and bool(_LOOSE.fullmatch(v))),
        0.3,
        "words, perhaps with a number",
        leaning=True,
    )
    town = counted(column, lambda value: len(value) <= 60 and bool(_CITY.fullmatch(value)))
    yield Vote("city", *town, 0.3, "words without a number", leaning=True)
    yield Vote("postcode", *counted(column, lambda v: bool(_POSTCODES.fullmatch(v.upper()))), 0.65, "postcodes", 0.02)
    loose = counted(column, lambda value: bool(_POSTCODE.fullmatch(value)) and bool(_HAS_DIGIT.search(value)))
    yield Vote("postcode", *loose, 0.3, "short codes with digits", leaning=True)
