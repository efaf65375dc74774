"""What people and systems write where they know nothing: such values stand for nobody, whatever their type.

The words are those that Segment, Adobe, Mixpanel and Amplitude refuse as ids (`^[0-]*$`, -1, null, anonymous,
invalid, ...), and those that people type to get past a form. `identity.yaml` adds its own for each type, and may
switch this list off.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final

_WORDS: Final = """
    - -- --- . .. ? ?? ??? [] {} () <> 0 -1 -0 1234567890 0123456789 123456789 0987654321 987654321
    (null) <null> [null] <nil> nil null nul none n/a na n.a. nan #n/a #n/d #ref! #value! undefined unknown unbekannt
    inconnu desconocido anon anonymous anonym invalid empty blank missing default dummy fake sample example test
    tester testing testuser test123 guest visitor customer user nobody noone no-one noname tbd todo tba tbc
    asdf asdfasdf qwerty foo bar foobar lmy47d true false yes no deleted removed redacted masked hidden
    withheld notprovided not_provided not-provided notset not_set not-set unset void error string value
    email e-mail mail phone telephone mobile name userid user_id user-id abc abc123 abcd1234 123abc
    keine keiner kein aucun ninguno geen nessuno
"""
_PHRASES: Final = ("not set", "(not set)", "not provided", "not available", "no email", "no phone", "[object object]")
WORDS: Final = frozenset((*_WORDS.split(), *_PHRASES))
_NOTHING: Final = re.compile(r"[0\-\u2013\u2014._\s]*|[x*#?]+|(?:0{8}-0{4}-0{4}-0{4}-0{12}|f{8}-f{4}-f{4}-f{4}-f{12})")
# What a program writes where it put nothing into a pattern: user_null, customer-undefined.
_TEMPLATES: Final = re.compile(
    r"(?:user|customer|client|member|visitor|guest|account|anon|anonymous|device|id|uid)[\s_:.-]*"
    r"(?:null|undefined|none|nil|nan|unknown)"
)
_LOCALS: Final = re.compile(
    r"(?:test(?:er|ing|user|mail|email)?[0-9]{0,4}|null|none|nil|na|n/a|no|no-?e?mail|none?mail|no-?one|nobody|unknown"
    r"|anonym(?:ous)?|anon|invalid|undefined|guest|customer|dummy|fake|example|sample|asdf+|qwerty|abc|xyz"
    r"|foo|bar|foobar|xx+|123+|1234+5*6*7*8*9*0*|do-?not-?reply|donotrespond|no-?_?reply|noreply-.*|mailer-daemon"
    r"|not-?provided|not-?available|refused|declined|keine?|deleted|removed)"
)
_DOMAINS: Final = re.compile(
    r"(?:test|none|null|nil|nowhere|invalid|noemail|nomail|noreply|fake|dummy|email|domain|asdf)\.[a-z.]+|.*\.invalid"
)
# One digit over and over, or all in order, behind a country's code and perhaps a zero.
_NUMBERS: Final = re.compile(r"\+?[0-9]{0,3}?(?:([0-9])\1{7,}|0?1234567890?|9876543210)")


def fold(value: str) -> str:
    """Return a value as it is looked up here: no blanks around it, and equal in every case."""
    return value.strip().upper().casefold()


@lru_cache(maxsize=65_536)
def stands_for_nobody(normaliser: str, folded: str) -> bool:
    """Say whether a folded value of this normaliser is a placeholder, as it is written or as it is normalised."""
    if folded in WORDS or _NOTHING.fullmatch(folded) or _TEMPLATES.fullmatch(folded):
        return True
    # an address serves as a customer's number or a login too
    local, at, domain = folded.rpartition("@")
    if at and (_LOCALS.fullmatch(local.partition("+")[0]) or _DOMAINS.fullmatch(domain)):
        return True
    if normaliser == "phone":
        return bool(_NUMBERS.fullmatch(re.sub(r"[^0-9+]", "", folded)))
    return normaliser == "sha256" and folded in _digests()


@lru_cache(maxsize=1)
def _digests() -> frozenset[str]:
    """Return the SHA-256 of what is most often hashed in place of an address or a number: nothing, and these words."""
    addresses = [f"{name}@{domain}" for name in ("test", "none", "null", "noreply") for domain in _COMMON]
    written = ["", *WORDS, *addresses, "+10000000000", "10000000000", "0000000000", "+15555555555", "15555555555"]
    spellings = {spelling for word in written for spelling in (word, word.upper(), word.capitalize())}
    return frozenset(hashlib.sha256(word.encode()).hexdigest() for word in spellings)


_COMMON: Final = ("test.com", "example.com", "gmail.com", "none.com", "email.com", "mail.com")
