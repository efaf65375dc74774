"""Recognisers of what has a published form: addresses of machines, accounts, cards, national numbers, places."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Final

from stdnum import iban as stdnum_iban
from stdnum import luhn
from stdnum.exceptions import ValidationError

from consent.discovery.column import Column, Vote, counted

# Countries' numbers for persons, by their module in python-stdnum, and how far bare digits that pass may be believed:
# a check digit that other numbers share (ISBN, SIREN) tells little, a birth date inside tells much.
_NATIONAL: Final = (
    *(("es.dni", 0.9), ("es.nie", 0.9), ("it.codicefiscale", 0.95), ("fr.nir", 0.9), ("de.idnr", 0.8), ("nl.bsn", 0.6)),
    *(("be.nn", 0.85), ("pl.pesel", 0.85), ("se.personnummer", 0.85), ("fi.hetu", 0.95), ("dk.cpr", 0.75)),
    *(("no.fodselsnummer", 0.9), ("gb.nhs", 0.45), ("br.cpf", 0.85), ("mx.curp", 0.95), ("ca.sin", 0.45)),
    *(("au.tfn", 0.45), ("in_.aadhaar", 0.7), ("in_.pan", 0.9), ("pt.nif", 0.55), ("ro.cnp", 0.9), ("cz.rc", 0.7)),
    *(("bg.egn", 0.85), ("ee.ik", 0.9), ("tr.tckimlik", 0.75), ("cl.rut", 0.6), ("kr.rrn", 0.85), ("za.idnr", 0.85)),
    *(("ch.ssn", 0.95), ("hr.oib", 0.7), ("il.idnr", 0.45), ("cn.ric", 0.9)),
)
_GLANCE: Final = 20
_FEW_DIGITS: Final = 5
_SSN: Final = re.compile(r"(?!000|666|9)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}")
_SSN_BARE: Final = re.compile(r"(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}")
_NINO: Final = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]")
_NUMBER: Final = re.compile(r"[A-Z0-9][A-Z0-9 .\-/+]{6,22}", re.IGNORECASE)
_ISSUERS: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
_CARD: Final = re.compile(r"\d(?:[ -]?\d){12,18}")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9 ]{11,36}", re.IGNORECASE)
_PAIR: Final = re.compile(r"\(?(-?\d{1,3}\.\d{3,})\s*[,; ]\s*(-?\d{1,3}\.\d{3,})\)?")
_POINT: Final = re.compile(r"POINT ?\(-?\d{1,3}(?:\.\d+)? -?\d{1,2}(?:\.\d+)?\)", re.IGNORECASE)
_DEGREES: Final = re.compile(r"[-+]?\d{1,3}[.,]\d{2,}")
_MAC: Final = re.compile(r"(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4}", re.IGNORECASE)
_BROWSER: Final = re.compile(r"GA\d\.\d\.\d{6,}\.\d{9,}|fb\.\d\.\d{12,}\.[\w-]{6,}")
_OPAQUE: Final = re.compile(r"(?=.*\d)[0-9a-z_.:=|-]{8,80}", re.IGNORECASE)
_DIGEST: Final = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?|[A-Za-z0-9+/_-]{43}=?", re.IGNORECASE)
_CODE: Final = re.compile(r"(?=.*\d)[^\W_](?:[\w.-]|(?<=\d) (?=\d)){2,38}")
_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:.]{2,45}(?:%\w+)?", re.IGNORECASE)
# The first part of a version is small; of an address in the wild it seldom is.
_VERSIONS: Final = 32


def is_card(value: str) -> bool:
    """Say whether a value is the number of a payment card: an issuer's length and beginning, and its check digit."""
    bare = value.replace(" ", "").replace("-", "")
    return bool(_CARD.fullmatch(value) and _ISSUERS.fullmatch(bare)) and len(set(bare)) > 1 and luhn.is_valid(bare)


def is_iban(value: str) -> bool:
    """Say whether a value is an international bank account number, of a known country's form and with its check."""
    return bool(_IBAN.fullmatch(value)) and bool(stdnum_iban.is_valid(value))


def is_ssn(value: str) -> bool:
    """Say whether a value is written as a US social security number is."""
    return bool(_SSN.fullmatch(value))


def addresses(column: Column) -> Iterator[Vote]:
    """Yield what speaks for addresses on the internet; a column of versions looks like one and is none."""
    hits, distinct = counted(column, _is_ip)
    high = sum(count for value, count in column.values.items() if _is_ip(value) and _far_from_versions(value))
    believed = 0.9 if hits and high >= hits / 2 else 0.3
    yield Vote("ip_address", hits, distinct, believed, "addresses on the internet")


