"""`consent/signals.yaml`: which signal stands for which purpose. Without the file only the browser's wish counts."""

from datetime import date
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from consent.model import Policy
from consent.signals.gpp import OptOut
from infra.errors import ConfigurationError
from infra.workspace import Workspace

SIGNALS_FILE: Final = "consent/signals.yaml"
# The first purposes that have a bit in a TC string; what comes after is not spoken of there.
_PURPOSES: Final = 24

DottedPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}$")]
Notice = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,120}(@[^@\s]{1,60})?$")]
TcfPurpose = Annotated[int, Field(ge=1, le=_PURPOSES)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GpcConfig(_Section):
    """Where an event says what its browser wishes; the header `Sec-GPC` counts in any case."""

    paths: tuple[DottedPath, ...] = ("context.gpc", "context.globalPrivacyControl", "context.consent.gpc")
    last_update: date | None = Field(default=None, description="what /.well-known/gpc.json tells as its last update")


class TcfConfig(_Section):
    """Which of our purposes rests on which purposes of the framework, for which vendor."""

    vendor: int = Field(ge=1, le=65_535, description="our number in the Global Vendor List")
    paths: tuple[DottedPath, ...] = ("context.consent.tcString", "context.consent.tcfString", "context.tcString")
    purposes: dict[str, Annotated[tuple[TcfPurpose, ...], Field(min_length=1)]] = Field(min_length=1)
    notice: Notice | None = Field(default=None, description="id@version of what the banner shows")


class GppConfig(_Section):
    """Which of our purposes an opt-out in a section of the States refuses."""

    paths: tuple[DottedPath, ...] = ("context.consent.gppString", "context.consent.gpp", "context.gppString")
    purposes: dict[str, Annotated[tuple[OptOut, ...], Field(min_length=1)]] = Field(min_length=1)


class CategoriesConfig(_Section):
    """Which categories of a banner speak of which of our purposes."""

    paths: tuple[DottedPath, ...] = ("context.consent.categoryPreferences",)
    purposes: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(min_length=1)
    notice: Notice | None = Field(default=None, description="id@version of what the banner shows")


class DoubleOptInConfig(_Section):
    """How long a request by mail may wait for its confirmation."""

    hours: int = Field(default=48, ge=1, le=24 * 30)


class SignalsConfig(_Section):
    """`consent/signals.yaml`."""

    gpc: GpcConfig = GpcConfig()
    tcf: TcfConfig | None = None
    gpp: GppConfig | None = None
    categories: CategoriesConfig | None = None
    double_opt_in: DoubleOptInConfig = DoubleOptInConfig()


def load_signals(workspace: Workspace, policy: Policy) -> SignalsConfig:
    """Return what the workspace says of signals; raise `ConfigurationError` with the line that is wrong."""
    if not (workspace.root / SIGNALS_FILE).is_file():
        return SignalsConfig()
    config = workspace.load(SIGNALS_FILE, SignalsConfig)
    tree = workspace.lines(SIGNALS_FILE)
    for name, section in (("tcf", config.tcf), ("gpp", config.gpp), ("categories", config.categories)):
        if section is not None:
            _check(name, section.purposes, policy, tree)
    return config


def _check(name: str, purposes: dict[str, Any], policy: Policy, tree: Any) -> None:
    for purpose in purposes:
        if purpose not in policy.purposes:
            line = tree[name]["purposes"].lc.key(purpose)[0] + 1
            right = f"known purposes: {', '.join(policy.purposes)}"
            where = f"{name}.purposes.{purpose}"
            raise ConfigurationError(SIGNALS_FILE, line, where, f"unknown purpose `{purpose}`", right)
