"""What signals mean, and when that is news: a signal comes with every page, the ledger keeps its changes.

A repeated yes is the banner's memory and no new yes, so it never takes back a no that was said elsewhere. A no is kept
whenever the last word of its kind was another.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from consent.model import ALL, GIVEN, GPC, REFUSALS, ConsentEntry, Policy
from consent.signals import gpp
from consent.signals.config import SignalsConfig
from consent.signals.gpp import GppString
from consent.signals.model import BANNER, GPP, SKEW, TCF, Role, Signals, Visit, Word
from consent.signals.tcf import LONGEST, decode
from infra.ids import Purpose

REFUSED: Final = "refused"
INVALIDATED: Final = "invalidated"


def words(visit: Visit, config: SignalsConfig, policy: Policy) -> tuple[Word, ...]:
    """Return what a visit's signals mean for our purposes, strictest first."""
    signals = visit.signals
    platform = gpp.decode(signals.gpp) if signals.gpp is not None and config.gpp is not None else None
    found = [
        *_wishes(signals, platform, policy),
        *_string(visit, platform, config),
        *_optouts(signals, platform, config),
        *_categories(signals, config),
    ]
    kept = [word for word in found if not visit.refusals_only or word.action in REFUSALS]
    return tuple(sorted(kept, key=lambda word: word.action == GIVEN))


def due(word: Word, before: Iterable[ConsentEntry], visit: Visit, role: Role) -> datetime | None:
    """Return when a word counts as said, or None where it is no news to what one identifier's ledger holds."""
    known = tuple(before)
    mine = [e for e in known if e.mechanism == word.mechanism and e.scope == (word.purpose, None, None)]
    last = max(mine, key=lambda e: (e.told_at, e.action in REFUSALS, e.received_at), default=None)
    if word.mechanism == GPC:
        # It is lifted by an authenticated yes alone, and the browser that goes on wishing does not undo that.
        return visit.received_at if last is None else None
    if word.action == INVALIDATED:
        return _heard_at(visit) if last is not None and last.action == GIVEN else None
    if word.action in REFUSALS:
        return None if last is not None and last.action in REFUSALS else _heard_at(visit)
    return None if role == "other" else _given(word, known, last, visit, role)


def _given(
    word: Word, known: tuple[ConsentEntry, ...], last: ConsentEntry | None, visit: Visit, role: Role
) -> datetime | None:
    stated = word.stated_at
    if last is None:
        return None if _refused_elsewhere(word, known) else stated or _heard_at(visit)
    if last.action == GIVEN:
        renewed = stated is not None and stated > last.told_at
        return stated if renewed and not _refused_elsewhere(word, known) else None
    # Only a browser changes its mind visibly: under one who is signed in another browser may be remembering.
    if role != "browser" or (stated is not None and stated.date() < last.told_at.date()):
        return None
    # Strings tell the day: of the day of the no, the change is as new as the visit.
    return stated if stated is not None and stated > last.told_at else _heard_at(visit)


def _refused_elsewhere(word: Word, known: tuple[ConsentEntry, ...]) -> bool:
    """Say whether the newest word of another kind about the purpose is a no."""
    others = [e for e in known if e.mechanism != word.mechanism and e.purpose in {word.purpose, ALL}]
    newest = max(others, key=lambda e: (e.told_at, e.action in REFUSALS), default=None)
    return newest is not None and newest.action in REFUSALS


def _heard_at(visit: Visit) -> datetime:
    return min(visit.at, visit.received_at)


def skewed(visit: Visit) -> bool:
    """Say whether the visit's own clock was more than a day off."""
    return abs(visit.at - visit.received_at) > SKEW


def _wishes(signals: Signals, platform: GppString | None, policy: Policy) -> Iterator[Word]:
    inside = platform is not None and platform.gpc
    if signals.gpc or inside:
        evidence = _evidence("gpc", "1") if signals.gpc else _evidence(GPP, signals.gpp)
        for name, terms in policy.purposes.items():
            if terms.gpc:
                yield Word(purpose=name, action=REFUSED, mechanism=GPC, reach="everybody", evidence=evidence)


def _optouts(signals: Signals, platform: GppString | None, config: SignalsConfig) -> Iterator[Word]:
    if platform is not None and config.gpp is not None:
        for purpose, needed in config.gpp.purposes.items():
            if not platform.optouts.isdisjoint(needed):
                evidence = _evidence(GPP, signals.gpp)
                yield Word(purpose=Purpose(purpose), action=REFUSED, mechanism=GPP, evidence=evidence)


def _string(visit: Visit, platform: GppString | None, config: SignalsConfig) -> Iterator[Word]:
    text = visit.signals.tcf
    if text is None and platform is not None:
        text = platform.tcf
    if text is None or config.tcf is None:
        return
    said, evidence = decode(text), _evidence(TCF, text[:LONGEST])
    # What claims to be of tomorrow was not said yet.
    if said is not None and said.updated_at > visit.received_at + SKEW:
        said = None
    for purpose, needed in config.tcf.purposes.items():
        name = Purpose(purpose)
        if said is None:
            yield Word(purpose=name, action=INVALIDATED, mechanism=TCF, evidence=evidence)
        elif said.consents(config.tcf.vendor, frozenset(needed)):
            at = min(said.updated_at, visit.received_at)
            yield Word(
                purpose=name, action=GIVEN, mechanism=TCF, stated_at=at, notice=config.tcf.notice, evidence=evidence
            )
        else:
            yield Word(purpose=name, action=REFUSED, mechanism=TCF, evidence=evidence)


def _categories(signals: Signals, config: SignalsConfig) -> Iterator[Word]:
    if config.categories is None or not signals.categories:
        return
    told = dict(sorted(signals.categories.items()))
    for purpose, needed in config.categories.purposes.items():
        said = [told.get(category) for category in needed]
        action = REFUSED if False in said else GIVEN if all(said) else None
        if action is not None:
            evidence = _evidence("categories", {name: told[name] for name in needed if name in told})
            yield Word(
                purpose=Purpose(purpose),
                action=action,
                mechanism=BANNER,
                notice=config.categories.notice,
                evidence=evidence,
            )


def _evidence(signal: str, said: object) -> str:
    return json.dumps({"signal": signal, "said": said}, ensure_ascii=False, sort_keys=True)
