"""Answers `POST /v1/decide`: gathers what the purpose may see, asks the rule, logs the decision, and replies.

An adapter for HTTP without Spark: `NextBest` fits the port `api.http.ports.Decider`.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Engine

from activation import serving, store
from activation.config import Activation
from activation.decide import decide
from activation.declarations import Decision
from activation.errors import UnknownDecision, WrongPurpose
from activation.model import Choice, Consent, Context, DecisionEvent, Facts, Person, Suggestion
from activation.plan import Plan
from infra.ids import ProfileId, Purpose
from infra.keyvalue import KeyValue

_STRANGER = Consent(allowed=False, reason="unknown or denied")
_LIST_SEPARATOR = "|"


class Views(Protocol):
    """Profiles as a purpose may see them, under the denials that came after the build."""

    def over(self, store: KeyValue) -> "Views":
        """Return the profiles of one store, under the same denials."""

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        """Return the view's JSON, or None: unknown, erased and denied alike."""


@dataclass(frozen=True, slots=True)
class NextBest:
    """The decisions of a workspace over its served profiles; every answer is in the log before it is given."""

    activation: Activation
    shelf: Callable[[], KeyValue]
    views: Views
    database: Engine
    key: bytes
    policy_version: str
    mint: Callable[[], str]

    def decide(self, request: Mapping[str, Any], *, at: datetime) -> Mapping[str, Any]:
        """Return choice, candidates with reasons, and recommendations; somebody unknown or denied is a stranger."""
        declared = self._declared(request.get("decision"))
        if request["purpose"] != declared.purpose:
            raise WrongPurpose(declared.decision, declared.purpose, request["purpose"])
        plan, context, shelf = declared.plan(), _context(request.get("context") or {}, at), self.shelf().snapshot()
        person = self._person(plan, shelf, request.get("profile_id"), at)
        choice = decide(plan, person, context, serving.campaigns(shelf), self._chance_key())
        suggested = _suggested(shelf, person, context, declared.recommend)
        event = DecisionEvent(
            id=self.mint(),
            key_id=str(request.get("key_id", "")),
            profile=person.profile if person.consent.allowed else "",
            context=context,
            choice=choice,
            consent=person.consent,
            recommended=tuple(one.product_id for many in suggested.values() for one in many),
            identity_version=serving.identity_version(shelf),
            policy_version=self.policy_version,
        )
        store.log_decision(self.database, event)
        return _answer(event, choice, suggested)

    def _declared(self, name: str | None) -> Decision:
        known = {one.decision: one for one in self.activation.decisions}
        found = self.activation.decision() if name is None else known.get(name)
        if found is None:
            raise UnknownDecision(name or "", known)
        return found

    def _person(self, plan: Plan, shelf: KeyValue, profile_id: str | None, at: datetime) -> Person:
        profile = ProfileId(profile_id or "")
        body = self.views.over(shelf).view(profile, plan.purpose) if profile else None
        if body is None:
            return Person(ProfileId(""), _STRANGER)
        view = orjson.loads(body)
        facts = Facts(traits=trait_texts(view.get("traits", {})), audiences=frozenset(view.get("audiences", ())))
        contacts = store.contacts(self.database, (profile,), at - plan.longest_cap())
        said = view.get("consent", {})
        consent = Consent(allowed=True, reason=str(said.get("reason", "")), policy_line=str(said.get("policy", "")))
        return Person(profile, consent, facts, serving.likes(shelf, profile), contacts)

    def _chance_key(self) -> bytes:
        # A key of its own: the tokens' key must not be at work in answers that callers see.
        return hmac.new(self.key, b"activation/chance", hashlib.sha256).digest()


def trait_texts(traits: Mapping[str, Any]) -> dict[str, str]:
    """Return a view's traits as the text that conditions are held against, as in the table `profile_views`."""
    return {name: _text(value) for name, value in traits.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _LIST_SEPARATOR.join(map(_text, value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _context(said: Mapping[str, Any], now: datetime) -> Context:
    return Context(
        at=said.get("time") or now,
        now=now,
        channel=said.get("channel") or "",
        device=said.get("device") or "",
        basket=tuple(said.get("basket") or ()),
    )


def _suggested(shelf: KeyValue, person: Person, context: Context, take: int) -> dict[str, list[Suggestion]]:
    """Return products to show: from the person's habits under consent, from the basket at hand, from what sells.

    The basket is said by the caller about this moment and tied to nobody, so a stranger gets its company too.
    """
    habits = serving.again(shelf, person.profile, take) if person.consent.allowed else []
    return {
        "buy_again": [one for one in habits if one.product_id not in context.basket],
        "bought_together": serving.together(shelf, context.basket, take),
        "popular": serving.popular(shelf, context.basket, take),
    }


def _answer(event: DecisionEvent, choice: Choice, suggested: Mapping[str, list[Suggestion]]) -> dict[str, Any]:
    return {
        "decision_id": event.id,
        "decision": choice.decision,
        "purpose": choice.purpose,
        "at": event.context.at.isoformat(),
        "chosen": choice.chosen,
        "propensity": choice.propensity,
        "holdout": choice.holdout,
        "because": choice.because,
        "candidates": [asdict(candidate) for candidate in choice.candidates],
        "recommendations": {name: [asdict(one) for one in many] for name, many in suggested.items()},
        "consent": asdict(event.consent),
        "identity_version": event.identity_version,
        "policy_version": event.policy_version,
    }
