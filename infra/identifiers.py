"""Identifier types, one spelling for each value, and keyed tokens that stand for values without telling them."""

import base64
import binascii
import hashlib
import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from infra import emails, phones, placeholders
from infra.ids import Token
from infra.workspace import Workspace

Normaliser = Literal["email", "phone", "code", "uuid", "text", "sha256"]
Strength = Literal["decisive", "strong", "weak"]
Sort = Literal["role", "disposable", "service"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BLOCK: Final = hashlib.sha256().block_size
_INNER: Final = bytes(one ^ 0x36 for one in range(256))
_OUTER: Final = bytes(one ^ 0x5C for one in range(256))
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class Limit(BaseModel):
    """How many distinct values one profile may have: ever, or within any window of `days`. `5` says `{values: 5}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: int = Field(ge=1)
    days: float | None = Field(default=None, gt=0, le=36_525)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, said: object) -> object:
        if isinstance(said, bool | float | list):
            raise ValueError("write a whole number, or {values: 5, days: 7}")  # noqa: TRY004 - pydantic tells it as ours
        return {"values": said} if isinstance(said, int | str) else said


class IdentifierType(BaseModel):
    """What `identity.yaml` says of one identifier type: its spelling, and how far it may be trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normaliser: Normaliser
    strength: Strength = "strong"
    anonymous: bool = False
    limit: Limit | None = Field(default=None, description="distinct values that one profile may have")
    recycled_after_days: float | None = Field(
        default=None, gt=0, le=36_525, description="days without a sighting after which a value may be somebody else's"
    )
    fan_out: int = Field(default=12, ge=1, description="records above which a value counts as shared")
    blocked: tuple[str, ...] = ()
    placeholders: bool = Field(default=True, description="values that stand for nobody anywhere are blocked too")
    attribute_only: tuple[Sort, ...] = Field(
        default=("role", "disposable", "service"), description="addresses and lines that are kept and identify nobody"
    )
    digest_of: str | None = Field(default=None, description="the type whose values' SHA-256 this type holds")
    unique: bool = Field(
        default=False, description="a person has exactly one: two that differ by more than a slip are two people's"
    )

    @model_validator(mode="after")
    def _unique_is_told_from_a_slip(self) -> "IdentifierType":
        if self.unique and (self.anonymous or self.normaliser not in ("code", "text", "uuid")):
            raise ValueError("unique is for normaliser: code, text or uuid, and for no anonymous type")
        return self

    @model_validator(mode="after")
    def _digests_are_sha256(self) -> "IdentifierType":
        if self.digest_of is not None and self.normaliser != "sha256":
            raise ValueError("digest_of is for normaliser: sha256")
        return self

    @field_validator("blocked")
    @classmethod
    def _patterns_compile(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if value.startswith("/") and value.endswith("/"):
                try:
                    re.compile(value[1:-1])
                except (re.error, RecursionError, OverflowError):
                    raise ValueError("what stands between slashes is not a regular expression; mend it") from None
        return values


def _digests_have_values(kinds: dict[str, IdentifierType]) -> dict[str, IdentifierType]:
    for name, kind in kinds.items():
        digested = kinds.get(kind.digest_of) if kind.digest_of is not None else None
        if kind.digest_of is not None and (digested is None or digested.normaliser not in ("email", "phone")):
            raise ValueError(f"{name}: digest_of must name a declared type with normaliser email or phone")
    return kinds


def _names_are_words(kinds: dict[str, IdentifierType]) -> dict[str, IdentifierType]:
    for name in kinds:
        if not _NAME.fullmatch(name):
            raise ValueError("the name of an identifier type is letters, digits, - and _, and begins with a letter")
    return kinds


IdentifierTypes = Annotated[
    dict[str, IdentifierType], AfterValidator(_names_are_words), AfterValidator(_digests_have_values)
]


class _IdentitySection(BaseModel):
    model_config = ConfigDict(extra="ignore")

    identifiers: IdentifierTypes


def load_identifier_types(workspace: Workspace) -> dict[str, IdentifierType]:
    """Return the identifier types that `identity.yaml` declares, in its order."""
    return workspace.load("identity.yaml", _IdentitySection).identifiers


def normalise(normaliser: str, raw: str, region: str = "US") -> str | None:
    """Return the one spelling of an identifier value, or None where it is no valid value.

    email: lower case, domain in IDNA form. phone: E.164 (ITU), `region` for national numbers. code: letters and
    digits, upper case. uuid: RFC 9562 text form. sha256: 64 hex digits, from hex or base64. text: trimmed.
    Applying it to its own answer changes nothing.
    """
    value = raw.strip()
    if not value:
        return None
    return _SPELLINGS[normaliser](value, region)


def _email(value: str, _region: str) -> str | None:
    return emails.strict(value)


def _code(value: str, _region: str) -> str | None:
    # Full-width digits are digits; a letter may gain signs in upper case, so what counts is taken last.
    upper = unicodedata.normalize("NFKC", value).upper()
    return "".join(c for c in unicodedata.normalize("NFKC", upper) if c.isalnum()) or None


def _uuid(value: str, _region: str) -> str | None:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None


def _sha256(value: str, _region: str) -> str | None:
    if _HEX.fullmatch(value.lower()):
        return value.lower()
    if not _BASE64.fullmatch(value):
        return None
    try:
        return base64.b64decode(value[:43].translate(_URL_SAFE) + "=", validate=True).hex()
    except binascii.Error:
        return None


_HEX: Final = re.compile(r"[0-9a-f]{64}")
# 32 bytes, in either alphabet of RFC 4648, with its padding or without.
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def _text(value: str, _region: str) -> str | None:
    # Stray bytes of a command line stand for no character; nothing can be kept or looked up under them.
    return value if value.isascii() or not _SURROGATES.search(value) else None


_SPELLINGS: Final[Mapping[str, Callable[[str, str], str | None]]] = {
    "email": _email,
    "phone": phones.e164,
    "code": _code,
    "uuid": _uuid,
    "sha256": _sha256,
    "text": _text,
}


@lru_cache(maxsize=256)
def _blocking(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    literal = frozenset(placeholders.fold(p) for p in patterns if not (p.startswith("/") and p.endswith("/")))
    return literal, tuple(re.compile(p[1:-1], re.IGNORECASE) for p in patterns if p.startswith("/") and p.endswith("/"))


def is_blocked(kind: IdentifierType, value: str) -> bool:
    """Say whether a value stands for nobody: a placeholder that people or systems type to get past a form.

    Neither case nor blanks around a value make a difference; its type's own list comes on top of the one for all.
    """
    folded = placeholders.fold(value)
    if kind.placeholders and placeholders.stands_for_nobody(kind.normaliser, folded):
        return True
    literal, expressions = _blocking(kind.blocked)
    return folded in literal or any(e.fullmatch(folded) for e in expressions)


def is_evidence(kind: IdentifierType, value: str) -> bool:
    """Say whether a normalised value may say who somebody is.

    A role's address, a throw-away one and a service line may be all that is known of a person, and are kept as such;
    several people have them, so they bring nobody together.
    """
    return not is_blocked(kind, value) and names_somebody(kind, value)


def names_somebody(kind: IdentifierType, value: str) -> bool:
    """Say of a normalised value that is not blocked whether it may say who somebody is."""
    if kind.normaliser not in ("email", "phone"):
        return True  # of no other kind there are sorts, and to ask takes longer than most values' spelling
    return not _sorts(kind.normaliser, value).intersection(kind.attribute_only)


@lru_cache(maxsize=65_536)
def _sorts(normaliser: str, value: str) -> frozenset[Sort]:
    if normaliser == "email":
        return frozenset(emails.flags(value))
    return frozenset({"service"} if normaliser == "phone" and phones.is_service(value) else ())


def usable(kinds: Mapping[str, IdentifierType], kind: str, raw: str, region: str = "US") -> str | None:
    """Return the normalised value of an identifier that may identify somebody, else None (invalid or blocked)."""
    declared = kinds[kind]
    if is_blocked(declared, raw):
        return None
    value = normalise(declared.normaliser, raw, region)
    return value if value is not None and is_evidence(declared, value) else None


def digests(kinds: Mapping[str, IdentifierType], kind: str, value: str) -> tuple[tuple[str, str], ...]:
    """Return type and SHA-256 of a normalised value under every type that is declared to hold its digests.

    Who has only the hash of an address or number hashed one of two forms: the strict one or the canonical one (UID2),
    E.164 with or without its plus. Both are answered, so that either meets.
    """
    forms = dict.fromkeys((value, emails.canonical(value) if "@" in value else value.removeprefix("+")))
    hashed = [hashlib.sha256(form.encode()).hexdigest() for form in forms]
    return tuple((name, one) for name, declared in kinds.items() if declared.digest_of == kind for one in hashed)


def record_token(key: bytes, source: str, own_key: str) -> Token:
    """Return what stands for a row by its source and its own key, such as an event by its message id."""
    return token(key, "record", f"{source}|{own_key}")


def token(key: bytes, kind: str, value: str) -> Token:
    """Return what stands for an identifier wherever its value need not be known: HMAC-SHA256 under the key.

    The prefix names the key's version. A bare hash of an email or phone could be guessed; this cannot.
    """
    keyed = _keyed(key)
    inner, outer = keyed[0].copy(), keyed[1].copy()
    inner.update(f"{kind}:{value}".encode())
    outer.update(inner.digest())
    return Token(f"1:{outer.hexdigest()}")


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Return HMAC's two hashes with the key taken in (RFC 2104): to set them up costs more than a token does."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
