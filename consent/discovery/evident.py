"""Single values that tell by themselves what they are, whatever their column: the strictest of the rules."""

import re
from functools import lru_cache
from typing import Final

from consent.discovery.kinds import KINDS
from consent.discovery.numbers import is_card, is_iban, is_ssn
from consent.discovery.persons import is_email, is_international
from consent.discovery.text import redacted

# What no personal value of these kinds can do without: an at-sign, or seven digits with little between them.
_WORTH_A_LOOK: Final = re.compile(r"@|(?:\d[^\w]{0,2}){6}\d|[A-Za-z]{2}\d{2} ?[A-Z\d]{4}")
_RUNNING: Final = re.compile(r"\S+\s+\S*[^\W\d_]{2}\S*(?:\s|$)")
_BRACKETS: Final = re.compile(r"\(\d{3}\) ?\d{3}[- ]\d{4}")
_LONG_NUMBER: Final = re.compile(r"\d{6,}")
_BARE: Final = re.compile(r"[\d.,:T+Z/-]*")


@lru_cache(maxsize=65_536)
def cleaned(value: str, region: str) -> tuple[str, tuple[str, ...]]:
    """Return a value with what evidently is personal in it replaced by its kind, and the kinds.

    Bare digits are never evident: only their column can tell an order from a telephone. `region` is whose telephone
    numbers running text may hold.
    """
    if not _WORTH_A_LOOK.search(value):
        return value, ()
    kind = _whole(value.strip())
    if kind is not None:
        written = KINDS[kind].written
        return f"[{written}]", (written,)
    if _RUNNING.search(value) and not _BARE.fullmatch(value):
        return redacted(value, region)
    return value, ()


@lru_cache(maxsize=65_536)
def tellable(name: str) -> str:
    """Return the name of a column or key as it may be told: objects may be kept by people's addresses and numbers."""
    clean, kinds = cleaned(name, "US")
    return clean if kinds else _LONG_NUMBER.sub("#", name)


def _whole(value: str) -> str | None:
    if "@" in value:
        return "email" if is_email(value) else None
    if (is_international(value) and not value.isdigit()) or _BRACKETS.fullmatch(value):
        return "phone"
    if is_card(value) and not value.isdigit():
        return "credit_card"
    if is_ssn(value) and "-" in value:
        return "national_id"
    return "iban" if is_iban(value) else None
