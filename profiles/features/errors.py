"""What can go wrong with feature sets."""

from collections.abc import Collection

from infra.errors import Malformed, Missing


class UnknownFeatureSet(Missing):
    """A feature set that the workspace does not declare."""

    def __init__(self, declared: Collection[str]) -> None:
        listed = ", ".join(sorted(declared)) or "none"
        super().__init__(f"this workspace declares no such feature set; declared: {listed}")


class OtherPurpose(Malformed):
    """A feature set that is asked for another purpose than the one it is declared for."""

    def __init__(self, declared: str) -> None:
        super().__init__(f"the feature set is declared for another purpose; ask for {declared}")
