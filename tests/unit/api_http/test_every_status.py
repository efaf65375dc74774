"""Every status that the OpenAPI document names is brought about by a request, and the answer is as it says."""

from collections.abc import Iterator
from typing import Any

import pytest
from every_status import CASES, COLLECTED, Case, collecting, shown
from read_routes import ROUTES
from whole_shop import WholeShop

from api.http.app import declared_app

pytestmark = pytest.mark.anyio
# Documented, and brought about by no request here; each with the reason.
NOT_HERE: dict[tuple[str, int], str] = {}


def documented() -> Iterator[tuple[str, str, int]]:
    """Yield path, operation and status of all that the reads of profiles (test_statuses.py) leave."""
    for path, operations in declared_app().openapi()["paths"].items():
        for operation in operations.values():
            for status in operation["responses"] if path not in ROUTES else ():
                yield path, operation["operationId"], int(status)


DOCUMENTED = sorted(documented())


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeShop]:
    made = WholeShop(tmp_path_factory.mktemp("whole") / "shop")
    yield made
    made.close()


def case_of(shop: WholeShop, path: str, name: str) -> Case:
    return collecting(COLLECTED[path], shop.keys["web"]) if path in COLLECTED else CASES[name]


def test_what_is_left_out_is_documented_and_little() -> None:
    assert NOT_HERE.keys() <= {(name, status) for _, name, status in DOCUMENTED}
    assert len(NOT_HERE) <= 5
    names = {name for path, name, _ in DOCUMENTED if path not in COLLECTED}
    assert names == CASES.keys(), "each operation has its case, and no case is left of one that went"


@pytest.mark.parametrize(("path", "name", "status"), DOCUMENTED)
async def test_every_documented_status_is_shown(shop: WholeShop, path: str, name: str, status: int) -> None:
    if (name, status) in NOT_HERE:
        return
    answer = await shown(shop, case_of(shop, path, name), status)
    assert answer.status_code == status, answer.text[:300]
    assert "@example" not in answer.text or status < 300
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    if status >= 400 and path not in COLLECTED:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
    if status >= 400 and path in COLLECTED:
        told: dict[str, Any] = answer.json()
        assert (set(told), told["success"]) == ({"success", "code", "message"}, False)
