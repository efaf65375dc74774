"""The nouns of consent: what was said, what is asked, what the policy rules, what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from infra.ids import Purpose, Sid

Link = Literal["own", "verified", "probable"]
Tie = Link | Literal["parted"]
Basis = Literal[
    "consent", "opt_out", "legitimate_interest", "contract", "legal_obligation", "vital_interest", "public_task"
]
Level = Literal["person", "contact"]

# The purpose of a word that was said about every purpose at once.
ALL: Final = Purpose("all")

GIVEN: Final = "given"
OBJECTED: Final = "objected"
RESTRICTED: Final = "restricted"
UNRESTRICTED: Final = "unrestricted"
REFUSALS: Final = ("refused", "withdrawn", OBJECTED)
ENDINGS: Final = ("expired", "invalidated")
ACTIONS: Final = (GIVEN, *REFUSALS, RESTRICTED, UNRESTRICTED, *ENDINGS, "acknowledged")
GPC: Final = "gpc"
DOUBLE_OPT_IN: Final = "double_opt_in"
MECHANISMS: Final = ("banner", "centre", GPC, "tcf", "gpp", "import", "agent", "operator", DOUBLE_OPT_IN)
# 11 CCR 7025(c)(3): the signal of a browser gives way only to a person who is known and was told of the conflict.
AUTHENTICATED: Final = ("centre", "operator", DOUBLE_OPT_IN)
GUARDIAN: Final = "guardian"

LINKS: Final[tuple[Link, ...]] = ("own", "verified", "probable")
# The sid of somebody who was taken for this person once: its refusals are heeded, its yeses are nobody's business here.
PARTED: Final = "parted"
# A grant is worth something only where we know whose it is; a refusal is heeded wherever it may be meant.
GRANT_LINKS: Final[Mapping[Level, tuple[Link, ...]]] = {"person": ("own", "verified"), "contact": ("own",)}

# The youngest age of each band; a band that was stated in the past has grown older since.
AGE_BANDS: Final[Mapping[str, int]] = {"u13": 0, "13_15": 13, "16_17": 16, "adult": 18}
DAYS_A_YEAR: Final = 366

# Every reason, strictest first: where several rows of the matrix may apply, the one that comes first here decides.
DENIALS: Final = (
    "suppressed",
    "restricted",
    "no_basis",
    "age",
    "gpc",
    "objected",
    "withdrawn",
    "refused",
    "notice_changed",
    "expired",
    "link",
    "no_consent",
)
BASES: Final[tuple[Basis, ...]] = (
    "consent",
    "opt_out",
    "legitimate_interest",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_task",
)
REASONS: Final[tuple[str, ...]] = (*DENIALS, *BASES)
RANK: Final[Mapping[str, int]] = {reason: rank for rank, reason in enumerate(REASONS)}
# Bases that hold although somebody refused: a contract is performed, a law is obeyed.
UNREFUSABLE: Final[tuple[Basis, ...]] = ("contract", "legal_obligation", "vital_interest", "public_task")

COARSE: Final[Mapping[str, str]] = {
    **dict.fromkeys(DENIALS, "consent"),
    **dict.fromkeys(BASES, "allowed"),
    "no_basis": "policy",
    "age": "policy",
    "link": "link",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """One word in the ledger: who (by sid) said what about which purpose, when, and how we know. Never edited."""

    id: str
    sid: Sid
    identifier_kind: str
    purpose: Purpose
    action: str
    mechanism: str
    occurred_at: datetime
    received_at: datetime
    controller: str = "self"
    channel: str | None = None
    recipient: str | None = None
    basis: str | None = None
    jurisdiction: str | None = None
    notice_id: str | None = None
    notice_version: str | None = None
    notice_hash: str | None = None
    notice_language: str | None = None
    asserted_by: str = "subject"
    age_band: str | None = None
    effective_from: datetime | None = None
    expires_at: datetime | None = None
    supersedes: str | None = None
    evidence: str | None = None

    @property
    def told_at(self) -> datetime:
        """When it was said; a clock that runs ahead cannot say it later than we heard it."""
        return min(self.occurred_at, self.received_at)

    @property
    def scope(self) -> tuple[str, str | None, str | None]:
        """What it was said about: only a word of the same scope takes it back."""
        return (self.purpose, self.channel, self.recipient)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeTerms:
    """A purpose as the policy declares it."""

    name: Purpose
    line: int
    description: str = ""
    fideslang: str | None = None
    min_link: Link = "probable"
    level: Level = "person"
    channel: str | None = None
    direct_marketing: bool = False
    gpc: bool = False
    notices: tuple[str, ...] = ()

    def readable_links(self) -> tuple[Link, ...]:
        """Return the link classes over which a value may come to be shown for this purpose."""
        return LINKS[: LINKS.index(self.min_link) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One row of the matrix: on which basis a purpose rests in a jurisdiction, and within which limits."""

    purpose: Purpose
    basis: Basis
    line: int
    jurisdiction: str = "*"
    channel: str | None = None
    recipient: str | None = None
    expires_after_days: int | None = None
    min_age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One version of what people are shown, with the digest of its text in each language."""

    id: str
    version: str
    material: bool = True
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The notice as words and purposes name it."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The privacy officer's policy as data; `version` changes with every change of its content.

    `masks` are the fields that a purpose does not see whole; `shortened` those of them of which it sees the beginning,
    and how many characters.
    """

    version: str
    purposes: Mapping[Purpose, PurposeTerms]
    rows: tuple[MatrixRow, ...]
    masks: Mapping[Purpose, tuple[str, ...]]
    controller: str = "self"
    jurisdiction: str | None = None
    file: str = "policy.yaml"
    notices: tuple[Notice, ...] = ()
    shortened: Mapping[Purpose, Mapping[str, int]] = field(default_factory=dict)

    def place(self, line: int) -> str:
        """Return where a line stands, as decisions quote it."""
        return f"{self.file}:{line}"


@dataclass(frozen=True, slots=True)
class Holder:
    """One sid of the person asked about, and how surely it is theirs."""

    sid: Sid
    link: Tie


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this person's data be used for this purpose? All that the answer may depend on."""

    purpose: Purpose
    as_of: datetime
    holders: tuple[Holder, ...] = ()
    entries: tuple[ConsentEntry, ...] = ()
    contact: Sid | None = None
    channel: str | None = None
    recipient: str | None = None
    jurisdictions: tuple[str, ...] = ()
    age_band: str | None = None
    frozen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, why, by which line of the policy, and the ledger entries it rests on."""

    purpose: Purpose
    allowed: bool
    reason: str
    policy_line: str
    policy_version: str
    entries: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def because(self) -> str:
        """The coarse reason that any reader may see."""
        return COARSE[self.reason]
