"""From findings to labels: which field belongs under which label of `consent/labels.yaml`, and why. Pure on trees."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from consent.config import LabelsConfig
from consent.discovery.kinds import FREE_TEXT, KINDS
from consent.discovery.vote import Finding

# What a label that discovery proposes is for, where labels.yaml has none of this name.
_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "contact": "How to reach the person",
    "name": "What the person is called",
    "birth": "When the person was born, to the day",
    "location": "Where the person lives or was",
    "official": "Numbers that a state gives the person",
    "payment": "Accounts and cards that the person pays with",
    "device": "Browsers, devices and connections of the person",
    "code": "Numbers under which systems know the person",
    "free_text": "What people wrote, whatever it holds",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A field that should stand under a label, and why; values are not repeated."""

    field: str
    label: str
    reason: str


def label_of(kind: str) -> str:
    """Return the label that a kind of personal data belongs under."""
    return FREE_TEXT if kind == FREE_TEXT else KINDS[kind].label


def proposed(field: str, finding: Finding) -> Proposal:
    """Return the label for a field in which something was found."""
    return Proposal(field, label_of(finding.kind), f"{finding.kind}, {finding.confidence:.2f}: {finding.reason}")


def fields_under(labels: LabelsConfig) -> frozenset[str]:
    """Return every field that stands under a label."""
    return frozenset(field for label in labels.labels.values() for field in label.fields)


def amended(tree: CommentedMap, proposals: Iterable[Proposal], purposes: Sequence[str]) -> int:
    """Put the proposed fields under their labels in the tree of a labels file, and return how many are new.

    A label that is not there yet is masked for every purpose, until an officer says for which it need not be. Doing
    it again changes nothing; comments stay.
    """
    labels: Any = tree["labels"]
    known = {field for label in labels.values() for field in label["fields"]}
    new = 0
    for proposal in proposals:
        if proposal.field in known:
            continue
        if proposal.label not in labels:
            labels[proposal.label] = _label(proposal.label, purposes)
        labels[proposal.label]["fields"].append(proposal.field)
        known.add(proposal.field)
        new += 1
    return new


def _label(name: str, purposes: Sequence[str]) -> CommentedMap:
    made = CommentedMap()
    made["description"] = _DESCRIPTIONS[name]
    for key, words in (("fields", ()), ("masked_for", purposes)):
        made[key] = CommentedSeq(words)
        made[key].fa.set_flow_style()
    return made
