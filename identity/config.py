"""`identity.yaml`: identifier types, comparisons, blocking rules, evidence, thresholds, limits."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from identity.clustering.cluster import Rules
from identity.clustering.health import Borders
from identity.clustering.limits import Limit
from identity.matching.comparisons import COMPARISONS, NUMBER
from identity.model import MICRO
from infra.errors import ConfigurationError
from infra.identifiers import IdentifierTypes
from infra.workspace import Workspace

BLOCKING_KEYS = {
    "given_name": "given_name",
    "given_form": "unnest(given_forms)",
    "given_initial": "substr(given_name, 1, 1)",
    "given_start": "substr(given_name, 1, 3)",
    "family_name": "family_name",
    "family_start": "substr(family_name, 1, 3)",
    "family_consonants": (
        "array_to_string(list_filter(string_split(family_name, ''), "
        "lambda x: x NOT IN ('a', 'e', 'i', 'o', 'u', 'y', 'h', 'w', ' ')), '')"
    ),
    "any_name": "unnest([given_name, family_name])",
    "birth_date": "birth_date",
    "birth_year": "substr(birth_date, 1, 4)",
    "birth_day": "substr(birth_date, 6)",
    "street": "street",
    "house_number": "CASE WHEN street IS NOT NULL THEN nullif(regexp_extract(street, '^[0-9]+'), '') END",
    "city": "city",
    "postcode": "postcode",
    "postal_area": "CASE WHEN length(postcode) >= 4 THEN substr(postcode, 1, length(postcode) - 2) END",
    "handle": "handle",
    "mailbox": "unnest(list_transform(emails, lambda x: split_part(x, '@', 1)))",
    "phone": "unnest(phones)",
    "phone_start": "unnest(list_transform(phones, lambda x: substr(x, 1, length(x) - 4)))",
    "phone_end": "unnest(list_transform(phones, lambda x: substr(x, -6)))",
}
"""What blocking rules may be made of, as expressions over `record_features`."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Section):
    """What sharing an identifier is worth, in bits, by the two things that it must be told from.

    `stranger`: against two people who have nothing to do with each other. `household`: against two members of
    one household. `follow`: what it is worth to a bare record, which may only follow a person.
    """

    stranger: float = Field(ge=0, le=60)
    household: float = Field(ge=0, le=60)
    follow: float = Field(ge=0, le=60)


class EvidenceByStrength(_Section):
    """The worth of each strength that an identifier type may have."""

    decisive: Evidence = Evidence(stranger=36, household=10, follow=12)
    strong: Evidence = Evidence(stranger=24, household=4, follow=8)
    weak: Evidence = Evidence(stranger=16, household=0, follow=4)
    anonymous: Evidence = Evidence(stranger=0, household=0, follow=2)


class Thresholds(_Section):
    """In bits. A pair above `merge` makes its records candidates for one person; the others shape clusters."""

    merge: float = 1.0
    keep: float = Field(default=-3.0, description="pairs above are stored though nobody is merged by them")
    caution: float = Field(default=4.0, ge=0, description="where families live: joining two is worse than missing one")
    cluster: float = Field(default=0.0, description="mean weight down to which clusters still merge")
    strong_negative: float = Field(default=-3.0, description="one such pair forbids the merge of two persons")
    margin: float = Field(default=1.0, ge=0, description="a record must fit one person better than another by so much")
    clip: float = Field(default=12.0, gt=0, description="no single pair counts more than this in a mean")
    follow_margin: float = Field(
        default=2.0, ge=1, description="how much likelier than the next a bare record's person is"
    )


class Limits(_Section):
    """What keeps work and damage bounded."""

    block: int = Field(default=250, ge=2, description="records in a block above which a rule is silent")
    complete: int = Field(default=64, ge=2, description="components up to here get every pair scored")
    jumbo: int = Field(default=400, ge=2, description="components above are cut at higher thresholds")
    profile_size: int = Field(default=150, ge=2, description="larger profiles are held at publishing")


class Health(_Section):
    """Beyond these a profile is held: its former version stays served, and a steward is asked. Null holds nobody."""

    density: float | None = Field(default=0.15, ge=0, le=1, description="share of pairs inside that evidence joins")
    weakest: float | None = Field(default=None, description="bits of the weakest tie inside")
    negative_share: float | None = Field(default=0.5, ge=0, le=1, description="share of ties that a comparison denies")
    births: int | None = Field(default=3, ge=1, description="different dates of birth")
    forenames: int | None = Field(default=5, ge=1, description="different given names")
    phones: int | None = Field(default=8, ge=1, description="different phone numbers")


class Review(_Section):
    """What stewards are asked: pairs within `window` bits of the border, and at most so many of a kind at a time."""

    window: float = Field(default=1.0, ge=0, description="bits on either side of `thresholds.merge`")
    most: int = Field(default=200, ge=1)


class ModelRule(_Section):
    """When the model is trained: once, and again when the records have grown by a factor."""

    retrain_when_grown: float | None = Field(default=3.0, gt=1)
    sample_pairs: int = Field(default=600_000, ge=10_000)
    seed: int = 1
    rare: int = Field(default=3, ge=1, description="values seen less often are not kept as frequencies")


class Cookies(_Section):
    """How far a login reaches on an anonymous id; days and minutes."""

    look_back_days: float = Field(default=30.0, ge=0)
    login_lasts_days: float = Field(default=365.0, ge=0)
    session_minutes: float = Field(default=30.0, gt=0)
    kiosk_logins: int = Field(default=5, ge=2, description="more logins make an id a kiosk's: only its sessions count")
    kiosk_minutes: float = Field(default=10.0, gt=0, description="a pause after which somebody else may stand there")
    logout_events: tuple[str, ...] = ("Signed Out", "Logged Out")


