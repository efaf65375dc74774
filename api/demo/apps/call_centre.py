"""A call centre's screen: who calls, what they ordered and wait for, what they allowed, and what it may not show.

export KINDRED_URL=… KINDRED_READ_KEY=… KINDRED_CONSENT_KEY=…
python call_centre.py     # it asks for the number, so that none stays in the shell's history
"""

import os
import sys
from collections.abc import Iterator

from kindred_client import Event, Kindred, NotFound, Profile

ASKED = ("personalization", "email_marketing", "advertising")
SHOWN = 3


def screen(reader: Kindred, ledger: Kindred, phone: str) -> Iterator[str]:
    """Yield the lines of the screen."""
    try:
        person = reader.lookup("phone", phone, purpose="service")
        happened = list(reader.events(person.profile_id, purpose="service"))
    except NotFound:
        yield "Nobody whom service may know by this number alone: unknown, closed, or shared by several people."
        yield "Ask who is calling, and for an order number."
        return
    yield from _who(person)
    yield from _orders(happened)
    questions = [event for event in happened if event.source == "helpdesk" and event.details.get("status") == "open"]
    yield f"Open questions: {'; '.join(plain(str(event.name)) for event in questions) or 'none'}"
    yield "May we use their data for"
    # A yes to mail is a yes for an address, so it is asked for by the address.
    mail = person.attributes.get("email")
    for purpose in ASKED:
        decision = ledger.may(*(("email", mail) if mail else ("phone", phone)), purpose=purpose)
        yield f"  {purpose.replace('_', ' '):16} {'yes' if decision.allowed else f'no ({plain(decision.because)})'}"
    hidden = ", ".join(f"{plain(one.field)} ({plain(one.because)})" for one in person.withheld)
    yield f"Withheld from this screen: {hidden or 'nothing'}"


def _who(person: Profile) -> Iterator[str]:
    name = " ".join(person.attributes[part] for part in ("given_name", "family_name") if part in person.attributes)
    yield f"{plain(name) or 'Somebody without a name'}, {plain(person.attributes.get('city', 'town unknown'))}"
    sure = "" if person.confidence is None else f", {person.confidence:.0%} sure that these records are one person"
    yield f"  {person.traits.get('orders', 0)} orders, {person.traits.get('spend', 0):,} in all{sure}"


def _orders(happened: list[Event]) -> Iterator[str]:
    yield "Last orders"
    orders = [event for event in happened if event.kind == "order"][:SHOWN]
    for order in orders:
        what = ", ".join(plain(str(line.name or line.product_id)) for line in order.lines)
        yield f"  {order.at:%d %b %Y}  {order.amount or 0:>8.2f}  {what}"
    if not orders:
        yield "  none"


def plain(text: str) -> str:
    """Return a text that cannot move the cursor or colour the screen."""
    return "".join(c if c.isprintable() else "�" for c in text)


if __name__ == "__main__":
    url, read, consent = (os.environ[f"KINDRED_{name}"] for name in ("URL", "READ_KEY", "CONSENT_KEY"))
    with Kindred(url, read) as reader, Kindred(url, consent) as ledger:
        number = input("Number of the caller: ") if sys.stdin.isatty() else sys.stdin.readline()
        for line in screen(reader, ledger, number.strip()):
            print(line)
