"""Which feature sets the past can be told of."""

from collections.abc import Mapping

from profiles.features.declared import FeatureSet
from profiles.features.errors import AudienceUntold, UnknownFeatureSet


def asked_for(declared: Mapping[str, FeatureSet], name: str) -> FeatureSet:
    """Return a feature set of which the past can be told; raise where there is none, or one with audiences."""
    if name not in declared:
        raise UnknownFeatureSet(declared)
    audiences = [one.name for one in declared[name].features if one.part == "audiences"]
    if audiences:
        raise AudienceUntold(audiences)
    return declared[name]
