"""Everything that can go wrong. No message holds an identifier, a key or an address.

KindredError
+ Unreachable       no answer came
+ Unreadable        an answer that is not of this interface
+ Split             the id was split; `successors` answer for it
+ Problem           the server said no, in the words of a problem document
  + Invalid         400, 413, 422: the request is not as declared
  + Unauthorized    401: no key, or one that opens nothing
  + Denied          403: the key lacks the scope or the purpose
  + NotFound        404: unknown, erased or denied, all alike
  + Gone            410: what was seen at that moment, or heard behind that place, is not shown any more
  + TooFast         429: `retry_after` says how long to wait
  + Unavailable     503: not now; `retry_after` may say when
"""

from collections.abc import Mapping


class KindredError(Exception):
    """Whatever went wrong in asking."""


class Unreachable(KindredError):
    """No answer came, by the end of all tries."""

    def __init__(self, kind: str, tries: int) -> None:
        self.kind, self.tries = kind, tries
        super().__init__(f"no answer from the server ({kind}) in {tries} {'try' if tries == 1 else 'tries'}")


class Unreadable(KindredError):
    """An answer that this client does not understand: another server, or another release."""

    def __init__(self, wrong: str, status: int) -> None:
        self.status = status
        super().__init__(f"the answer (status {status}) is not one of this interface: {wrong}")


class Split(KindredError):
    """The id was split: several people answer for it now."""

    def __init__(self, successors: tuple[str, ...]) -> None:
        self.successors = successors
        super().__init__(f"this id was split; {len(successors)} people answer for it: see `successors`")


class Problem(KindredError):
    """A problem document (RFC 9457); `places` says what of the request is not as declared."""

    def __init__(
        self, status: int, title: str, detail: str, *, kind: str, error_id: str | None, places: Mapping[str, str]
    ) -> None:
        self.status, self.title, self.detail = status, title, detail
        self.kind, self.error_id, self.places = kind, error_id, places
        told = "".join(f"; {place} {wrong}" for place, wrong in places.items())
        known = f" (error id {error_id})" if error_id else ""
        super().__init__(f"{status} {title}: {detail}{told}{known}")


class Invalid(Problem):
    """The request is not as declared."""


class Unauthorized(Problem):
    """No key, or one that opens nothing."""


class Denied(Problem):
    """The key lacks the scope or the purpose."""


class NotFound(Problem):
    """Unknown, erased, denied for this purpose, or shared by several people: treat them as a stranger."""


class Gone(Problem):
    """What was asked for was there and is not shown any more."""


class _Later(Problem):
    retry_after: float | None = None


class TooFast(_Later):
    """More requests than the key may make; `retry_after` says how many seconds to wait."""


class Unavailable(_Later):
    """The server cannot answer now; `retry_after` may say in how many seconds it can."""


KINDS: Mapping[int, type[Problem]] = {
    400: Invalid,
    401: Unauthorized,
    403: Denied,
    404: NotFound,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooFast,
    503: Unavailable,
}
