"""How systems spell a value: as it is, folded, escaped, encoded, digested, as a number. Pure rules."""

import base64
import hashlib
import json
import quopri
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

import phonenumbers
from phonenumbers import PhoneNumberFormat

from infra import emails, phones

# Shorter values stand in digests and file names by accident, and shorter numbers in sizes and times.
LEAST: Final = 6
LEAST_DIGITS: Final = 10
_LEAST_BASE64: Final = 8
_PHONE: Final = re.compile(r"[+(]?[0-9][0-9 ()/.\-]{6,24}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,128}")
# Of base64 that begins in the middle of a triplet, so many characters depend on what stood before.
_UNSURE: Final = {0: 0, 1: 2, 2: 3}
_SIX_BYTES, _EIGHT_BYTES = 2**47, 2**63


class Spelled(NamedTuple):
    """One spelling: its kind, its bytes, and whether the case of ASCII letters may differ."""

    kind: str
    raw: bytes
    folds: bool


def of_value(value: str) -> Iterator[Spelled]:
    """Yield the spellings of an identifier value, the plainest first."""
    forms = _forms(value)
    for text in forms:
        yield Spelled("raw", text.encode(), True)
    for text in _phone_forms(value):
        yield Spelled("digits" if text.isdigit() else "phone", text.encode(), True)
    for text in forms:
        yield from _encoded(text)
    yield from _bytes_of(value)
    yield from _digests(forms, value)
    yield from _numbers(_digits(value))


def of_id(value: str) -> Iterator[Spelled]:
    """Yield the spellings of an id of our own, such as a profile's or a birth's."""
    if len(value) >= LEAST:
        yield Spelled("id", value.encode(), True)
        for _, raw, folds in _bytes_of(value):
            yield Spelled("id", raw, folds)


def of_token(value: str) -> Iterator[Spelled]:
    """Yield the spellings of a keyed token `version:hex`; the digest alone is enough, in text or in bytes."""
    digest = value.rpartition(":")[2]
    if len(digest) >= LEAST:
        yield Spelled("token", digest.encode(), True)
        for _, raw, folds in _bytes_of(digest):
            yield Spelled("token", raw, folds)


def _forms(value: str) -> list[str]:
    """Return the texts that mean the same value: other case, other composition of signs, without blanks around."""
    bare = value.strip() or value
    cases = [value, bare, bare.casefold(), bare.lower(), bare.upper()]
    if "@" in bare:
        cases.append(emails.canonical(emails.strict(bare) or bare))
    composed = [unicodedata.normalize(form, text) for text in cases for form in ("NFC", "NFD")]
    return [text for text in dict.fromkeys([*cases, *composed]) if len(text) >= LEAST]


def _encoded(text: str) -> Iterator[Spelled]:
    raw = text.encode()
    once = quote(text, safe="")
    yield Spelled("url", once.encode(), True)
    yield Spelled("url", quote_plus(text).encode(), True)
    # Delta escapes a path's percent signs once more.
    yield Spelled("url twice", quote(once, safe="").encode(), True)
    yield Spelled("json", json.dumps(text)[1:-1].encode(), True)
    yield Spelled("quoted-printable", quopri.encodestring(raw, quotetabs=False).replace(b"=\n", b""), True)
    for name in ("utf-16-le", "utf-16-be", "utf-32-le"):
        yield Spelled(name[:6], text.encode(name), True)
    if not text.isascii():
        latin = text.encode("latin-1", errors="replace")
        if b"?" not in latin:
            yield Spelled("latin-1", latin, True)
    yield Spelled("hex", raw.hex().encode(), True)
    for piece in base64_pieces(raw):
        yield Spelled("base64", piece, False)


def base64_pieces(raw: bytes) -> Iterator[bytes]:
    """Yield what base64 text holds of these bytes wherever they begin in it, in both alphabets of RFC 4648."""
    for before, unsure in _UNSURE.items():
        sure = (before + len(raw)) * 8 // 6
        piece = base64.b64encode(b"\0" * before + raw)[unsure:sure]
        if len(piece) >= _LEAST_BASE64:
            yield piece
            yield piece.translate(bytes.maketrans(b"+/", b"-_"))


def _bytes_of(value: str) -> Iterator[Spelled]:
    """Yield the bytes that a value in hexadecimal stands for, as a digest or a UUID does, and their base64."""
    bare = value.replace("-", "")
    if _HEX.fullmatch(bare) and len(bare) % 2 == 0:
        raw = bytes.fromhex(bare)
        yield Spelled("raw", bare.encode(), True)
        yield Spelled("bytes", raw, False)
        for piece in base64_pieces(raw):
            yield Spelled("base64", piece, False)


def _digests(forms: list[str], value: str) -> Iterator[Spelled]:
    # Nobody digests a number with its punctuation.
    bare = [text for text in _phone_forms(value) if text.lstrip("+").isdigit()]
    for text in dict.fromkeys([*forms, *bare]):
        for name in ("md5", "sha1", "sha256"):
            digest = hashlib.new(name, text.encode(), usedforsecurity=False)
            yield Spelled(name, digest.hexdigest().encode(), True)
            yield Spelled(name, digest.digest(), False)
            for piece in base64_pieces(digest.digest()):
                yield Spelled(name, piece, False)


def _digits(value: str) -> str:
    digits = "".join(c for c in value if c.isdigit() and c.isascii())
    return digits if "@" not in value and len(digits) >= LEAST_DIGITS else ""


def _phone_forms(value: str) -> list[str]:
    """Return the ways in which a phone number is written, and of any long number its digits."""
    found = [_digits(value)]
    e164 = phones.e164(value) if _PHONE.fullmatch(value.strip()) else None
    if e164 is not None:
        number = phonenumbers.parse(e164, None)
        national = str(phonenumbers.national_significant_number(number))
        ways = (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.RFC3966)
        written = [str(phonenumbers.format_number(number, way)) for way in ways]
        groups = [re.findall(r"[0-9]+", text) for text in written]
        punctuated = [*written, *(mark.join(group) for group in groups for mark in ("-", " ", ".", "/"))]
        found += [e164, e164[1:], "0" + national, national, *punctuated]
        found += [text.partition(":")[2] for text in written if text.startswith("tel:")]
    return [t for t in dict.fromkeys(found) if len(t) >= LEAST and (not t.isdigit() or len(t) >= LEAST_DIGITS)]


def _numbers(digits: str) -> Iterator[Spelled]:
    """Yield a number as columns of whole numbers keep it: SQLite in six bytes, Parquet and Arrow in eight."""
    if digits and not digits.startswith("0") and (number := int(digits)) < _EIGHT_BYTES:
        size = 6 if number < _SIX_BYTES else 8
        yield Spelled("number", number.to_bytes(size, "big"), False)
        yield Spelled("number", number.to_bytes(size, "little"), False)
