"""What keeps an erasure from being certified."""

from collections.abc import Sequence

from infra.errors import Refused

_SHOWN = 12


class NotCertifiable(Refused):
    """Something was found, or not seen, and no exclusion says why."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        listed = "; ".join([*problems[:_SHOWN], *more])
        super().__init__(
            f"no certificate can be given: {listed}. Erase what is left, or exclude the store and say on which ground"
        )
