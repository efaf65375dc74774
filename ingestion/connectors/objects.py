"""Files that lie in an object storage: each version of an object is brought here once, and read as a file from then on.

A version is known by its address, size and what its storage tells it by (an ETag where it has one), and its copy has a
path of its own that says them. So a copy never changes, one that is there is whole, and what books know of a path holds
for ever. Copies that the lake has are kept for a while for a replay, then deleted; a version that has to be read again
is brought again. Who we are to a storage is said by the environment alone.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import fsspec
from fsspec.config import set_conf_env

from infra.full import disk_failure
from infra.ids import content_digest
from infra.log.files import SYSTEM
from infra.workspace import Workspace
from ingestion.config import Source
from ingestion.connectors.declared import Files
from ingestion.errors import ConnectorMalformed, SourceAway, SourceFilesMissing
from ingestion.model import SourceFile
from ingestion.survey import survey, surveyed

FOLDER: Final = "objects"
PART: Final = ".part"
_SIDE_BY_SIDE: Final = 8
_TRIES: Final = 3
_UNTOLD: Final = -1
# A name in a folder may have 255 bytes.
_LONGEST: Final = 200
# What storages call the mark of a version, the surest first.
_MARKS: Final = ("ETag", "etag", "md5Hash", "content_md5", "generation", "mtime", "modified", "LastModified",
                 "last_modified", "updated", "created")  # fmt: skip
# How the makers of storages name in the environment what fsspec's file systems call otherwise.
_NAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "s3": {
        "key": "AWS_ACCESS_KEY_ID",
        "secret": "AWS_SECRET_ACCESS_KEY",  # pragma: allowlist secret
        "token": "AWS_SESSION_TOKEN",
        "endpoint_url": "AWS_ENDPOINT_URL",
    },
    "gs": {"token": "GOOGLE_APPLICATION_CREDENTIALS"},
    "az": {
        "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
        "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
        "connection_string": "AZURE_STORAGE_CONNECTION_STRING",
        "sas_token": "AZURE_STORAGE_SAS_TOKEN",
    },
}
_SAME: Final = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
# What the clients of storages raise beside OSError; those that are not installed raise nothing.
_RAISED: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)
_REFUSED: Final = ("PermissionError", "NoCredentialsError", "PartialCredentialsError", "GoogleAuthError",
                   "ClientAuthenticationError")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object: its system, its path there, its size, and the mark that tells it from others."""

    system: str
    path: str
    size: int
    mark: str

    def copy(self, folder: Path) -> Path:
        """Return where its copy lies: in the order of the objects' names, one folder for each version."""
        parts = [_name(part) for part in self.path.split("/") if part]
        version = content_digest([self.system, self.path, self.size, self.mark])[:16]
        return folder.joinpath(self.system, *parts, version, parts[-1])


def brought(
    workspace: Workspace,
    source: Source,
    files: Files,
    known: Mapping[tuple[str, str], int],
    taken: Collection[str],
    say: Callable[[str], None],
) -> tuple[SourceFile, ...]:
    """Return the objects of a source as files; those that are not `known` are here then, whole and durable.

    What a run brought that ended before it took it in is among them, though the object has changed or gone since.
    """
    folder, root = place(workspace, source.source), workspace.root
    for begun in folder.rglob(f"*{PART}"):  # what a killed run had begun is begun anew
        begun.unlink()
    copies: dict[str, SourceFile | Path] = {
        name: path for name, path in copies_of(workspace, source.source).items() if name not in taken
    }
    wanted: dict[str, tuple[Any, Version, Path]] = {}
    for pattern in files.path:
        with _asking(source.source, pattern):
            storage, found = _listed(workspace, source.source, pattern, files.format)
        if not found:
            raise SourceFilesMissing(source.source, pattern)
        for one in found:
            copy = one.copy(folder)
            name = os.path.relpath(copy, root)
            if (name, _label(copy)) in known:
                copies[name] = SourceFile(name, one.size, _label(copy), 0)
                continue
            copies[name] = copy
            if not copy.exists():
                wanted[name] = storage, one, copy
    with _asking(source.source, files.path[0]), ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        done = list(threads.map(lambda item: _bring(*item), wanted.values()))
    changed = [name for name, whole in zip(wanted, done, strict=True) if not whole]
    if wanted:
        size = sum(copy.stat().st_size for name, (_, _, copy) in wanted.items() if name not in changed)
        say(f"{source.source}: {len(wanted) - len(changed):,} objects landed, {size:,} bytes")
    if changed:
        say(f"{source.source}: {len(changed):,} objects changed while they were fetched; the next run takes them in")
    there = {name: what for name, what in sorted(copies.items()) if name not in changed}
    return tuple(_seen(root, what, source, files) if isinstance(what, Path) else what for what in there.values())


def copies_of(workspace: Workspace, source: str) -> dict[str, Path]:
    """Return the copies of a source's objects that are here, in their order, by what the books call them."""
    there = (path for path in place(workspace, source).rglob("*") if path.is_file() and path.suffix != PART)
    return {os.path.relpath(path, workspace.root): path for path in sorted(there)}


def there(workspace: Workspace, source: Source, files: Files) -> tuple[SourceFile, ...]:
    """Return the files of a source that are on this machine; none is asked for, and none may be there."""
    if files.remote:
        copies = copies_of(workspace, source.source).values()
        return tuple(_seen(workspace.root, path, source, files) for path in copies)
    try:
        return survey(workspace.root, source, files)
    except SourceFilesMissing:
        return ()


