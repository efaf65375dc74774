"""Codes of people that hang on another file: a key that others point to becomes an identifier type of both. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingestion.proposal import joins
from ingestion.proposal.facts import FileFacts
from ingestion.proposal.joins import Reference
from ingestion.proposal.model import Line
from ingestion.proposal.understood import Known, Understood

_SURELY = 0.9
_OWN = ("customer", "account", "loyalty")


def with_codes(files: Sequence[Understood], known: Known) -> tuple[tuple[Understood, ...], tuple[str, ...]]:
    """Return the files with the codes that hang on others, and what is doubtful about them."""
    found: dict[str, dict[str, Line]] = {file.name: {} for file in files}
    doubts: list[str] = []
    by_name = {file.name: file for file in files}
    for file in files:
        column = file.key.single
        if file.sort.record == "person" and column is not None and file.inwards:
            doubts += _pointed_to(file, column, by_name, found)
    doubts += _called_alike([file for file in files if file.sort.record == "person"], found)
    for file in files:
        found[file.name] |= _known_codes(file.facts, known, found[file.name])
    return tuple(replace(file, codes=found[file.name]) for file in files), tuple(doubts)


def _pointed_to(
    file: Understood, column: str, by_name: Mapping[str, Understood], found: dict[str, dict[str, Line]]
) -> list[str]:
    """Take the key of a file of people for an identifier of it and of those that point to it; return doubts."""
    held = file.meant.identifiers.items()
    spoken = next((kind for kind, meant in held if any(m.column == column for m in meant)), None)
    names = [reference.column for reference in file.inwards]
    kind, whence = (spoken, "by its name") if spoken else joins.type_of(file.facts.column(column), file.facts, names)
    doubts: list[str] = []
    kept: list[Reference] = []
    for reference in file.inwards:
        if joins.disagree(_agreed(by_name[reference.file], file, reference.column, column)):
            doubts.append(
                f"{reference.file}.{reference.column} has the same numbers as {file.name}.{column}, and hardly a row "
                "agrees in what both say of their people: they were kept apart"
            )
        else:
            kept.append(reference)
    if kept:
        pointing = ", ".join(f"{r.file}.{r.column}" for r in kept)
        found[file.name][kind] = Line(column, f"the key of {file.name}; {pointing} point to it ({kind} {whence})", 0.9)
    for reference in kept:
        sure = 0.9 if reference.share > _SURELY else 0.7
        found[reference.file][kind] = Line(reference.column, reference.because, sure)
        if reference.share <= _SURELY:
            doubts.append(
                f"{reference.file}.{reference.column} is taken for the {kind} of {file.name}: {reference.because}; "
                "without it the two files do not meet"
            )
    return doubts


def _called_alike(people: Sequence[Understood], found: dict[str, dict[str, Line]]) -> list[str]:
    """Give codes of two files of people that are called alike and name different people types of their own."""
    doubts: list[str] = []
    for place, other in enumerate(people):
        for kind in _OWN:
            theirs = _column(other, kind)
            strangers = [
                (one, mine)
                for one in people[:place]
                if theirs and (mine := _column(one, kind)) and joins.disagree(_agreed(other, one, theirs, mine))
            ]
            if theirs and strangers:
                one, mine = strangers[0]
                own = f"{other.name}_{kind}"
                found[other.name][own] = Line(theirs, f"a number of {other.name} alone", 0.7)
                doubts.append(
                    f"{other.name}.{theirs} and {one.name}.{mine} are both called a {kind}'s, and equal numbers name "
                    f"different people: {other.name} got the type {own} of its own"
                )
    return doubts


def _column(file: Understood, kind: str) -> str | None:
    held = file.meant.identifiers.get(kind)
    return held[0].column if held else None


def _agreed(one: Understood, other: Understood, mine: str, theirs: str) -> float | None:
    return joins.agreeing(one.facts, other.facts, mine, theirs, (one.meant, other.meant))


def _known_codes(file: FileFacts, known: Known, had: Mapping[str, Line]) -> dict[str, Line]:
    """Return the columns whose values stand in identifiers that the workspace has already, by type."""
    found: dict[str, Line] = {}
    taken = {line.value for line in had.values()}
    for kind, marks in known.marks.items():
        ranked = [
            (joins.meets(column, kind, marks), column.name)
            for column in file.columns
            if column.filled and column.name not in taken and kind not in had
        ]
        share, name = max(ranked, default=(0.0, ""))
        if share > 0:
            found[kind] = Line(name, f"{share:.0%} of its values stand in the {kind} identifiers of other sources", 0.8)
            taken.add(name)
    return found