def _is_ip(value: str) -> bool:
    if ("." not in value and ":" not in value) or not _ADDRESS.fullmatch(value):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _far_from_versions(value: str) -> bool:
    return ":" in value or max(int(part) for part in value.split(".")) >= _VERSIONS


def accounts(column: Column) -> Iterator[Vote]:
    """Yield what speaks for bank accounts and payment cards."""
    yield Vote("iban", *counted(column, is_iban), 0.99, "bank accounts whose check digits are right", 0.01, plain=True)
    card = "numbers of payment cards whose check digit is right"
    yield Vote("credit_card", *counted(column, is_card), 0.95, card, 0.1)
    grouped = counted(column, lambda value: is_card(value) and not value.isdigit())
    yield Vote("credit_card", *grouped, 0.97, f"{card}, in groups", 0.1, plain=True)


def national_numbers(column: Column) -> Iterator[Vote]:
    """Yield what speaks for numbers that a state gives its people, each country on its own."""
    yield Vote("national_id", *counted(column, is_ssn), 0.85, "written as US social security numbers")
    yield Vote(
        "national_id", *counted(column, lambda v: bool(_SSN_BARE.fullmatch(v))), 0.3, "nine digits", leaning=True
    )
    any_ = counted(column, lambda v: bool(_NUMBER.fullmatch(v)) and sum(map(str.isdigit, v)) >= _FEW_DIGITS)
    yield Vote("national_id", *any_, 0.3, "numbers of some kind", leaning=True)
    insurance = counted(column, lambda value: bool(_NINO.fullmatch(value.upper())))
    yield Vote("national_id", *insurance, 0.9, "UK national insurance numbers", 0.02)
    candidates = Column(column.name, {v: n for v, n in column.values.items() if _NUMBER.fullmatch(v)})
    few = list(candidates.values)[:_GLANCE]
    for name, believed in _NATIONAL if candidates.filled * 2 >= column.filled else ():
        if sum(map(_validator(name), few)) * 2 < len(few):
            continue  # most countries are ruled out at a glance
        hits, distinct = counted(candidates, _validator(name))
        country = name.partition(".")[0].strip("_").upper()
        yield Vote("national_id", hits, distinct, believed, f"national numbers of {country}, check digits right", 0.1)


@lru_cache(maxsize=64)
def _validator(name: str) -> Callable[[str], bool]:
    module = import_module(f"stdnum.{name}")

    def valid(value: str) -> bool:
        try:
            module.validate(value)
        except (ValidationError, ValueError, IndexError, KeyError):
            return False
        return any(c.isdigit() for c in value) and len({c for c in value if c.isdigit()}) > 1

    return valid


def places(column: Column) -> Iterator[Vote]:
    """Yield what speaks for points on the map: a pair in one value; a single number needs the column's name."""
    yield Vote("geo_position", *counted(column, _is_position), 0.85, "pairs of degrees")
    yield Vote("geo_position", *counted(column, _is_degrees), 0.3, "degrees", leaning=True)


def _is_position(value: str) -> bool:
    pair = _PAIR.fullmatch(value)
    return bool(_POINT.fullmatch(value)) or (pair is not None and max(abs(float(pair[1])), abs(float(pair[2]))) <= 180)


def _is_degrees(value: str) -> bool:
    return bool(_DEGREES.fullmatch(value)) and abs(float(value.replace(",", "."))) <= 180


def machines(column: Column) -> Iterator[Vote]:
    """Yield what speaks for a browser or a device; most are opaque, and only the column's name tells of what."""
    yield Vote("cookie", *counted(column, lambda v: bool(_BROWSER.fullmatch(v))), 0.9, "cookies of measurement tools")
    yield Vote("device", *counted(column, lambda v: bool(_MAC.fullmatch(v))), 0.85, "addresses of network cards")
    opaque = counted(column, lambda value: bool(_OPAQUE.fullmatch(value)))
    for kind in ("cookie", "device"):
        yield Vote(kind, *opaque, 0.3, "opaque words with digits", leaning=True)
    yield Vote("digest", *counted(column, lambda v: bool(_DIGEST.fullmatch(v))), 0.3, "digests", leaning=True)


def codes(column: Column) -> Iterator[Vote]:
    """Yield what speaks for the numbers that a system gives its people; they look like any other code."""
    hits, distinct = counted(column, lambda value: bool(_CODE.fullmatch(value)) and not _is_ip(value))
    if distinct >= min(10, column.filled / 2):  # a code that few rows have apart is a group's
        for kind in ("customer", "account", "loyalty"):
            yield Vote(kind, hits, distinct, 0.3, "codes, most rows another", leaning=True)
