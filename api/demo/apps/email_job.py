"""A mailing: of all addresses, those that may be mailed at this moment, as match keys for whoever sends.

export KINDRED_URL=… KINDRED_READ_KEY=… KINDRED_CONSENT_KEY=…
python email_job.py addresses.txt letters.csv
"""

import csv
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kindred_client import Invalid, Kindred, NotFound, Profile

PURPOSE = "email_marketing"
AT_ONCE = 500
FIELDS = ["attributes.given_name", "traits.favourite_categories"]


@dataclass(frozen=True, slots=True)
class Letter:
    """One row for the sender: the digest of the address, and what the letter says."""

    email_sha256: str
    greeting: str
    about: str


def letters(reader: Kindred, ledger: Kindred, addresses: Sequence[str]) -> Iterator[Letter]:
    """Yield a letter for each address that may be mailed.

    The ledger is asked for every single address when its letter is written: an audience may be hours old, a no is not.
    """
    wanted = [address for address in addresses if _may(ledger, address)]
    for address, person in zip(wanted, people(reader, wanted), strict=True):
        if person is None:
            continue
        liked = person.traits.get("favourite_categories")
        yield Letter(
            email_sha256=hashlib.sha256(address.encode()).hexdigest(),
            greeting=_cell(f"Dear {person.attributes.get('given_name', 'neighbour')}"),
            about=_cell(str(liked[0]) if isinstance(liked, list) and liked else "our shop"),
        )


def _may(ledger: Kindred, address: str) -> bool:
    try:
        return ledger.may("email", address, purpose=PURPOSE, channel="email").allowed
    except Invalid:
        return False  # no address at all


def people(reader: Kindred, addresses: Sequence[str]) -> Sequence[Profile | None]:
    """Return the profile of each address, all at once; one by one from a server that has no batches yet."""
    if not addresses:
        return ()
    try:
        return reader.batch_lookup([("email", one) for one in addresses], purpose=PURPOSE, fields=FIELDS)
    except NotFound:
        return [_person(reader, one) for one in addresses]


def _person(reader: Kindred, address: str) -> Profile | None:
    try:
        return reader.lookup("email", address, purpose=PURPOSE, fields=FIELDS)
    except NotFound:
        return None


def _cell(text: str) -> str:
    # A spreadsheet takes what begins so for a formula.
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def run(reader: Kindred, ledger: Kindred, addresses: Path, target: Path) -> tuple[int, int]:
    """Write the letters; return how many there are, and how many addresses get none."""
    typed = [line.strip().lower() for line in addresses.read_text(encoding="utf-8").splitlines() if line.strip()]
    unique = list(dict.fromkeys(typed))
    written = 0
    with target.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["email_sha256", "greeting", "about"])
        for start in range(0, len(unique), AT_ONCE):
            for letter in letters(reader, ledger, unique[start : start + AT_ONCE]):
                rows.writerow([letter.email_sha256, letter.greeting, letter.about])
                written += 1
    return written, len(unique) - written


if __name__ == "__main__":
    url, read, consent = (os.environ[f"KINDRED_{name}"] for name in ("URL", "READ_KEY", "CONSENT_KEY"))
    with Kindred(url, read) as reader, Kindred(url, consent) as ledger:
        mailed, not_mailed = run(reader, ledger, Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{mailed} may be mailed, {not_mailed} may not; the letters are in {sys.argv[2]}")
