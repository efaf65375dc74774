"""What the documentation says is true: commands, settings, links, words."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.errors import ConfigurationError
from infra.workspace import Workspace

TESTS = Path(__file__).parents[2]
# What a console block may hold beside `kindred`; each is checked in its own way or is the shell's.
SHELL = {"cd", "export", "kill", "cat", "cp"}


def parsed(command: Any, words: tuple[str, ...]) -> None:
    """Parse a command line as the real one would, without running it; raise what click raises."""
    name, rest = "kindred", list(words)
    while hasattr(command, "commands") and rest and rest[0] in command.commands:
        name, command = rest[0], command.commands[rest[0]]
        rest = rest[1:]
    if hasattr(command, "commands"):
        assert rest == ["--help"], f"{name} has no command {rest[:1]}; it has {', '.join(command.commands)}"
        return
    if "--help" not in rest:
        command.make_context(name, rest)


def leaves(command: Any, path: tuple[str, ...] = ("kindred",)) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from leaves(below, (*path, name))
    else:
        yield " ".join(path)


def test_every_kindred_command_of_the_pages_can_be_typed(commands: list[Any], kindred: Any) -> None:
    wrong = []
    for typed in commands:
        if typed.words[0] != "kindred":
            continue
        try:
            parsed(kindred, typed.words[1:])
        except Exception as error:  # noqa: BLE001 - whatever click says is what a reader would see
            wrong.append(f"{typed.place}: {' '.join(typed.words)}: {error}")
    assert wrong == []


def test_every_kindred_command_in_running_text_exists(pages: list[Path], kindred: Any) -> None:
    known = set(leaves(kindred)) | {" ".join(leaf.split()[:2]) for leaf in leaves(kindred)}
    wrong = []
    for page in pages:
        for found in re.finditer(r"`(kindred [a-z-]+(?: [a-z][a-z-]+)?)", page.read_text(encoding="utf-8")):
            words = found[1].split()
            if " ".join(words[:2]) not in known and " ".join(words[:3]) not in known:
                wrong.append(f"{page.name}: {found[1]}")
    assert wrong == []


def test_every_command_of_the_command_line_is_documented(pages: list[Path], kindred: Any) -> None:
    everything = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [leaf for leaf in leaves(kindred) if not re.search(rf"{leaf}(?![a-z-])", everything)] == []


def test_every_other_command_of_the_pages_is_one_we_know(commands: list[Any], root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for typed in commands:
        head = typed.words[0]
        if head == "make":
            named = [word for word in typed.words[1:] if "=" not in word]
            wrong += [f"{typed.place}: make {name}" for name in named if name not in targets]
        elif head == ".venv/bin/python":
            wrong += [] if (root / typed.words[1]).is_file() else [f"{typed.place}: {typed.words[1]}"]
        elif head not in {"kindred", "curl", *SHELL}:
            wrong.append(f"{typed.place}: {head}")
    assert wrong == []


def routes() -> set[tuple[str, str]]:
    from importlib import import_module
    from pkgutil import iter_modules

    import api.http.routes

    found = set()
    for module in iter_modules(api.http.routes.__path__):
        router = getattr(import_module(f"api.http.routes.{module.name}"), "router", None)
        for route in router.routes if router else ():
            found |= {(method, re.sub(r"\{[^}]+\}", "X", route.path)) for method in route.methods}
    return found


def test_every_address_that_the_pages_call_is_served(commands: list[Any]) -> None:
    known = routes()
    for typed in commands:
        if typed.words[0] != "curl":
            continue
        url = next(word for word in typed.words if word.startswith("http"))
        path = re.sub(r"^https?://[^/]+|\?.*$", "", url)
        body = any(word in {"-d", "--data", "--json"} for word in typed.words)
        candidates = {path, re.sub(r"(/v1/profiles/)[^/:?]+", r"\1X", path)}
        assert any(("POST" if body else "GET", one) in known for one in candidates), typed.place


def model_of(path: str) -> Any:
    """Return the model of a workspace file, or None where the path is no file of a workspace."""
    import activation.declarations
    import api.http.centre.wording
    import consent.config
    import consent.processing
    import consent.requests.config
    import consent.retention.config
    import consent.signals.config
    import identity.config
    import ingestion.config
    import ingestion.quarantine.rules
    import ingestion.tracking.declared
    import profiles.config
    import profiles.features.declared
    from infra.settings import KindredSettings

    if path.startswith("consent/centre/"):
        return api.http.centre.wording.Said
    return {
        "kindred.yaml": KindredSettings,
        "identity.yaml": identity.config.IdentityConfig,
        "profiles.yaml": profiles.config.ProfileSettings,
        "consent/policy.yaml": consent.config.PolicyConfig,
        "consent/signals.yaml": consent.signals.config.SignalsConfig,
        "consent/labels.yaml": consent.config.LabelsConfig,
        "consent/requests.yaml": consent.requests.config.RequestsConfig,
        "consent/retention.yaml": consent.retention.config.RetentionConfig,
        "consent/controller.yaml": consent.processing.Controller,
        "sources": ingestion.config.Source,
        "tracking": ingestion.tracking.declared.TrackingPlan,
        "quarantine": ingestion.quarantine.rules.FixRules,
        "audiences": activation.declarations.Audience,
        "destinations": activation.declarations.Destination,
        "decisions": activation.declarations.Decision,
        "features": profiles.features.declared.FeatureSet,
    }.get(path if "/" not in path or path.startswith("consent/") else path.partition("/")[0])


@pytest.fixture
def workspace(tmp_path: Path, root: Path, all_blocks: list[Any]) -> Workspace:
    """The template's workspace, with every variable set that a shown file takes from the environment."""
    shutil.copytree(root / "api" / "templates" / "workspace", tmp_path, dirs_exist_ok=True)
    named = {
        name for block in all_blocks if block.language == "yaml" for name in re.findall(r"\$\{(\w+)\}", block.text)
    }
    (tmp_path / ".env").write_text("".join(f"{name}=x\n" for name in sorted(named)))
    return Workspace.open(tmp_path)


