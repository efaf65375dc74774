"""The demo's feature set: a row for a model follows what its purpose may see."""

from collections.abc import Mapping

from api.cli.acting import Stage, proven
from api.cli.console import table

_SET, _PURPOSE = "basket", "personalization"


def fed(stage: Stage, identifier: Mapping[str, str], *, seen: bool) -> None:
    """Show the row that a model gets of a person: their values, or the defaults of a stranger."""
    body = {"feature_set": _SET, "purpose": _PURPOSE, "people": [identifier]}
    status, told = stage.client.post("/v1/features", body)
    proven("the feature set is served", holds=status == 200)
    (row,) = told["rows"]
    names = [column["name"] for column in told["features"]]
    table("a row for a model", ["found", *names, "status"], [(row["found"], *row["values"], row["status"])])
    if seen:
        proven("the model is fed with the person's values", holds=row["found"] and "p" in row["status"])
    else:
        proven("the model is fed with defaults alone", holds=not row["found"] and set(row["status"]) == {"d"})
