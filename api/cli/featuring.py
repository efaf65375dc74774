"""Feature sets held against everything that they name: the traits, what sources tell, the audiences, the policy."""

from activation.config import load_activation
from consent.config import load_policy
from infra.identifiers import load_identifier_types
from infra.workspace import Workspace
from ingestion.config import load_sources
from profiles.config import load_settings
from profiles.features.declared import FeatureSet, Known, load_features
from profiles.rulebook import Rulebook


def checked(workspace: Workspace) -> dict[str, FeatureSet]:
    """Return the feature sets by name; raise `ConfigurationError` where one names what no profile will have."""
    policy = load_policy(workspace)
    contacts = Rulebook(policy, load_identifier_types(workspace)).contact_types()
    told = {name for source in load_sources(workspace) for name in source.fields}
    audiences = {one.audience: one.purpose for one in load_activation(workspace).audiences}
    return load_features(workspace, Known(load_settings(workspace), policy, frozenset({*told, *contacts}), audiences))
