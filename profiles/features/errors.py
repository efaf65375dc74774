"""What can go wrong with feature sets."""

from collections.abc import Collection

from infra.errors import Malformed, Missing, Refused


class UnknownFeatureSet(Missing):
    """A feature set that the workspace does not declare."""

    def __init__(self, declared: Collection[str]) -> None:
        listed = ", ".join(sorted(declared)) or "none"
        super().__init__(f"this workspace declares no such feature set; declared: {listed}")


class OtherPurpose(Malformed):
    """A feature set that is asked for another purpose than the one it is declared for."""

    def __init__(self, declared: str) -> None:
        super().__init__(f"the feature set is declared for another purpose; ask for {declared}")


class AudienceUntold(Refused):
    """A feature set with audiences, of which a training set is asked for."""

    def __init__(self, features: Collection[str]) -> None:
        super().__init__(
            f"who was in an audience at a moment of the past is not kept ({', '.join(sorted(features))}); "
            "declare the traits that the audience is made of, in a feature set of their own"
        )
