"""`kindred try` as a stranger types it: files that nobody described become served profiles, with what is doubtful."""

import csv
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.nightly, pytest.mark.timeout(1800)]
KINDRED = [sys.executable, "-m", "api.cli.main"]
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "TZ": "Pacific/Auckland", "PYTHONUNBUFFERED": "1"}
GIVEN = ("Margaret", "Robert", "Susan", "Thomas", "Linda", "William", "Barbara", "Richard", "Elizabeth", "Joseph")
FAMILY = ("Whitcombe", "Ashdown", "Pemberton", "Lockhart", "Fairbanks", "Holloway", "Winslow", "Kingsley", "Merrick")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Two systems that know the same people, and what they bought; written as their systems write."""
    chance = random.Random(5)  # noqa: S311 - the same people each time, no secret
    folder = tmp_path / "exports"
    folder.mkdir()
    people = [
        (chance.choice(GIVEN), chance.choice(FAMILY), f"{1940 + n % 60}", n % 12 + 1, n % 28 + 1) for n in range(300)
    ]
    with (folder / "crm.csv").open("w", encoding="cp1252", newline="") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(["Kundennummer", "Vorname", "Nachname", "Geburtsdatum", "E-Mail", "PLZ", "Stand"])
        for n, (given, family, year, month, day) in enumerate(people):
            mail = f"{given}.{family}.{n}@example.org".lower()
            born, of = f"{day:02}.{month:02}.{year}", f"2024-02-{n % 28 + 1:02}"
            out.writerow([f"K{n:05}", given, family, born, mail, f"{20000 + n}", of])
    with (folder / "shop.ndjson").open("w", encoding="utf-8") as file:
        for n, (given, family, year, month, day) in enumerate(people[::2]):
            file.write(
                f'{{"user_id": "u{n:06x}", "name": {{"first": "{given}", "last": "{family}"}}, "birthday": '
                f'"{year}-{month:02}-{day:02}", "email": "{given}.{family}.{2 * n}@example.org", "updated_at": '
                f'"2024-03-01T10:00:00Z"}}\n'
            )
    with (folder / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "kunde", "ordered_at", "product_id", "quantity", "amount"])
        for n in range(900):
            out.writerow(
                [n, f"K{n % 300:05}", f"2024-04-{n % 28 + 1:02}T09:30:00Z", f"P{n % 40}", n % 3 + 1, f"{n % 90}.50"]
            )
    (folder / "readme.txt").write_text("These are the exports of last night.\nPlease ask me if anything is odd.\n")
    return folder


def test_a_stranger_tries_files_of_their_own(exports: Path, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    command = [*KINDRED, "try", str(exports), "-w", str(tried)]
    done = subprocess.run([*command, "--no-serve"], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    told = done.stdout
    for expected in ("what the files are", "doubtful", "readme.txt: it is prose", "the surest:", "the most doubtful:"):
        assert expected in told
    assert int(re.search(r"([\d,]+) merges hold", told)[1].replace(",", "")) >= 150  # type: ignore[index]
    assert "kindred why " in told
    assert not re.search(r"[A-Za-z]\.[A-Za-z]+\.\d+@example", told)
    assert not any(name in told for name in (*GIVEN, *FAMILY))
    leaks = subprocess.run(
        [*KINDRED, "leaks", "-w", str(tried)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert "0 findings" in leaks.stdout
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        try:
            assert server.stdout is not None
            assert any("served at http://127.0.0.1:" in line for line in iter(server.stdout.readline, ""))
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
