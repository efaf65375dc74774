"""Who has refused what, person by person: the measure for what a wrong merge, or a missed one, costs."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.demo.consents import REFUSALS
from api.demo.model import Row


@dataclass(frozen=True, slots=True)
class Refusal:
    """Whether somebody's no still stands; an empty channel means every channel."""

    person_id: str
    purpose: str
    channel: str
    standing: bool


def refusals(rows: Iterable[Row], whose: dict[str, list[str]]) -> list[Refusal]:
    """Return each no that was ever said, and whether it stands: none was followed by a yes, and a tie is a no.

    All identifiers of a person speak for that person; a shared mailbox speaks for each who has it. What binds every
    channel binds the narrow one too; a narrow no outlives a broad yes.
    """
    said: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in rows:
        if row.fault is None and row.values["action"] != "restricted":
            values = row.values
            kind = next(k for k in ("email", "phone", "cookie", "account") if values[k])
            for person in whose.get(f"{kind}:{values[kind]}", [row.person_id]):
                saying = (str(values["occurred_at"]), str(values["action"]), str(values["channel"] or ""))
                said.setdefault((person, str(values["purpose"])), []).append(saying)
    out: list[Refusal] = []
    for (person, purpose), sayings in sorted(said.items()):
        channels = sorted({channel for _, action, channel in sayings if action in REFUSALS})
        out += [Refusal(person, purpose, c, standing=_stands(sayings, c)) for c in channels]
    return out


def _stands(sayings: list[tuple[str, str, str]], channel: str) -> bool:
    noes = [at for at, action, c in sayings if action in REFUSALS and c == channel]
    # A broad no also closes the narrow channel; only a yes as narrow as the no reopens it.
    noes += [at for at, action, c in sayings if action in REFUSALS and c == ""]
    yeses = [at for at, action, c in sayings if action == "given" and c == channel]
    return max(noes) >= max(yeses, default="")
