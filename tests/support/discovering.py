"""Precision and recall of discovery over columns whose kind is known."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from columns import Known

from consent.discovery.column import Column
from consent.discovery.text import kinds_in
from consent.discovery.vote import discovered

TODAY = date(2026, 11, 27)


@dataclass
class Tally:
    right: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrong))

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + len(self.missed))


def tallied(columns: Iterable[Known], region: str = "US") -> tuple[dict[str, Tally], Tally]:
    """Return for each kind what was found, missed and wrongly found, and the same for personal or not at all."""
    kinds: dict[str, Tally] = defaultdict(Tally)
    whole = Tally()
    for known in columns:
        column = Column.of(known.name, known.values)
        found = {f.kind for f in discovered(column, region=region, today=TODAY, reader=lambda t: kinds_in(t, region))}
        for kind in found - {known.kind}:
            kinds[kind].wrong.append(f"{known.name} ({known.kind})")
        if known.kind in found:
            kinds[known.kind].right += 1
        elif known.kind:
            kinds[known.kind].missed.append(f"{known.name} (taken for {', '.join(sorted(found)) or 'nothing'})")
        if found and known.kind:
            whole.right += 1
        elif found:
            whole.wrong.append(f"{known.name} ({', '.join(sorted(found))})")
        elif known.kind:
            whole.missed.append(f"{known.name} ({known.kind})")
    return dict(kinds), whole