def prune(workspace: Workspace, source: str, taken: Collection[str], before: datetime) -> None:
    """Delete the copies that the lake has and that were brought before a moment, with folders that are empty then."""
    for name, path in copies_of(workspace, source).items():
        if name in taken and path.stat().st_mtime < before.timestamp():
            path.unlink()
            for folder in path.parents:
                if folder == place(workspace, source) or any(folder.iterdir()):
                    break
                folder.rmdir()


def place(workspace: Workspace, source: str) -> Path:
    """Return the folder of a source's copies."""
    return workspace.landing_path / source / FOLDER


def options(environ: Mapping[str, str], system: str) -> dict[str, Any]:
    """Return what the environment says of a storage: as its maker names it, or as `FSSPEC_<system>_<option>`."""
    told = {name: value for name, value in environ.items() if name.upper().startswith("FSSPEC_") and value}
    config: dict[str, dict[str, Any]] = {}
    set_conf_env(config, {name: value for name, value in told.items() if name.count("_") > 1 or _is_object(value)})
    own = _NAMED.get(_SAME.get(system, system), {})
    named = {option: environ[name] for option, name in own.items() if environ.get(name)}
    return {**named, **config.get(system, {})}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _listed(workspace: Workspace, source: str, pattern: str, kind: str) -> tuple[Any, list[Version]]:
    """Return a pattern's storage and the newest versions of what it names; of Parquet a folder means all within it."""
    system = pattern.partition("://")[0]
    if system not in fsspec.available_protocols():
        raise ConnectorMalformed(source, f"{system}:// is no system that fsspec knows", "mend connector.path")
    more = {"use_listings_cache": False, "skip_instance_cache": True}
    storage = fsspec.filesystem(system, **more, **options(workspace.environ, system))
    found: dict[str, Mapping[str, Any]] = {}
    for path, told in storage.glob(storage._strip_protocol(pattern), detail=True).items():  # noqa: SLF001 - fsspec has no other word for it
        if told["type"] != "directory":
            found[path] = told
        elif kind == "parquet":
            inside = storage.find(path, detail=True)
            found |= {one: more for one, more in inside.items() if one.endswith(".parquet")}
    return storage, [_version(system, path, told) for path, told in sorted(found.items())]


def _version(system: str, path: str, told: Mapping[str, Any]) -> Version:
    mark = next((str(told[name]) for name in _MARKS if told.get(name)), "")
    size = told.get("size")
    return Version(system, path.partition("://")[2] or path, _UNTOLD if size is None else int(size), mark)


def _bring(storage: Any, one: Version, copy: Path) -> bool:
    """Bring a version here, whole or not at all; say whether it was still the same when it was here."""
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun = copy.with_name(copy.name + PART)
    remote, expected = f"{one.system}://{one.path}", one
    for _ in range(_TRIES):
        storage.get_file(remote, str(begun))
        now = _version(one.system, remote, storage.info(remote))
        if now == expected and now.size in (_UNTOLD, begun.stat().st_size):
            break
        expected = now  # should a storage list it by another mark than it has, it is the same from now on
    else:
        begun.unlink()
        return False
    handle = os.open(begun, os.O_RDWR)
    try:
        SYSTEM.fsync(handle)
    finally:
        SYSTEM.close(handle)
    SYSTEM.rename(begun, copy)
    SYSTEM.fsync_folder(copy.parent)
    return True


def _label(copy: Path) -> str:
    # Path and version are all that is needed to tell that it is as it was.
    return f"object {copy.parent.name}"


def _seen(root: Path, path: Path, source: Source, files: Files) -> SourceFile:
    """Return a copy looked over as a file is, and known by its path."""
    return replace(surveyed(root, path, source, files), sha256=_label(path))


def _name(part: str) -> str:
    """Return a part of an object's path as the name of a file: no sign in it means anything to a file system."""
    plain = quote(part, safe=" =+,@~!()")
    if not plain.strip("."):
        return plain.replace(".", "%2E")
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST // 2]}-{content_digest(part)[:16]}{PurePosixPath(plain).suffix[:16]}"


@contextmanager
def _asking(source: str, pattern: str) -> Iterator[None]:
    """Tell in our words what a storage answers; its own may hold addresses and parts of keys."""
    system = pattern.partition("://")[0]
    try:
        yield
    except FileNotFoundError:
        raise SourceFilesMissing(source, pattern) from None
    except ImportError:
        right = "install what fsspec reads it with (for s3: pip install 'kindred[s3]')"
        raise ConnectorMalformed(source, f"{system}:// needs a package that is not there", right) from None
    except _raised() as error:
        kind = type(error).__name__
        refused = kind in _REFUSED
        wrong = "it refuses these credentials, or none were given" if refused else f"it does not answer ({kind})"
        right = "say in the environment or .env who reads it" if refused else "see that it does, then run again"
        raise disk_failure(error) or SourceAway(source, f"{system} storage", wrong, right) from None


def _raised() -> tuple[type[Exception], ...]:
    there = (getattr(sys.modules[module], name) for module, name in _RAISED if module in sys.modules)
    return (OSError, *there)
