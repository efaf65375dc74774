"""In which country telephone numbers without a country's code ring: the plan that they fit and random digits do not."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

import phonenumbers

# Plans that are tried; of two that fit alike the earlier is taken.
_TRIED: Final = (
    *("US", "GB", "DE", "FR", "AU", "CA", "NL", "ES", "IT", "BE", "CH", "AT", "SE", "NO", "DK", "FI", "IE", "PT", "PL"),
    *("CZ", "GR", "HU", "RO", "BR", "MX", "AR", "CL", "CO", "IN", "JP", "KR", "CN", "SG", "MY", "TH", "ID", "PH", "NZ"),
    *("ZA", "NG", "KE", "EG", "IL", "TR", "AE", "SA", "UA", "RU"),
)
_LOOKED_AT: Final = 150
_FEWEST: Final = 20
_LIKELY: Final = 0.75
_CLEAR: Final = 0.05
_GROUPED, _CHANCE, _PRIOR, _HINTED = 0.5, 0.3, 0.3, 0.5
_DIVIDED: Final = re.compile(r"\D+")
_DIGITS: Final = re.compile(r"\d")


def region_of(numbers: Sequence[str], hints: Sequence[str] = ()) -> tuple[str, str] | None:
    """Return the country whose plan the national numbers fit, and why; None where none stands out.

    Many plans take nearly any digits, so it counts as well how a country groups its digits, how many it has, and
    which countries other columns hint at.
    """
    national = [number for number in numbers if not number.lstrip().startswith(("+", "00"))]
    if len(national) < _FEWEST:
        return _abroad(numbers)
    looked = national[:: max(1, len(national) // _LOOKED_AT)][:_LOOKED_AT]
    mixed = [_shuffled(number, place) for place, number in enumerate(looked)]
    fits = {region: _fit(looked, region) for region in _TRIED}
    likely = [region for region in _TRIED if fits[region] >= _LIKELY]
    if not likely:
        return None
    scores = {
        region: fits[region] + _GROUPED * _grouped(looked, region) - _CHANCE * _fit(mixed, region)
        + _PRIOR * (1 - _TRIED.index(region) / len(_TRIED)) + _HINTED * (region in hints)
        for region in likely
    }  # fmt: skip
    chosen, *others = sorted(likely, key=lambda region: -scores[region])
    near = [region for region in others if fits[region] >= fits[chosen] - _CLEAR]
    told = f"{fits[chosen]:.0%} of the national numbers fit its plan"
    return chosen, told + (f"; those of {', '.join(near[:3])} fit about as well" if near else "")


def _grouped(numbers: Sequence[str], region: str) -> float:
    """Return the share of numbers whose digits are grouped as the country groups them; undivided ones say nothing."""
    parted = [n for n in numbers if not n.isdigit()]
    hits = 0
    for number in parted:
        found = _parsed(number, region)
        if found:
            usual = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.NATIONAL)
            hits += _DIVIDED.split(usual.strip("(")) == _DIVIDED.split(number.strip(" ("))
    return hits / len(parted) if parted else 0.0


def _abroad(numbers: Sequence[str]) -> tuple[str, str] | None:
    """Return the country that most international numbers begin with, where nearly all do."""
    counts: dict[str, int] = {}
    for number in numbers[:_LOOKED_AT]:
        found = _parsed(number, None)
        region = phonenumbers.region_code_for_number(found) if found else None
        if region:
            counts[region] = counts.get(region, 0) + 1
    best = max(counts, key=lambda region: counts[region], default=None)
    if best is None or counts[best] < max(_FEWEST, sum(counts.values()) / 2):
        return None
    return best, "most numbers begin with its code"


def _fit(numbers: Sequence[str], region: str) -> float:
    return sum(1 for n in numbers if (p := _parsed(n, region)) and phonenumbers.is_valid_number(p)) / len(numbers)


def _parsed(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _shuffled(number: str, seed: int) -> str:
    """Return a number with its digits in another order: as long, as written, and nobody's."""
    digits = _DIGITS.findall(number)
    Random(seed).shuffle(digits)  # noqa: S311 - a draw that can be repeated, no secret
    it = iter(digits)
    return _DIGITS.sub(lambda _: next(it), number)


_COUNTRIES: Final[Mapping[str, str]] = {
    "united states": "US", "usa": "US", "united states of america": "US", "united kingdom": "GB", "uk": "GB",
    "england": "GB", "great britain": "GB", "germany": "DE", "deutschland": "DE", "france": "FR", "spain": "ES",
    "espana": "ES", "italy": "IT", "italia": "IT", "australia": "AU", "canada": "CA", "netherlands": "NL",
    "nederland": "NL", "belgium": "BE", "switzerland": "CH", "schweiz": "CH", "austria": "AT", "osterreich": "AT",
    "sweden": "SE", "norway": "NO", "denmark": "DK", "finland": "FI", "ireland": "IE", "portugal": "PT", "poland": "PL",
    "brazil": "BR", "brasil": "BR", "mexico": "MX", "india": "IN", "japan": "JP", "new zealand": "NZ",
}  # fmt: skip


def countries_in(values: Sequence[str]) -> tuple[str, ...]:
    """Return the countries that values name, by code or in words, the most frequent first."""
    counts: dict[str, int] = {}
    for value in values:
        plain = value.strip()
        region = plain.upper() if plain.upper() in phonenumbers.SUPPORTED_REGIONS else _COUNTRIES.get(plain.casefold())
        if region:
            counts[region] = counts.get(region, 0) + 1
    return tuple(sorted(counts, key=lambda region: (-counts[region], region)))


# What columns are called where few other countries call them so.
_HINTS: Final[Mapping[str, str]] = {
    "plz": "DE", "postleitzahl": "DE", "zip": "US", "zip_code": "US", "zipcode": "US", "suburb": "AU", "eircode": "IE",
    "county": "GB", "postcode": "GB", "cep": "BR", "cpf": "BR", "nif": "ES", "bsn": "NL", "code_postal": "FR",
    "codice_fiscale": "IT", "cap": "IT", "pesel": "PL", "aadhaar": "IN", "ssn": "US", "pin_code": "IN", "nino": "GB",
}  # fmt: skip


def hints_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the countries that columns' names hint at, the rarest word first."""
    return tuple(dict.fromkeys(country for word, country in _HINTS.items() if word in columns))
