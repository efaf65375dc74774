"""What the stream workers say of themselves, together: in readiness and in the metrics."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.http.following import Following, status_name
from api.http.routes.health import _followed, _online

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def said(folder: Path, number: int, waiting: dict[str, int], *, ago: float = 1, trouble: str = "") -> None:
    told = {
        "at": (NOW - timedelta(seconds=ago)).isoformat(), "generation": "00000003", "applied": 40 + number,
        "behind_seconds": 0.02 * (number + 1), "trouble": trouble, "waiting": waiting,
    }  # fmt: skip
    (folder / status_name(number)).write_text(json.dumps(told))


def test_two_workers_are_told_as_one(tmp_path: Path) -> None:
    said(tmp_path, 0, {"web/0": 3})
    said(tmp_path, 1, {"web/1": 1_200})
    following = Following(tmp_path, lambda: NOW, 2)
    assert _online(following.told) == "0.040 s behind, 1,203 entries of 2 partitions unread"
    text = _followed(following.told())
    assert "kindred_online_events_total 81\n" in text
    assert 'kindred_online_unread_entries{source="web",partition="0"} 3\n' in text
    assert 'kindred_online_unread_entries{source="web",partition="1"} 1200\n' in text
    assert "kindred_online_waits 0" in text


def test_one_of_two_that_is_silent_is_told(tmp_path: Path) -> None:
    said(tmp_path, 0, {"web/0": 3})
    following = Following(tmp_path, lambda: NOW, 2)
    assert _online(following.told) == "waits: no worker has said anything yet"
    said(tmp_path, 1, {"web/1": 5}, ago=60)
    assert _online(following.told) == "waits: the worker is silent"
    assert following.told()["waiting"] == {"web/0": 3}


def test_a_spool_has_no_partitions_to_tell(tmp_path: Path) -> None:
    said(tmp_path, 0, {})
    following = Following(tmp_path, lambda: NOW)
    assert _online(following.told) == "0.020 s behind"
    assert "unread" not in _followed(following.told())
