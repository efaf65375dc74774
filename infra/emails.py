"""Email addresses: one spelling (strict), the mailbox behind it (canonical), and whose it hardly is (flags).

Pure, total and idempotent. The line is drawn at what customers have: a dot-atom before the @, a domain name of two
labels or more after it. Quoted local parts, comments and address literals are allowed by RFC 5322 and are typing
errors in customer data. A test holds every vector of isemail to this line.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import idna

Flag = Literal["role", "disposable"]

_LOCAL: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_SHOWN: Final = re.compile(r"[^<>@]*<([^<>\s]+)>")
# What copying from a page leaves behind: zero-width marks and soft hyphens.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_LONGEST_LOCAL, _LONGEST_DOMAIN, _LONGEST = 64, 253, 254  # octets, RFC 5321 4.5.3.1 with erratum 1690


@dataclass(frozen=True, slots=True)
class Provider:
    """What a mail provider does not look at when it delivers.

    `tag` ends the mailbox's name; `ignored` are characters without meaning; `home` is the one of several domains
    that name one mailbox. With `parted` the tag's sign stays: what stands before it is reserved for the mailbox's
    owner, and is no mailbox of its own.
    """

    domains: tuple[str, ...]
    tag: str
    ignored: str = ""
    home: str | None = None
    parted: bool = False


PROVIDERS: Final = (
    # support.google.com/mail/answer/7436150 and /10313; the rule of UID2 (unifiedid.com, normalization and encoding)
    Provider(("gmail.com", "googlemail.com"), "+", ".", home="gmail.com"),
    # Plus addresses since 2013 (zdnet.com, Microsoft adds support for custom '+' email addresses); domains as in
    # validator.js, normalizeEmail
    Provider(
        (
            *(
                f"hotmail.{end}"
                for end in (
                    "com",
                    "co.uk",
                    "de",
                    "fr",
                    "it",
                    "es",
                    "ca",
                    "be",
                    "nl",
                    "se",
                    "dk",
                    "no",
                    "com.au",
                    "com.br",
                    "co.jp",
                )
            ),
            *(
                f"outlook.{end}"
                for end in ("com", "de", "fr", "it", "es", "be", "at", "dk", "ie", "pt", "com.au", "com.br", "jp", "in")
            ),
            *(f"live.{end}" for end in ("com", "co.uk", "de", "fr", "it", "nl", "be", "com.au", "se", "dk", "no")),
            "msn.com",
        ),
        "+",
    ),
    # support.apple.com/118230: icloud.com, me.com and mac.com are one mailbox
    Provider(("icloud.com", "me.com", "mac.com"), "+", home="icloud.com"),
    # fastmail.help/hc/en-us/articles/360060591053
    Provider(("fastmail.com", "fastmail.fm"), "+"),
    # proton.me/support/addresses-and-aliases; dots, dashes and underscores as Proton's own client compares (WebClients,
    # removeEmailAlias)
    Provider(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), "+", "._-"),
    # help.yahoo.com/kb/SLN28815: nickname-keyword, where the nickname alone takes no mail
    Provider(
        (
            "ymail.com",
            "rocketmail.com",
            *(
                f"yahoo.{end}"
                for end in ("com", "co.uk", "de", "fr", "it", "es", "ca", "in", "co.in", "com.au", "com.br", "com.mx")
            ),
        ),
        "-",
        parted=True,
    ),
    # yandex.com/support/mail: one mailbox under all of Yandex's domains
    Provider(("yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru"), "+", home="yandex.ru"),
    # zoho.com/mail/help (plus addressing)
    Provider(("zoho.com", "zohomail.com"), "+"),
)
"""Each with where it is written. Other providers get no rule: there a plus sign or a dot may be a part of the name."""

_BY_DOMAIN: Final[Mapping[str, Provider]] = {domain: one for one in PROVIDERS for domain in one.domains}

# RFC 2142, and what offices, shops and their languages add to it.
_ROLES: Final = """
    abuse account accounting accounts admin administration administrator billing bookings career careers contact
    customercare customerservice email enquiries enquiry feedback finance ftp hello help helpdesk hostmaster hr
    info information inquiries inquiry invoice invoices it jobs legal mail mailbox mailer-daemon manager marketing
    media news newsletter noc office order orders payments postmaster press privacy purchasing reception
    recruiting recruitment reservations root sales security service services shop staff store subscribe support
    team tech usenet uucp webmaster www
    bestellung bestellungen bewerbung buchhaltung buero datenschutz einkauf kasse kontakt kundenservice post
    rechnung rechnungen verkauf vertrieb verwaltung zentrale
    accueil commande commandes comptabilite contacto direction facturation recrutement secretariat vente ventes
    administracion atendimento contato facturacion pedidos ventas vendas
    administratie facturen inkoop klantenservice verkoop
    amministrazione commerciale contatti ordini segreteria vendite
"""
ROLES: Final = frozenset(_ROLES.split())


def strict(text: str) -> str | None:
    """Return the one spelling of an address, or None where it is none: lower case, domain in its IDNA 2008 form.

    `Ann <ann@example.org>` and `mailto:` say which address they mean.
    """
    value = _plain(text)
    shown = _SHOWN.fullmatch(value) if "<" in value else None
    local, at, domain = (shown[1] if shown else value).removeprefix("mailto:").rpartition("@")
    domain = _ascii(domain)
    whole = f"{local}@{domain}"
    if not at or len(domain) > _LONGEST_DOMAIN or not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        return None
    if not local.isascii() and not local.isprintable():
        return None
    octets = len(local.encode())
    return whole if octets <= _LONGEST_LOCAL and octets + 1 + len(domain) <= _LONGEST else None


def _plain(text: str) -> str:
    value = text.strip().lower()
    if value.isascii():
        return value
    value = _INVISIBLE.sub("", value)
    # Twice, for a letter may gain its compatibility form only in lower case.
    for _ in range(2):
        value = unicodedata.normalize("NFKC", value).lower()
    return value.strip()


def _ascii(domain: str) -> str:
    """Return a domain in ASCII, or an empty string where IDNA 2008 (UTS 46 mapping) knows no such name."""
    if len(domain) > _LONGEST_DOMAIN:
        return ""
    if domain.isascii() and "xn--" not in domain:
        return domain
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def canonical(address: str) -> str:
    """Return the mailbox behind a strict address: what its provider does not look at is left out."""
    local, _, domain = address.rpartition("@")
    provider = _BY_DOMAIN.get(domain)
    if provider is None:
        return address
    name, tag, _ = local.partition(provider.tag)
    if name and tag:
        local = name + tag if provider.parted else name
    for sign in provider.ignored:
        local = local.replace(sign, "") or local
    return f"{local}@{provider.home or domain}"


def flags(address: str) -> frozenset[Flag]:
    """Return what speaks against a strict address being one person's: a role has it, or it is thrown away after use."""
    local, _, domain = address.rpartition("@")
    found: set[Flag] = set()
    if local.partition("+")[0] in ROLES:
        found.add("role")
    if _is_disposable(domain):
        found.add("disposable")
    return frozenset(found)


def _is_disposable(domain: str) -> bool:
    listed, labels = _disposable(), domain.split(".")
    return any(".".join(labels[start:]) in listed for start in range(len(labels) - 1))


@lru_cache(maxsize=1)
def _disposable() -> frozenset[str]:
    return frozenset(files("infra").joinpath("data/disposable_domains.txt").read_text(encoding="ascii").split())
