"""How people and operators write things down: typing errors, nicknames, phones in many spellings, dates as at home."""

from datetime import date
from random import Random

from anyascii import anyascii

from api.demo.chance import happens
from api.demo.model import SHOP_PHONE_TYPED, Person

_NEAR = {
    "a": "s", "b": "v", "c": "x", "d": "s", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l",
    "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "q": "w", "r": "t", "s": "a", "t": "y", "u": "i", "v": "b",
    "w": "e", "x": "z", "y": "u", "z": "x",
}  # fmt: skip


def typo(rng: Random, text: str) -> str:
    """Return the text with one slip of the finger; shorter than three letters it stays."""
    if len(text) < 3:
        return text
    at = rng.randrange(1, len(text) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + _NEAR.get(text[at].lower(), text[at]) + text[at + 1 :]


def mailbox_typo(rng: Random, email: str) -> str:
    """Return the address with a slip in the local part, so that it stays in a reserved domain."""
    local, _, domain = email.rpartition("@")
    return f"{typo(rng, local)}@{domain}"


def given_as_typed(rng: Random, person: Person, *, nick: float = 0.2, slip: float = 0.04) -> str:
    """Return the given name as it comes out: a nickname, an initial, without accents, with a slip."""
    roll = rng.random()
    name = person.nickname if person.nickname and roll < nick else person.given
    if roll > 0.985:
        return f"{name[0]}."
    return _loose(rng, name, slip)


def family_as_typed(rng: Random, family: str, *, slip: float = 0.04) -> str:
    """Return the family name as it comes out."""
    return _loose(rng, family, slip)


def _loose(rng: Random, name: str, slip: float) -> str:
    if not name.isascii() and happens(rng, 0.4):
        name = str(anyascii(name))
    if happens(rng, slip):
        name = typo(rng, name)
    roll = rng.random()
    return name.upper() if roll < 0.03 else name.lower() if roll < 0.05 else name


def phone_as_typed(rng: Random, phone: str) -> str:
    """Return an American E.164 number in one of the spellings that forms receive."""
    area, office, line = phone[2:5], phone[5:8], phone[8:]
    return rng.choice(
        (
            phone, f"({area}) {office}-{line}", f"{area}-{office}-{line}", f"{area}.{office}.{line}",
            f"{area}{office}{line}", f"+1 {area} {office} {line}", f"1-{area}-{office}-{line}",
        )
    )  # fmt: skip


def placeholder_phone(rng: Random) -> str | None:
    """Return, now and then, a number that stands for nobody: the shop's own most of all, so often that it shows."""
    roll = rng.random()
    if roll < 0.045:
        return SHOP_PHONE_TYPED
    return "000-000-0000" if roll < 0.06 else "null" if roll < 0.068 else None


def email_as_typed(rng: Random, email: str) -> str:
    """Return the address as typed; some shout it."""
    roll = rng.random()
    return email.upper() if roll < 0.03 else email.capitalize() if roll < 0.08 else email


def date_as_told(rng: Random, born: date, *, slip: float = 0.03) -> str:
    """Return an ISO date; now and then day and month trade places or a digit slips."""
    if not happens(rng, slip):
        return born.isoformat()
    if born.day <= 12 and happens(rng, 0.6):
        return date(born.year, born.day, born.month).isoformat()
    return born.replace(day=1 + born.day % 28).isoformat()


def street_as_typed(rng: Random, street: str) -> str:
    """Return the street with its kind spelled out or short, as hands differ."""
    if happens(rng, 0.45):
        for long, short in (("Street", "St"), ("Avenue", "Ave"), ("Road", "Rd"), ("Lane", "Ln"), ("Drive", "Dr")):
            street = street.replace(f" {long}", f" {short}.")
    return typo(rng, street) if happens(rng, 0.03) else street
