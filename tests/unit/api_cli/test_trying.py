"""`kindred try` and `kindred source add` up to where Spark begins: what is written, told and refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import trying
from api.cli.laying import begun, holds
from api.cli.main import app
from api.cli.scaffold import validate, write_workspace
from infra.errors import Malformed, Refused
from infra.workspace import Workspace
from ingestion.config import load_sources

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    lines = [f"C{n:05},Ann{n},Berg,ann{n}@example.org,536-9{n % 9}-43{n:02}" for n in range(60)]
    path = tmp_path / "crm.csv"
    path.write_text("customer_id,first_name,last_name,email,ssn\n" + "\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    lines = [f"{n},C{n % 60:05},2024-03-{n % 28 + 1:02},{n}.50" for n in range(200)]
    path = tmp_path / "orders.csv"
    path.write_text("id,buyer,ordered_at,amount\n" + "\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def tried(tmp_path: Path, crm: Path) -> Path:
    """A workspace as `kindred try` writes it, before the run."""
    trying.proposed_workspace([crm], tmp_path / "tried", None, None, 0.0)
    return tmp_path / "tried"


def run(*arguments: str, expect: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == expect, result.output
    return " ".join(result.output.split())


def test_the_workspace_is_sound_and_says_why(tried: Path, crm: Path) -> None:
    workspace = Workspace.open(tried)
    assert validate(workspace).startswith("sound: 1 sources")
    (source,) = load_sources(workspace)
    assert (source.source, source.record, source.key) == ("crm", "person", ("customer_id",))
    text = (tried / "sources/crm.yaml").read_text(encoding="utf-8")
    assert "# filled in every row, another in each of 60" in text
    assert "Doubtful:" in text
    assert "national_id:" in (tried / "identity.yaml").read_text(encoding="utf-8")
    assert "# one bit doubles" in (tried / "identity.yaml").read_text(encoding="utf-8").replace("bits: one", "# one")
    assert "official" in (tried / "consent/labels.yaml").read_text(encoding="utf-8")
    assert holds(tried, [crm])


def test_a_kill_before_the_end_leaves_nothing_and_the_next_try_is_whole(tmp_path: Path, crm: Path) -> None:
    begun(tmp_path / "w")  # and killed here
    assert not (tmp_path / "w").exists()
    trying.proposed_workspace([crm], tmp_path / "w", None, None, 0.0)
    assert validate(Workspace.open(tmp_path / "w"))
    assert not list(tmp_path.glob(".*.part"))


def test_again_it_goes_on_and_keeps_what_was_mended(tried: Path, crm: Path) -> None:
    path = tried / "sources/crm.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "trust: 0.9\n", encoding="utf-8")
    trying.proposed_workspace([crm], tried, None, None, 0.0)
    assert load_sources(Workspace.open(tried))[0].trust == 0.9


def test_a_workspace_of_other_files_and_a_full_folder_are_refused(tried: Path, orders: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="source add"):
        trying.proposed_workspace([orders], tried, None, None, 0.0)
    with pytest.raises(Refused, match="not empty"):
        trying.proposed_workspace([orders], tmp_path, None, None, 0.0)


def test_nothing_that_can_be_read_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(Malformed, match="it is empty; name a file with rows"):
        trying.proposed_workspace([tmp_path / "a.csv"], tmp_path / "w", None, None, 0.0)
    assert not (tmp_path / "w").exists()


def test_a_source_that_is_added_meets_those_that_are_there(tried: Path, orders: Path) -> None:
    told = run("source", "add", str(orders), "-w", str(tried))
    assert "100% of its values stand in the customer identifiers of other sources" in told
    assert "written: sources/orders.yaml" in told
    added = next(s for s in load_sources(Workspace.open(tried)) if s.source == "orders")
    assert (added.record, dict(added.identifiers)) == ("event", {"customer": ("buyer",)})
    assert (tried / "data/orders/orders.csv").is_file()


def test_a_declaration_that_is_there_is_overwritten_only_by_force(tried: Path, orders: Path) -> None:
    run("source", "add", str(orders), "-w", str(tried), "--name", "shop")
    path = tried / "sources/shop.yaml"
    path.write_text("# mine\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert "--force" in run("source", "add", str(orders), "-w", str(tried), "--name", "shop", expect=4)
    assert path.read_text(encoding="utf-8").startswith("# mine")
    run("source", "add", str(orders), "-w", str(tried), "--name", "shop", "--force")
    assert not path.read_text(encoding="utf-8").startswith("# mine")


def test_a_file_of_the_workspace_stays_where_it_is(tmp_path: Path, orders: Path) -> None:
    write_workspace(tmp_path / "shop")
    inside = tmp_path / "shop/data/orders.csv"
    inside.parent.mkdir()
    orders.rename(inside)
    run("source", "add", str(inside), "-w", str(tmp_path / "shop"))
    assert "data/orders.csv" in (tmp_path / "shop/sources/orders.yaml").read_text(encoding="utf-8")
    assert not (tmp_path / "shop/data/orders").exists()


def test_no_value_is_told(tried: Path, crm: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trying.proposed_workspace([crm], tmp_path / "other", None, None, 0.0)
    told = capsys.readouterr().out + (tried / "sources/crm.yaml").read_text(encoding="utf-8")
    assert "ann1" not in told
    assert "Berg" not in told
    assert "536-9" not in told


def test_a_file_that_is_not_there_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, says in ((tmp_path / "gone.csv", "no such file"), (tmp_path / "empty", "The folder has no CSV")):
        with pytest.raises(Malformed, match=says):
            trying.proposed_workspace([path], tmp_path / "w", None, None, 0.0)


@pytest.mark.parametrize("name", ["Crm", "1crm", "a b", ""])
def test_a_name_that_is_none_is_told(tried: Path, orders: Path, name: str) -> None:
    assert "small letters" in run("source", "add", str(orders), "-w", str(tried), "--name", name, expect=2)
