"""What keeps a maintenance from going on."""

from collections.abc import Mapping, Sequence

from infra.errors import Broken, Refused


class TooMuchAtOnce(Refused):
    """Most of a table would go: a rule may be new, or wrong, or the machine's clock is."""

    def __init__(self, tables: Sequence[tuple[str, int, int]]) -> None:
        listed = "; ".join(f"{name}: {going:,} of {rows:,} rows" for name, going, rows in tables)
        super().__init__(
            f"more than half of a table would go, so nothing went: {listed}. Look with `kindred maintain --dry-run`, "
            "and if that is what you want, say `kindred maintain --anyway`"
        )


class WentAndIsThere(Broken):
    """Something that was let go is still there."""

    def __init__(self, left: Mapping[str, int]) -> None:
        super().__init__(
            f"of what was let go something is there: {', '.join(left)}. Mend that; say `kindred maintain` again"
        )
