"""A workspace whose database is PostgreSQL: named by the environment, its password shown nowhere."""

import secrets
import subprocess
import sys
from pathlib import Path

import databases
import psycopg
import pytest
from sqlalchemy import inspect

from api.cli.scaffold import write_workspace
from api.cli.world import open_world
from consent.ledger.subject_keys import FILE
from consent.ledger.verify import verify_export
from infra.errors import ConfigurationError
from infra.workspace import Workspace
from ingestion.again.folder import NoShadow, shadow_of


@pytest.fixture
def shop(tmp_path: Path, postgres_url: str) -> Path:
    root, name = tmp_path / "shop", f"t{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    write_workspace(root)
    settings = root / "kindred.yaml"
    settings.write_text(settings.read_text() + "stores: {database: '${SHOP_DATABASE}'}\n")
    with (root / ".env").open("a") as env:
        env.write(f"SHOP_DATABASE={postgres_url}?options=-csearch_path%3D{name}\n")
    return root


def test_the_whole_command_line_of_consent_runs_on_it(shop: Path, tmp_path: Path) -> None:
    def kindred(*words: str) -> str:
        done = subprocess.run([*command, *words, "-w", str(shop)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert databases.PASSWORD not in done.stdout + done.stderr
        return done.stdout

    command = (sys.executable, "-c", "from api.cli.main import main; main()")
    kindred("consent", "record", "email:ann@example.org", "personalization", "withdrawn")
    assert "denied: withdrawn" in kindred("consent", "decide", "email:ann@example.org", "personalization")
    kindred("consent", "export", "--to", str(tmp_path / "ledger"))
    found = verify_export(
        (tmp_path / "ledger").read_bytes().splitlines(keepends=True), Workspace.open(shop).signer().public
    )
    assert (found.leaves, found.faults) == (1, ())
    assert not (shop / "state" / "kindred.db").exists()
    assert (shop / "state" / FILE).exists()


def test_every_table_is_in_place_there_and_no_word_of_the_password_here(shop: Path) -> None:
    world = open_world(shop)
    tables = set(inspect(world.database).get_table_names())
    assert tables >= {"consent_event", "ledger_head", "run", "api_key", "alembic_version"}
    shown = f"{world.workspace!r} {world.workspace.settings!r} {world.database!r}"
    assert databases.PASSWORD not in shown
    world.database.dispose()


def test_a_shadow_never_shares_it(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(NoShadow, match=r"stores\.database"):
        shadow_of(Workspace.open(shop), tmp_path / "shadow")


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "postgresql://", "oracle://u:s3cret@h", "http://s3cret"])
def test_another_kind_of_database_is_refused_without_repeating_its_secret(tmp_path: Path, url: str) -> None:
    (tmp_path / "kindred.yaml").write_text(f"name: shop\nstores:\n  database: {url}\n")
    with pytest.raises(ConfigurationError, match=r"yaml:3: .*postgresql://user:password@host/name") as caught:
        Workspace.open(tmp_path)
    assert "s3cret" not in str(caught.value)
