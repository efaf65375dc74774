"""Calendar days as people write them, in ISO 8601. Pure, total and idempotent.

Whoever reads a source and whoever matches its people read a date by this one rule.
"""

import re
import unicodedata
from datetime import date
from typing import Final, Literal

from anyascii import anyascii

Order = Literal["month_first", "day_first"]

_CLOCK: Final = re.compile(r"(?<=[0-9])(?:t[0-9]{2}.*|t?\s[0-9]{1,2}:[0-9]{2}.*)")
_NUMBERS: Final = re.compile(r"([0-9]{1,4})\s?([-/. ])\s?([0-9]{1,2})\s?\2\s?([0-9]{1,4})")
_SOLID: Final = re.compile(r"[0-9]{8}")
_EAST_ASIAN: Final = re.compile(r"([0-9]{4})\s*[年년]\s*([0-9]{1,2})\s*[月월]\s*([0-9]{1,2})\s*[日일]?")
_TOKENS: Final = re.compile(r"[0-9]+|[a-z]+")
_BETWEEN: Final = frozenset({"of", "the", "de", "del", "di", "do", "st", "nd", "rd", "th", "er", "e", "o", "den", "le"})
_WORDS: Final = 3
_LONGEST: Final = 60
_PIVOT: Final = 68  # two digits up to here are of this century, as in POSIX; `latest` corrects

# English, German, French, Dutch, Spanish, Italian, Portuguese.
_NAMES: Final = (
    "jan january januar januari janvier janv enero ene gennaio gen janeiro",
    "feb february februar februari febr fevrier fev febrero febbraio fevereiro",
    "mar march marz maerz mrz mars maart mrt marzo marco",
    "apr april avril avr abril abr aprile",
    "may mai mei mayo maggio mag maio",
    "jun june juni juin junio giugno giu junho",
    "jul july juli juillet juil julio luglio lug julho",
    "aug august augustus aout agosto ago",
    "sep sept september septembre septiembre settembre set setembro",
    "oct october oktober okt octobre octubre ottobre ott outubro out",
    "nov november novembre noviembre novembro",
    "dec december dezember dez decembre diciembre dic dicembre dezembro",
)
_MONTHS: Final = {word: number for number, words in enumerate(_NAMES, 1) for word in words.split()}


def day(text: str, order: Order = "month_first", latest: date | None = None) -> str:
    """Return the day that a text means as `YYYY-MM-DD`, or an empty string where it means none.

    `order` decides 03/04/1984; 25/12/1984 decides itself, and between dots the day stands first. A year of two
    digits is the last one that is not after `latest`.
    """
    value = unicodedata.normalize("NFKC", text).strip()
    if len(value) > _LONGEST:
        return ""
    eastern = _EAST_ASIAN.fullmatch(value)
    if eastern:
        return _spelled(eastern[1], eastern[2], eastern[3])
    plain = " ".join(anyascii(value).lower().replace(",", " ").split())
    plain = _CLOCK.sub("", plain)
    numbers = _NUMBERS.fullmatch(plain)
    if numbers:
        first, sign, second, third = numbers.groups()
        if len(first) == _YEAR:
            return _spelled(first, second, third)
        return _either(first, second, third, "day_first" if sign == "." else order, latest)
    if _SOLID.fullmatch(plain):
        return _spelled(plain[:4], plain[4:6], plain[6:]) or _either(plain[:2], plain[2:4], plain[4:], order, latest)
    return _in_words(plain, latest)


_YEAR: Final = 4
_SHORT_YEAR: Final = 2


def _either(first: str, second: str, year: str, order: Order, latest: date | None) -> str:
    """Return the day of two numbers and a year, the other way round where this way there is none."""
    day_, month = (first, second) if order == "day_first" else (second, first)
    return _spelled(year, month, day_, latest) or _spelled(year, day_, month, latest)


def _in_words(plain: str, latest: date | None) -> str:
    tokens = [token for token in _TOKENS.findall(plain) if token not in _BETWEEN]
    months = [token for token in tokens if token in _MONTHS]
    numbers = [token for token in tokens if token.isdigit()]
    if len(tokens) != _WORDS or len(months) != 1 or len(numbers) != _WORDS - 1:
        return ""
    day_, year = numbers if len(numbers[0]) != _YEAR else reversed(numbers)
    return _spelled(year, str(_MONTHS[months[0]]), day_, latest)


def _spelled(year: str, month: str, day_: str, latest: date | None = None) -> str:
    try:
        if len(year) == _YEAR:
            return date(int(year), int(month), int(day_)).isoformat()
        if len(year) == _SHORT_YEAR:
            full = int(year) + (2000 if int(year) <= _PIVOT else 1900)
            found = date(full, int(month), int(day_))
            if latest is not None and found > latest:
                found = date(full - 100, int(month), int(day_))
            return found.isoformat()
    except ValueError:
        return ""
    return ""
