"""Reads the three folders of activation and holds them against each other, pointing at file and line."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from activation.conditions import inlined
from activation.declarations import Audience, Decision, Destination, parts
from activation.model import Condition, Member, identifier_type
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierType
from infra.ids import Purpose
from infra.section import Section
from infra.workspace import Workspace

Model = TypeVar("Model", bound=Section)


@dataclass(frozen=True, slots=True)
class Activation:
    """All audiences, destinations and decisions of a workspace, in the order of their files' names."""

    audiences: tuple[Audience, ...]
    destinations: tuple[Destination, ...]
    decisions: tuple[Decision, ...]

    def conditions(self) -> Mapping[str, Condition]:
        """Return each audience's condition with its references to other audiences spelled out."""
        known = {one.audience: one.where.condition() for one in self.audiences}
        return {name: inlined(condition, known, (name,)) for name, condition in known.items()}

    def decision(self) -> Decision | None:
        """Return the decision whose `recommendations` and `campaigns` the jobs use: the first by file name."""
        return self.decisions[0] if self.decisions else None


def load_activation(
    workspace: Workspace,
    purposes: Collection[str] | None = None,
    identifiers: Collection[str] | None = None,
    masks: Mapping[Purpose, Collection[str]] | None = None,
) -> Activation:
    """Return the three folders; raise `ConfigurationError` where a file is wrong or they contradict each other.

    Purposes are checked against the policy's, match keys against `identity.yaml`'s types and against what
    `consent/labels.yaml` masks for the destination's purpose, where given.
    """
    audiences = _files(workspace, "audiences", Audience)
    destinations = _files(workspace, "destinations", Destination)
    decisions = _files(workspace, "decisions", Decision)
    found = Activation(tuple(audiences.values()), tuple(destinations.values()), tuple(decisions.values()))
    _check_names({path: one.audience for path, one in audiences.items()}, "audience")
    _check_names({path: one.destination for path, one in destinations.items()}, "destination")
    _check_names({path: one.decision for path, one in decisions.items()}, "decision")
    _check_audiences(workspace, audiences, destinations, found)
    _check_eligibility(workspace, decisions, found)
    if purposes is not None:
        _check_purposes(workspace, {**audiences, **destinations, **decisions}, purposes)
    if identifiers is not None:
        _check_match_keys(workspace, destinations, identifiers)
    if masks is not None:
        _check_masks(workspace, destinations, masks)
    return found


def matchable(kinds: Mapping[str, IdentifierType]) -> tuple[str, ...]:
    """Return the identifier types that match keys are made of: a digest has no digest that a destination would know."""
    return tuple(name for name, kind in kinds.items() if kind.normaliser != "sha256")


def _files(workspace: Workspace, folder: str, model: type[Model]) -> dict[str, Model]:
    paths = sorted(file.relative_to(workspace.root).as_posix() for file in workspace.root.glob(f"{folder}/*.yaml"))
    return {path: workspace.load(path, model) for path in paths}


def _check_names(names: Mapping[str, str], kind: str) -> None:
    first: dict[str, str] = {}
    for path, name in names.items():
        if name in first:
            raise ConfigurationError(path, 1, kind, f"{name} is declared in {first[name]} too", "rename one")
        first[name] = path


def _check_audiences(
    workspace: Workspace, audiences: Mapping[str, Audience], destinations: Mapping[str, Destination], found: Activation
) -> None:
    known = {one.audience: one.where.condition() for one in found.audiences}
    for path, audience in audiences.items():
        try:
            inlined(known[audience.audience], known, (audience.audience,))
        except ValueError as error:
            raise _wrong(workspace, path, "where", str(error)) from None
    for path, destination in destinations.items():
        for name in destination.audiences:
            if name not in known:
                right = f"declared: {_listed(known)}"
                raise _wrong(workspace, path, "audiences", f"unknown audience {name!r}", right)


def _check_eligibility(workspace: Workspace, decisions: Mapping[str, Decision], found: Activation) -> None:
    # A decision is shown the audiences of its own purpose alone: a reference to another would never be true.
    purposes = {one.audience: one.purpose for one in found.audiences}
    for path, decision in decisions.items():
        named = (part for rule in decision.eligible for part in parts(rule.where.condition()))
        for name in (part.audience for part in named if isinstance(part, Member)):
            if name not in purposes:
                raise _wrong(
                    workspace, path, "eligible", f"unknown audience {name!r}", f"declared: {_listed(purposes)}"
                )
            if purposes[name] != decision.purpose:
                wrong = f"audience {name!r} is for {purposes[name]}"
                raise _wrong(workspace, path, "eligible", wrong, f"declare one for {decision.purpose}")


def _check_purposes(workspace: Workspace, files: Mapping[str, Any], purposes: Collection[str]) -> None:
    for path, key, purpose in _purposes(files):
        if purpose not in purposes:
            right = f"the policy declares: {_listed(purposes)}"
            raise _wrong(workspace, path, key, f"unknown purpose {purpose!r}", right)


def _purposes(files: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for path, one in files.items():
        yield path, "purpose", one.purpose
        if isinstance(one, Decision):
            yield path, "recommendations", one.recommendations.training_purpose


def _check_match_keys(
    workspace: Workspace, destinations: Mapping[str, Destination], identifiers: Collection[str]
) -> None:
    for path, destination in destinations.items():
        for key in destination.match_keys:
            if identifier_type(key) not in identifiers:
                right = f"of identity.yaml's types these can be match keys: {_listed(identifiers)}"
                raise _wrong(workspace, path, "match_keys", f"unknown identifier type {key!r}", right)


def _check_masks(
    workspace: Workspace, destinations: Mapping[str, Destination], masks: Mapping[Purpose, Collection[str]]
) -> None:
    """Raise for a match key that its purpose never sees: a file without it would look like an audience of nobody."""
    for path, destination in destinations.items():
        masked = masks.get(Purpose(destination.purpose), ())
        for key in destination.match_keys:
            if identifier_type(key) in masked:
                wrong = f"{key!r} is masked for {destination.purpose}, so nobody would be sent by it"
                right = f"use types that are not masked ({_listed(masked)} are), or change consent/labels.yaml"
                raise _wrong(workspace, path, "match_keys", wrong, right)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _wrong(workspace: Workspace, path: str, key: str, wrong: str, right: str = "") -> ConfigurationError:
    tree = workspace.lines(path)
    line = tree.lc.key(key)[0] + 1 if key in tree else 1
    return ConfigurationError(path, line, key, wrong, right)
