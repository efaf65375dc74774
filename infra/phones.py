"""Phone numbers: one spelling (E.164), and what sort of line it is. Pure, total and idempotent."""

import re
from functools import lru_cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, ValidationResult

Line = Literal["mobile", "landline", "service", "unknown"]

_LINES: Final[dict[int, Line]] = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.PAGER: "mobile",
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.TOLL_FREE: "service",
    PhoneNumberType.PREMIUM_RATE: "service",
    PhoneNumberType.SHARED_COST: "service",
    PhoneNumberType.UAN: "service",
    PhoneNumberType.VOICEMAIL: "service",
}
# Toll-free and premium codes of the North American plan, where most numbers are: no need to look them up.
# As people write it: 212 555 0101, (212) 555-0101, +1 212.555.0101; no area code begins with 0 or 1.
_AMERICAN: Final = re.compile(r"(?:\+1[-. ]?)?(?:([2-9][0-9]{2})|\(([2-9][0-9]{2})\))[-. ]?([0-9]{3})[-. ]?([0-9]{4})")
_INTERNATIONAL: Final = re.compile(r"\+[2-9][0-9]{0,2}[1-9][0-9]{3,13}")
_DIALLED_ALIKE: Final = ("US", "CA")
_NORTH_AMERICAN: Final = frozenset({"800", "822", "833", "844", "855", "866", "877", "888", "900"})


def e164(text: str, region: str = "US") -> str | None:
    """Return a number in E.164 form, `region` (ISO 3166) for national ones; None where it is none.

    A number without its area code is none: it rings somebody else in every town. So is an extension, which names a
    desk behind a switchboard, and whatever reads as another number once it is written out.
    """
    plain = _plain(text, region)
    if plain is not None:
        return plain
    value = _written(_number(text, region))
    return value if value is not None and _written(_number(value, None)) == value else None


def _plain(text: str, region: str) -> str | None:
    """Return what `e164` says of a number in one of its ordinary forms, or None where only the plan itself can tell.

    The plan's own reading costs sixty times as much. A test holds both to the same answer.
    """
    american = _AMERICAN.fullmatch(text)
    if american is not None and (text[0] == "+" or region in _DIALLED_ALIKE):
        return "+1" + "".join(american.groups(""))
    if _INTERNATIONAL.fullmatch(text) is None:
        return None
    for digits in (2, 3, 4):
        plan = _plan(text[1:digits])
        if plan is not None:
            lengths, prefix = plan
            number = text[digits:]
            return text if len(number) in lengths and (prefix is None or prefix.match(number) is None) else None
    return None


@lru_cache(maxsize=1024)
def _plan(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """Return how long a country's numbers are, and what in front of one is no part of it."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None:
        return None
    found = phonenumbers.PhoneMetadata.metadata_for_region(regions[0], None)
    if found is None:  # no country's: freephone and satellites
        return frozenset(), None
    prefix = found.national_prefix_for_parsing
    return frozenset(found.general_desc.possible_length), None if prefix is None else re.compile(prefix)


def _number(text: str, region: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    whole = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return number if whole and not number.extension else None


def _written(number: PhoneNumber | None) -> str | None:
    if number is None:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def line(value: str) -> Line:
    """Return what sort of line an E.164 number is: a landline rings a household, a service line a company.

    In North America a number does not tell whether it moves; it is unknown there, as everything without a plan is.
    """
    number = _number(value, None)
    return "unknown" if number is None else _LINES.get(phonenumbers.number_type(number), "unknown")


def known_region(region: str) -> str:
    """Return a region that has a numbering plan; raise ValueError for any other."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("not a region with telephone numbers; use two capital letters such as US or DE")
    return region


def is_service(value: str) -> bool:
    """Say whether an E.164 number is a company's by its kind: toll-free, premium, shared cost, voicemail."""
    return value[2:5] in _NORTH_AMERICAN if value.startswith("+1") else line(value) == "service"
