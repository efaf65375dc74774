"""What a person may choose under an identifier: each purpose, whether it is allowed, and which words change that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consent.matrix import NO_ROW, candidates, selection
from consent.model import GIVEN, OBJECTED, UNREFUSABLE, Decision, Link, MatrixRow, Policy, PurposeTerms
from consent.officer import Borrowed, Desk, state
from infra.ids import Purpose, Token

WITHDRAWN: Final = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One purpose as a person sees it; `no` and `yes` are the ledger's words for their answers, None where none counts.

    `notice` is what a yes must have seen (`id@version`), the newest that the policy names.
    """

    purpose: Purpose
    description: str
    allowed: bool
    reason: str
    no: str | None
    yes: str | None
    notice: str | None = None


def choices(
    desk: Desk,
    token: Token,
    holders: Mapping[Token, Link],
    *,
    at: datetime,
    jurisdictions: tuple[str, ...] = (),
    borrowed: Borrowed = (),
) -> tuple[Choice, ...]:
    """Return the choices of whoever holds `token`, in the policy's order.

    `holders` are the tokens of their profile, `borrowed` the refusals that it keeps of a profile that it parted from.
    """
    decisions = state(
        desk, holders or {token: "own"}, at=at, jurisdictions=jurisdictions, borrowed=borrowed, contact=token
    )
    return tuple(_choice(desk.policy, decision, jurisdictions) for decision in decisions)


def _choice(policy: Policy, decision: Decision, jurisdictions: tuple[str, ...]) -> Choice:
    terms = policy.purposes[decision.purpose]
    bases = {row.basis for row in _rows(policy, terms, jurisdictions)}
    refusable = bool(bases - set(UNREFUSABLE))
    return Choice(
        purpose=terms.name,
        description=terms.description,
        allowed=decision.allowed,
        reason=decision.reason,
        # a yes is withdrawn (GDPR 7(3)), an interest is objected to (21)
        no=(WITHDRAWN if "consent" in bases else OBJECTED) if refusable else None,
        yes=GIVEN if refusable else None,
        notice=terms.notices[-1] if terms.notices else None,
    )


def _rows(policy: Policy, terms: PurposeTerms, jurisdictions: tuple[str, ...]) -> tuple[MatrixRow, ...]:
    stated = jurisdictions or ((policy.jurisdiction,) if policy.jurisdiction else ())
    found = candidates(selection(policy, terms, terms.channel, None), stated, ())
    return tuple(policy.rows[row] for row in found if row != NO_ROW)