def test_every_file_that_the_pages_show_is_valid(all_blocks: list[Any], workspace: Workspace) -> None:
    """A block begins with `# path`, a piece of a file with `# part of path`: it is laid over the template."""
    shown = [block for block in all_blocks if block.language == "yaml"]
    assert shown
    wrong = []
    for block in shown:
        head = re.match(r"# (part of )?([\w./-]+\.yaml)\s*$", block.text.partition("\n")[0])
        model = head and model_of(head[2])
        if not head or model is None:
            wrong.append(f"{block.place}: the first line must be `# <file of a workspace>`")
            continue
        file = workspace.root / head[2]
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if head[1]:
            yaml = YAML()
            with file.open("w", encoding="utf-8") as stream:
                yaml.dump({**(yaml.load(before) or {}), **yaml.load(block.text)}, stream)
        else:
            file.write_text(block.text, encoding="utf-8")
        try:
            workspace.load(head[2], model)
        except ConfigurationError as error:
            wrong.append(f"{block.place}: {error}")
        if before:
            file.write_text(before, encoding="utf-8")
    assert wrong == []


def test_every_source_that_the_pages_show_fits_the_shipped_identifier_types(
    all_blocks: list[Any], workspace: Workspace
) -> None:
    from ingestion.config import load_sources

    for block in all_blocks:
        head = re.match(r"# (sources/\w+\.yaml)\s*\n", block.text)
        if block.language == "yaml" and head:
            file = workspace.root / head[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
            assert len(load_sources(workspace)) == 1, block.place
            file.unlink()


def test_every_shown_json_is_json(all_blocks: list[Any]) -> None:
    import json

    for block in all_blocks:
        if block.language == "json":
            assert json.loads(block.text), block.place


def test_every_link_leads_somewhere(pages: list[Path]) -> None:
    assert [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ] == []


def test_every_module_that_the_pages_name_exists(pages: list[Path], root: Path) -> None:
    assert [
        f"{page.name}: {name}"
        for page in pages
        for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text(encoding="utf-8"))
        if not (root / name).is_file()
    ] == []


def test_every_decision_record_is_in_the_index_with_its_status(root: Path) -> None:
    index = (root / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[(\d{4})\]\(([^)]+)\)", index, re.MULTILINE))
    records = sorted((root / "docs" / "adr").glob("[0-9]*.md"))
    assert sorted(listed.values()) == [record.name for record in records]
    for record in records:
        text = record.read_text(encoding="utf-8")
        number, title = re.match(r"# (\d{4})\. (.+)\n", text).groups()  # type: ignore[union-attr]
        assert record.name.startswith(number)
        assert f"| {title} |" in index, record.name
        assert re.search(r"^Status: (accepted|superseded|proposed)", text, re.MULTILINE), record.name
        for heading in ("Context", "Measurement and source", "Decision", "Consequences"):
            assert f"\n## {heading}\n" in text, f"{record.name}: {heading}"
        assert len(text.splitlines()) <= 60, f"{record.name} is longer than a page"


def test_the_glossary_is_sorted_and_says_each_word_once(root: Path) -> None:
    text = (root / "GLOSSARY.md").read_text(encoding="utf-8")
    words = [word.lower() for word in re.findall(r"^\| \*\*([^*]+)\*\* \|", text, re.MULTILINE)]
    assert words == sorted(words)
    assert len(words) == len(set(words))


def test_the_glossary_speaks_as_the_code_does(root: Path) -> None:
    """A word that no file of ours uses is no word of ours."""
    text = (root / "GLOSSARY.md").read_text(encoding="utf-8")
    packages = ("activation", "api", "consent", "identity", "infra", "ingestion", "profiles")
    code = "\n".join(p.read_text(encoding="utf-8") for name in packages for p in (root / name).rglob("*.py")).lower()
    words = [word.lower() for word in re.findall(r"^\| \*\*([^*]+)\*\* \|", text, re.MULTILINE)]
    assert [w for w in words if not any(form in code for form in (w, w.replace(" ", "_"), w.replace("-", "_")))] == []


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS.parent / "docs" / "faults.md").read_text())
    assert len(named) > 20
    for file, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE), f"{file}::{name}"
