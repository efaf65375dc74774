"""Identifier types, one spelling for each value, and keyed tokens that stand for values without telling them."""

import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field, field_validator

from infra.ids import Token
from infra.workspace import Workspace

Normaliser = Literal["email", "phone", "code", "uuid", "text", "sha256"]
Strength = Literal["decisive", "strong", "weak"]

# Local part and domain as people have them, RFC 5321 lengths; quoted local parts and address literals are
# left out on purpose: in customer data they are typing errors far more often than addresses.
_EMAIL = re.compile(r"[^\s@\"<>(),:;\\\[\]]{1,64}@(?=.{4,253}$)(?:[^\s@.]{1,63}\.)+[^\s@.]{2,63}")
_ATTACHED = re.compile(r"\.\.|^\.|\.@")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# Providers that ignore dots in the local part, and those that cut it at a plus sign.
_DOTLESS = {"gmail.com"}
_PLUS_TAGGED = {"gmail.com", "outlook.com", "hotmail.com", "icloud.com", "proton.me", "fastmail.com"}


class IdentifierType(BaseModel):
    """What `identity.yaml` says of one identifier type: its spelling, and how far it may be trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normaliser: Normaliser
    strength: Strength = "strong"
    anonymous: bool = False
    limit: int | None = Field(default=None, ge=1, description="distinct values that one profile may have")
    fan_out: int = Field(default=12, ge=1, description="records above which a value counts as shared")
    blocked: tuple[str, ...] = ()

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


class _IdentitySection(BaseModel):
    model_config = ConfigDict(extra="ignore")

    identifiers: dict[str, IdentifierType]


def load_identifier_types(workspace: Workspace) -> dict[str, IdentifierType]:
    """Return the identifier types that `identity.yaml` declares, in its order."""
    return workspace.load("identity.yaml", _IdentitySection).identifiers


def normalise(normaliser: str, raw: str, region: str = "US") -> str | None:
    """Return the one spelling of an identifier value, or None where it is no valid value.

    email: trimmed, lower case, domain in IDNA form. phone: E.164 (ITU), `region` for national numbers.
    code: letters and digits, upper case. uuid: RFC 9562 text form. sha256: 64 hex digits. text: trimmed.
    Applying it to its own answer changes nothing.
    """
    value = raw.strip()
    if not value:
        return None
    return _SPELLINGS[normaliser](value, region)


def _email(value: str, _region: str) -> str | None:
    value = value.casefold().removeprefix("mailto:")
    local, at, domain = value.rpartition("@")
    if not at or _ATTACHED.search(value):
        return None
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    value = f"{local}@{domain}"
    return value if _EMAIL.fullmatch(value) else None


def _phone(value: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or number.extension:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _code(value: str, _region: str) -> str | None:
    return "".join(c for c in value if c.isalnum()).upper() or None


def _uuid(value: str, _region: str) -> str | None:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None


def _sha256(value: str, _region: str) -> str | None:
    value = value.lower()
    return value if re.fullmatch(r"[0-9a-f]{64}", value) else None


def _text(value: str, _region: str) -> str | None:
    # Stray bytes of a command line stand for no character; nothing can be kept or looked up under them.
    return value if value.isascii() or not _SURROGATES.search(value) else None


_SPELLINGS = {
    "email": _email,
    "phone": _phone,
    "code": _code,
    "uuid": _uuid,
    "sha256": _sha256,
    "text": _text,
}


def email_canonical(strict: str) -> str:
    """Return the mailbox behind an address: dots and plus tags cut where the provider ignores them (UID2)."""
    local, _, domain = strict.rpartition("@")
    domain = "gmail.com" if domain == "googlemail.com" else domain
    if domain in _PLUS_TAGGED:
        local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


@lru_cache(maxsize=256)
def _blocking(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    literal = frozenset(p.casefold() for p in patterns if not (p.startswith("/") and p.endswith("/")))
    return literal, tuple(re.compile(p[1:-1], re.IGNORECASE) for p in patterns if p.startswith("/") and p.endswith("/"))


def is_blocked(kind: IdentifierType, value: str) -> bool:
    """Say whether a value stands for nobody: a placeholder that people or systems type to get past a form."""
    literal, expressions = _blocking(kind.blocked)
    return value.casefold() in literal or any(e.fullmatch(value) for e in expressions)


def usable(kinds: Mapping[str, IdentifierType], kind: str, raw: str, region: str = "US") -> str | None:
    """Return the normalised value of an identifier that may identify somebody, else None (invalid or blocked)."""
    declared = kinds[kind]
    if is_blocked(declared, raw.strip()):
        return None
    value = normalise(declared.normaliser, raw, region)
    return None if value is None or is_blocked(declared, value) else value


def token(key: bytes, kind: str, value: str) -> Token:
    """Return what stands for an identifier wherever its value need not be known: HMAC-SHA256 under the key.

    The prefix names the key's version. A bare hash of an email or phone could be guessed; this cannot.
    """
    digest = hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()
    return Token(f"1:{digest}")