class IdentityConfig(_Section):
    """The whole of `identity.yaml`."""

    identifiers: IdentifierTypes
    comparisons: tuple[str, ...] = tuple(COMPARISONS)
    blocking: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = (
        ("birth_date",),
        ("family_start", "given_start"),
        ("given_form", "family_start"),
        ("family_consonants", "given_initial"),
        ("family_name", "birth_year"),
        ("birth_day", "family_start"),
        ("birth_year", "city"),
        ("any_name", "city"),
        ("any_name", "postal_area"),
        ("given_start", "postcode"),
        ("family_start", "postcode"),
        ("street",),
        ("handle",),
        ("mailbox",),
        ("phone_start",),
        ("phone_end",),
    )
    training: tuple[tuple[str, ...], ...] = (("birth_date",), ("given_name", "family_name"))
    evidence: EvidenceByStrength = EvidenceByStrength()
    thresholds: Thresholds = Thresholds()
    limits: Limits = Limits()
    health: Health = Health()
    review: Review = Review()
    model: ModelRule = ModelRule()
    cookies: Cookies = Cookies()

    @field_validator("comparisons")
    @classmethod
    def _comparisons_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(COMPARISONS))
        if unknown:
            raise ValueError(f"unknown comparison {', '.join(unknown)}; known are {', '.join(COMPARISONS)}")
        return names

    @field_validator("training")
    @classmethod
    def _columns_known(cls, rules: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        columns = [key for key, expression in BLOCKING_KEYS.items() if key == expression]
        unknown = sorted({key for rule in rules for key in rule} - set(columns))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} cannot train the model; use {', '.join(columns)}")
        return rules

    @field_validator("blocking")
    @classmethod
    def _keys_known(cls, rules: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        unknown = sorted({key for rule in rules for key in rule} - set(BLOCKING_KEYS))
        if unknown:
            raise ValueError(f"unknown blocking key {', '.join(unknown)}; known are {', '.join(BLOCKING_KEYS)}")
        return rules

    @model_validator(mode="after")
    def _unique_types_are_compared(self) -> "IdentityConfig":
        unique = sorted(name for name, kind in self.identifiers.items() if kind.unique)
        if unique and NUMBER not in self.comparisons:
            raise ValueError(f"{', '.join(unique)}: unique has no effect; add {NUMBER} to comparisons")
        return self


def load_identity(workspace: Workspace) -> IdentityConfig:
    """Return the workspace's identity configuration."""
    return workspace.load("identity.yaml", IdentityConfig)


def overridden(config: IdentityConfig, keys: Mapping[str, str]) -> IdentityConfig:
    """Return the configuration with single keys changed (`thresholds.merge`: `2`); raise `ConfigurationError` for a wrong one."""
    tree = config.model_dump()
    for path, text in keys.items():
        *above, last = path.split(".")
        node: Any = tree
        for step in above:
            node = node.get(step) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            known = ", ".join(IdentityConfig.model_fields)
            raise ConfigurationError("--set", None, path, "unknown key", f"a path of identity.yaml, such as {known}")
        try:
            node[last] = YAML(typ="safe").load(text)
        except YAMLError:
            raise ConfigurationError("--set", None, path, "broken YAML", "write a number, a word or a list") from None
    try:
        return IdentityConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigurationError("--set", None, ".".join(map(str, first["loc"])), first["msg"]) from None


def compared(config: IdentityConfig) -> tuple[str, ...]:
    """Return the comparisons that a model is made of: numbers only where a type is unique."""
    unique = any(kind.unique for kind in config.identifiers.values())
    return tuple(name for name in config.comparisons if unique or name != NUMBER)


def timed(config: IdentityConfig) -> tuple[str, ...]:
    """Return the identifier types of which it must be known when a record carried a value."""
    within = {name for name, kind in config.identifiers.items() if kind.limit and kind.limit.days is not None}
    return tuple(name for name in config.identifiers if name in within or name in recycled(config))


def recycled(config: IdentityConfig) -> dict[str, int]:
    """Return after how many seconds without a sighting a value may be somebody else's, by type; a digest as what it is of."""
    days = {name: kind.recycled_after_days for name, kind in config.identifiers.items()}
    own = {name: days[name] or days.get(kind.digest_of or "") for name, kind in config.identifiers.items()}
    return {name: round(pause * _DAY) for name, pause in own.items() if pause}


_DAY = 86_400


def rules(config: IdentityConfig) -> Rules:
    """Return what the configuration says about clusters, in micro-bits."""
    borders = config.thresholds
    return Rules(
        merge=round(borders.cluster * MICRO),
        strong_negative=round(borders.strong_negative * MICRO),
        clip=round(borders.clip * MICRO),
        margin=round(borders.margin * MICRO),
        follow_margin=borders.follow_margin,
        limits={n: Limit(kind.limit.values, kind.limit.days) for n, kind in config.identifiers.items() if kind.limit},
    )


def health_borders(config: IdentityConfig) -> Borders:
    """Return what the configuration says about profiles too large or too strange to publish."""
    said = config.health
    return Borders(
        size=config.limits.profile_size,
        density=said.density,
        weakest_micro=None if said.weakest is None else round(said.weakest * MICRO),
        negative_share=said.negative_share,
        births=said.births,
        forenames=said.forenames,
        phones=said.phones,
    )
