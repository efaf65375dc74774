"""A proposal laid down: a new workspace, whole or not at all, or one more source in a workspace that is there."""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import consent.config
from api.cli.scaffold import validate, write_workspace
from consent.config import LABELS_FILE
from consent.discovery.evident import tellable
from consent.discovery.proposal import Proposal as LabelProposal
from consent.discovery.proposal import amended
from infra.errors import Refused, Unavailable
from infra.workspace import Workspace
from ingestion.packed import PACKED
from ingestion.proposal.model import Proposed, WorkspaceProposal
from ingestion.proposal.numbering import numbered_connector, numbered_copy
from ingestion.proposal.written import source_yaml, with_types

# Digests of the files that a workspace was tried on: with the same ones it goes on.
_MADE_OF = "data/.made_of"
# A short session does not earn back what the second compiler and a second pair of partitions cost.
_QUICK = {"shuffle_partitions": 2, "java_options": "-XX:+UseParallelGC -XX:TieredStopAtLevel=1"}
# What a tried workspace does without: nobody has said yet whom to reach and with what.
_LATER = ("audiences", "destinations", "decisions")


def begun(folder: Path) -> Workspace:
    """Return a workspace beside the folder that has no source yet; what a kill left there is taken away."""
    folder = folder.resolve()
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    write_workspace(part)
    for name in _LATER:
        shutil.rmtree(part / name, ignore_errors=True)
    return Workspace.open(part)


def lay(
    begun_in: Workspace,
    folder: Path,
    proposal: WorkspaceProposal,
    files: Mapping[str, Sequence[Path]],
    port: int | None,
) -> None:
    """Write a workspace's sources and put it in its place when it is whole; a kill leaves nothing half done."""
    folder, part = folder.resolve(), begun_in.root
    _settle(part, folder.name, proposal.region[0] if proposal.region else None, port)
    sources = [_copied(part, source, files[source.source]) for source in proposal.sources]
    for source in sources:
        write(part / "sources" / f"{source.source}.yaml", source_yaml(source))
    write(part / _MADE_OF, "".join(f"{_digest(file)}\n" for source in sources for file in files[source.source]))
    add_types_and_labels(Workspace.open(part), proposal)
    validate(Workspace.open(part))
    try:
        part.rename(folder)
    except OSError as error:
        why = (error.strerror or "it is in use").lower()
        raise Unavailable(f"{folder} cannot be made: {why}; name a new or empty folder with -w") from None


def refuse_strangers(folder: Path) -> None:
    """Raise where a folder holds something that is no workspace."""
    if folder.exists() and not (folder / "kindred.yaml").exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not empty and no workspace; name a new folder with -w")


def add_types_and_labels(workspace: Workspace, proposal: WorkspaceProposal) -> None:
    """Add the identifier types and labels that a proposal needs and the workspace lacks; comments stay."""
    if proposal.types:
        path = workspace.root / "identity.yaml"
        write(path, with_types(path.read_text(encoding="utf-8"), proposal.types))
    if proposal.labels:
        _label(workspace, proposal.labels)


def _label(workspace: Workspace, labels: Sequence[LabelProposal]) -> None:
    tree = workspace.draft(LABELS_FILE)
    if amended(tree, labels, tuple(consent.config.load_policy(workspace).purposes)):
        write(workspace.root / LABELS_FILE, _dumped(tree))


def _settle(part: Path, name: str, region: str | None, port: int | None) -> None:
    yaml = YAML()
    path = part / "kindred.yaml"
    tree = yaml.load(path.read_text(encoding="utf-8"))
    tree["name"] = name
    if region:
        tree["region"] = region
    if port is not None:
        tree["serving"]["port"] = port
    tree["engine"] = dict(_QUICK)
    tree.yaml_set_comment_before_after_key(
        "engine", before="quick for few rows; leave it out when they become millions"
    )
    write(path, _dumped(tree))


def _dumped(tree: Any) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(tree, text)
    return text.getvalue()


def _copied(root: Path, source: Proposed, files: Sequence[Path]) -> Proposed:
    """Copy a source's files into the workspace; return the source with the pattern that names them."""
    place = root / "data" / source.source
    place.mkdir(parents=True, exist_ok=True)
    connector = dict(source.connector) if source.numbered is None else numbered_connector(source.connector)
    for number, file in enumerate(files, 1):
        name = _harmless(file, f"{source.source}_{number}")
        if source.numbered is None:
            shutil.copyfile(file, place / name)
        else:
            front = f"{Path(name).stem}-" if len(files) > 1 else ""
            plain = f"{Path(name.removesuffix(_ending(file))).name}.{connector['format']}"
            numbered_copy(file, place / plain, source.connector, source.numbered, front)
    ending = _ending(files[0]) if source.numbered is None else f".{connector['format']}"
    return replace(source, connector={"type": "files", "path": f"data/{source.source}/*{ending}", **connector})


def _ending(file: Path) -> str:
    """Return the ending by which files of a folder are named; it tells how they are packed."""
    packed = file.suffix if file.suffix.lower() in PACKED else ""
    plain = Path(file.name.removesuffix(packed)).suffix
    return f"{plain}{packed}" if re.fullmatch(r"\.[A-Za-z]{1,8}", plain) else packed


def _harmless(file: Path, otherwise: str) -> str:
    """Return a file's name where it is a plain one that tells of nobody, else another with its ending."""
    ending = _ending(file)
    stem = file.name.removesuffix(ending)
    plain = re.fullmatch(r"[A-Za-z0-9_-]{1,80}", stem) and tellable(stem) == stem
    return f"{stem if plain else otherwise}{ending}"


def holds(folder: Path, files: Sequence[Path]) -> bool:
    """Say whether a workspace was made of some of these files, and of no others, as they are now."""
    mark = folder / _MADE_OF
    there = set(mark.read_text(encoding="ascii").split()) if mark.is_file() else set()
    return bool(there) and there <= {_digest(file) for file in files if file.is_file()}


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place_source(workspace: Workspace, source: Proposed, files: Sequence[Path], *, force: bool) -> Path:
    """Write one more source and return its file; raise `Refused` where there is one of this name, unless forced."""
    path = workspace.root / "sources" / f"{source.source}.yaml"
    if path.exists() and not force:
        raise Refused(
            f"sources/{source.source}.yaml is there; --force overwrites it, --name gives the new one another name"
        )
    inside = [one for file in files if (one := _inside(workspace.root, file)) is not None]
    if len(inside) == len(files) and source.numbered is None:
        laid = replace(source, connector={"type": "files", "path": inside, **source.connector})
    else:
        laid = _copied(workspace.root, source, files)
    write(path, source_yaml(laid))
    return path


def _inside(root: Path, file: Path) -> str | None:
    """Return a file's path in the workspace as a pattern may name it, None where it lies elsewhere."""
    resolved = file.resolve()
    path = resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else None
    return path if path is not None and not set(path) & set("*?[]") else None


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        part.chmod(path.stat().st_mode & 0o777)
    part.replace(path)
