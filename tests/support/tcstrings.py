"""TC strings written bit by bit, after the IAB Tech Lab's format."""

import base64
from datetime import datetime

NOW = datetime.fromisoformat("2026-11-27T00:00:00+00:00")


class Bits:
    """A TC string in the making."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, value: int, width: int) -> "Bits":
        self.text += f"{value:0{width}b}"
        return self

    def segment(self) -> str:
        bits = self.text + "0" * (-len(self.text) % 24)
        raw = int(bits, 2).to_bytes(len(bits) // 8)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tc_string(
    *,
    vendors: tuple[int, ...] = (7,),
    purposes: tuple[int, ...] = (1, 3, 4),
    policy: int = 5,
    updated: datetime = NOW,
    disclosed: tuple[int, ...] | None = (7,),
    restricted: tuple[tuple[int, int, int, int], ...] = (),
    version: int = 2,
) -> str:
    moment = int(updated.timestamp() * 10)
    core = Bits().add(version, 6).add(moment, 36).add(moment, 36).add(0, 12 + 12 + 6 + 12 + 12).add(policy, 6)
    core.add(0, 1 + 1 + 12).add(sum(1 << (24 - p) for p in purposes), 24).add(0, 24 + 1 + 12)
    _vendors(core, vendors)
    _vendors(core, ())
    core.add(len(restricted), 12)
    for purpose, kind, first, last in restricted:
        core.add(purpose, 6).add(kind, 2).add(1, 12).add(1, 1).add(first, 16).add(last, 16)
    return core.segment() + ("" if disclosed is None else "." + _vendors(Bits().add(1, 3), disclosed).segment())


def _vendors(bits: Bits, listed: tuple[int, ...]) -> Bits:
    largest = max(listed, default=0)
    bits.add(largest, 16).add(0, 1)
    for vendor in range(1, largest + 1):
        bits.add(int(vendor in listed), 1)
    return bits
