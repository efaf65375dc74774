"""The registry of erasure: every store of the house with its owner, and the house as the workflow sees it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import activation.serving
import profiles.jobs
from activation.erasure import Activated
from api.cli.books import Books, drop_scratch
from api.cli.bringing import bringing
from api.cli.telling import Telling, teller_of
from consent import kept
from consent.config import load_policy
from consent.erasure import holds
from consent.erasure.book import Book
from consent.erasure.freeze import REASON, freeze
from consent.erasure.own import Words, destroy
from consent.erasure.ports import Erasable, Facts, Subject
from consent.erasure.workflow import House
from consent.overlay import DenyOverlay
from consent.residue.certificate import CertificateFacts, Exclusion, Recipient, certificate
from consent.residue.model import Place, ScanReport
from consent.residue.needles import Needles
from consent.residue.scan import scan
from consent.store import sids
from consent.suppression import Cause, tokens_of, versions
from identity.closure import closure
from identity.erasure import Identities
from infra import shelf
from infra.clock import Clock, system_clock
from infra.identifiers import IdentifierType, load_identifier_types, record_token
from infra.ids import Sid, Token
from infra.runtime import Runtime
from infra.spark import release
from infra.workspace import Workspace
from ingestion.erasure import Facts as IngestedFacts
from profiles.changefeed.erasure import ChangesTold
from profiles.changefeed.teller import Teller
from profiles.copying import copied
from profiles.erasure import Golden, Served
from profiles.history.copying import spelled_out
from profiles.history.erasure import PastViews

AT_ONCE: Final = 0  # hours that older versions of files are kept


def stores(runtime: Runtime, request_id: str, arguments: Mapping[str, str], *, at_once: bool) -> tuple[Erasable, ...]:
    """Return every store in the order in which data flow: what comes later is derived from what came before."""
    hours = AT_ONCE if at_once else None
    golden = Golden(runtime, arguments, hours=hours)

    def publish() -> dict[str, object]:
        lake = runtime.workspace.lake_path
        filler = activation.serving.filler(lake, shelf.newest_versions(lake))
        whole = {**arguments, "whole": "yes"}
        told = Telling(runtime, system_clock)
        bring = bringing(runtime, system_clock)
        return profiles.jobs.publish(runtime, whole, (filler,), bring, told, golden.policy)

    def teller(overlay: DenyOverlay) -> Teller:
        return teller_of(runtime, overlay, system_clock)

    changes = ChangesTold(runtime.database, runtime.workspace, teller)
    return (
        Words(runtime, request_id, hours=hours),
        IngestedFacts(runtime, request_id, hours=hours),
        Identities(runtime, request_id, arguments, hours=hours),
        golden,
        Activated(runtime, request_id, arguments, hours=hours),
        Served(runtime, publish),
        changes,
        PastViews(runtime.database, runtime.workspace),
        Books(runtime.workspace, runtime.database),
    )


def house(runtime: Runtime, request_id: str, arguments: Mapping[str, str], clock: Clock) -> House:
    """Return all that an erasure needs, over one run."""
    at_once = arguments.get("at_once") == "yes"
    workspace, database = runtime.workspace, runtime.database
    found = stores(runtime, request_id, arguments, at_once=at_once)
    (activated,) = (store for store in found if isinstance(store, Activated))
    (told,) = (store for store in found if isinstance(store, ChangesTold))
    frozen = Frozen(workspace, database, clock)

    def of_person(tokens: Sequence[Token]) -> Subject:
        subject = closure(workspace, tokens)
        return replace(subject, sids=tuple(sorted(sids(database, subject.tokens).values())))

    def shred(sids: Sequence[Sid]) -> int:
        return destroy(workspace.state_path, request_id, database, sids)

    def searched(places: Sequence[Place], needles: Needles) -> ScanReport:
        release(runtime.lake.spark, workspace.state_path / "work")
        drop_scratch(workspace.state_path / "work")
        with copied(workspace), spelled_out(workspace, database):
            return scan(places, needles)

    return House(
        book=Book(database, clock),
        stores=found,
        closure=of_person,
        freeze=frozen.tokens,
        freeze_subject=frozen.subject,
        holds=lambda subject: holds.standing(database, subject.tokens, clock()),
        scan=searched,
        notify=lambda subject: (*activated.notify(subject), *told.notify(subject)),
        shred=shred,
        certify=lambda facts: _certified(workspace, runtime, facts),
        state=workspace.state_path,
        key=workspace.token_key(),
        clock=clock,
        say=runtime.say,
        at_once=at_once,
    )


class Frozen:
    """The freeze of a workspace: what any process may do at once, without Spark."""

    def __init__(self, workspace: Workspace, database: Any, clock: Clock) -> None:
        self._workspace, self._database, self._clock = workspace, database, clock
        self._kinds, self._keys = load_identifier_types(workspace), workspace.token_keys()

    def tokens(self, request_id: str, tokens: Sequence[tuple[int, Token]]) -> None:
        """Freeze the bearers of tokens."""
        overlay = DenyOverlay.open(self._workspace.serving_path)
        try:
            cause = Cause(reason=REASON, request_id=request_id, at=self._clock())
            kept.note(self._workspace.root, tokens, cause)
            freeze(self._database, overlay, tokens, cause, load_policy(self._workspace).controller)
        finally:
            overlay.close()

    def subject(self, request_id: str, subject: Subject) -> None:
        """Freeze everything that is a person's alone: each value in every form, and the rows known by their own key."""
        self.tokens(request_id, spelled(self._keys, self._kinds, subject))


def spelled(
    keys: Mapping[int, bytes], kinds: Mapping[str, IdentifierType], subject: Subject
) -> tuple[tuple[int, Token], ...]:
    """Return the tokens of a subject's values in every form under every key, and of their rows; none that is shared."""
    found = {(v, t) for kind, value in subject.values if kind in kinds for v, t in tokens_of(keys, kinds, kind, value)}
    for number, key in keys.items():
        found |= {(number, record_token(key, source, own)) for source, own in subject.source_keys}
    newest = max(keys)
    found |= {(newest, token) for token in subject.tokens}
    return tuple(sorted((v, t) for v, t in found if t not in set(subject.shared)))


def _certified(workspace: Workspace, runtime: Runtime, facts: Facts) -> Mapping[str, Any]:
    nonce = secrets.token_bytes(32)
    shared = [
        Exclusion(store="review", reason=f"{len(facts.subject.shared)} identifiers lead to other people too",
                  ground="their own data")
    ] if facts.subject.shared else []  # fmt: skip
    stays = [Exclusion(store=store, reason=why, ground=why) for store, why in sorted(facts.stays.items())]
    document = certificate(
        CertificateFacts(
            certificate_id=facts.request_id,
            request_id=facts.request_id,
            controller=load_policy(workspace).controller,
            identifiers=tuple(f"{kind}:{value}" for kind, value in facts.subject.values),
            nonce=nonce,
            before=facts.before,
            after=facts.after,
            exclusions=(*shared, *stays),
            recipients=tuple(
                Recipient(
                    id=n.recipient, notified_at=n.notified_at, acknowledged_at=n.acknowledged_at, outcome=n.outcome
                )
                for n in facts.notices
            ),
            keys_destroyed=(f"{facts.keys_destroyed} subject keys",),
            retained=(),
            suppression_versions=versions(runtime.database),
            started_at=facts.started_at,
            finished_at=facts.finished_at,
            tool_version=version("kindred"),
        ),
        workspace.signer(),
    )
    return document | {"nonce": nonce.hex()}
