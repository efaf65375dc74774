"""A workspace: a folder of YAML files, read with their line numbers so that every error can point."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.reader import ReaderError

from infra.errors import ConfigurationError, Missing, Unavailable
from infra.settings import EMBEDDED, KindredSettings, environment, overridden, secret
from infra.signing import Signer

Model = TypeVar("Model", bound=BaseModel)
_REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_MINIMUM_KEY = 32
_READ_AGAIN = 16


@dataclass(frozen=True)
class Workspace:
    """One workspace on disk with the environment it is opened in."""

    root: Path
    settings: KindredSettings
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """Return the workspace in a folder; raise `Missing` where there is none."""
        root = root.resolve()
        if not (root / "kindred.yaml").is_file():
            raise Missing(f"no kindred.yaml in {root.name}/; `kindred init` writes a workspace")
        environ = environment(root)
        settings = _load(root, root / "kindred.yaml", KindredSettings, environ)
        return cls(root, overridden(settings, environ), environ)

    @property
    def lake_path(self) -> Path:
        """Where the Delta tables lie."""
        return self.root / self.settings.stores.lake

    @property
    def serving_path(self) -> Path:
        """Where the serving store's generations lie."""
        return self.root / self.settings.stores.serving

    @property
    def database_path(self) -> Path:
        """The database file of the embedded default; where `stores.database` is a server's, the place it would have."""
        return self.root / (EMBEDDED if self.settings.stores.served else self.settings.stores.database)

    @property
    def database_url(self) -> str:
        """Where the database is, with its password if it has one: never to be shown."""
        stores = self.settings.stores
        if not stores.served:
            return f"sqlite:///{self.database_path}"
        return "postgresql+psycopg://" + stores.database.partition("://")[2]

    @property
    def log_path(self) -> Path:
        """Where the spool's segments lie, a folder for each source."""
        return self.state_path / "spool"

    @property
    def landing_path(self) -> Path:
        """Where connectors put down what they brought, a folder for each source."""
        return self.state_path / "landing"

    @property
    def state_path(self) -> Path:
        """Where work files and the runner's files lie."""
        return self.database_path.parent

    def token_key(self) -> bytes:
        """Return the key of the identifier tokens, from `KINDRED_TOKEN_KEY`."""
        value = secret(self.environ, "KINDRED_TOKEN_KEY")
        if value is None or len(value) < _MINIMUM_KEY:
            raise Unavailable(
                f"KINDRED_TOKEN_KEY is not set or shorter than {_MINIMUM_KEY} characters; `kindred init` writes one "
                "into the workspace's .env, production sets it in the environment"
            )
        return value.encode()

    def token_keys(self) -> Mapping[int, bytes]:
        """Return every key that tokens were ever made under and that is still held, by version; the newest is in use.

        Retired ones stand in `KINDRED_TOKEN_KEY_V1`, `…_V2` and so on, the first one first.
        """
        held: dict[int, bytes] = {}
        while (retired := secret(self.environ, f"KINDRED_TOKEN_KEY_V{len(held) + 1}")) is not None:
            held[len(held) + 1] = retired.encode()
        return held | {len(held) + 1: self.token_key()}

    def signer(self) -> Signer:
        """Return what signs heads, receipts and certificates, from `KINDRED_SIGNING_KEY`."""
        return Signer.from_environment(self.environ)

    def load(self, path: str, model: type[Model]) -> Model:
        """Return one YAML file as its model; raise `ConfigurationError` with file and line."""
        file = self.root / path
        if not file.is_file():
            raise ConfigurationError(path, None, "", "the file is not there", "`kindred init` writes it")
        return _load(self.root, file, model, self.environ)

    def load_all(self, pattern: str, model: type[Model]) -> tuple[Model, ...]:
        """Return every YAML file that the pattern names, in the order of their names."""
        return tuple(_load(self.root, file, model, self.environ) for file in sorted(self.root.glob(pattern)))

    def lines(self, path: str) -> Any:
        """Return the raw YAML tree of a file with ruamel's line marks (`.lc`), for rules that quote their line."""
        return _tree(self.root, self.root / path)

    def draft(self, path: str) -> Any:
        """Return such a tree to be changed and written back; nobody else has it."""
        return _tree(self.root, self.root / path, anew=True)


class _Constructor(RoundTripConstructor):
    """Ruamel's, with a line for a value that is not what it looks like: it lets Python's own error through."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - ruamel's signature
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
            problem = "not the date or number that it looks like; put quotes around it if it is text"
            raise MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


def _tree(root: Path, file: Path, *, anew: bool = False) -> Any:
    name = file.relative_to(root).as_posix()
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(name, line, "", f"not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except OSError as error:
        why = (error.strerror or "input or output error").lower()
        raise ConfigurationError(name, None, "", f"cannot be read: {why}", "let Kindred read it") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # the nearest one counts, as YAML has it
            return _parser().load(text) if anew else _parsed(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = mark.line + 1 if mark else None
        raise ConfigurationError(name, place, "", _problem(error), "mend the YAML near this line") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        wrong = f"the character U+{ord(text[error.position]):04X} has no place in YAML"
        raise ConfigurationError(name, line, "", wrong, "take it out") from None
    except YAMLError:
        raise ConfigurationError(name, None, "", "broken YAML", "mend the YAML") from None
    except RecursionError:
        raise ConfigurationError(name, 1, "", "nested deeper than can be read", "say it in fewer levels") from None


@lru_cache(maxsize=_READ_AGAIN)
def _parsed(text: str) -> Any:
    """Return a text's tree, which nobody changes: a process that starts reads some files several times."""
    return _parser().load(text)


def _parser() -> YAML:
    parser = YAML(typ="rt")
    parser.Constructor = _Constructor
    return parser


def _problem(error: MarkedYAMLError) -> str:
    """Return what ruamel says without the values that it quotes: they may be secrets."""
    told = (error.problem or "broken YAML").strip()
    return told.partition(" with value ")[0].partition(' from "')[0]


def _load(root: Path, file: Path, model: type[Model], environ: Mapping[str, str]) -> Model:
    tree = _tree(root, file)
    name = file.relative_to(root).as_posix()
    if not isinstance(tree, CommentedMap):
        raise ConfigurationError(name, 1, "", "not a mapping", f"begin with keys such as {_keys(model)}")
    try:
        return model.model_validate(_plain(tree, environ, name, 1))
    except RecursionError:
        raise ConfigurationError(name, 1, "", "nested deeper than can be read", "say it in fewer levels") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigurationError(
            name, _line(tree, first["loc"]) or 1, _place(tree, first["loc"]), *_sentence(first, model)
        ) from None


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(list(model.model_fields)[:6])


def _sentence(problem: Any, model: type[BaseModel]) -> tuple[str, str]:
    """Return what is wrong and what would be right; values are not repeated, for they may be secrets."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        names = (told.alias or name for name, told in model.model_fields.items())
        known = ", ".join(names) if len(problem["loc"]) == 1 else ""
        return "unknown key", f"known keys: {known}" if known else "check its spelling"
    if kind == "missing":
        return "a required key is missing", "add it"
    if kind == "union_tag_not_found":
        return "a required key is missing", f"add {context['discriminator']}"
    if kind == "union_tag_invalid":
        return f"an unknown {context['discriminator'].strip(chr(39))}", f"use {context['expected_tags']}"
    if "expected" in context:
        return "not one of the known values", f"use {context['expected']}"
    return problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "), ""


def _place(tree: Any, path: Sequence[str | int]) -> str:
    """Return the keys that lead to a problem, without the kinds of section that pydantic puts among them."""
    steps, node = [], tree
    for step in path[:-1]:
        inside = node[step] if isinstance(node, Mapping) and step in node else None
        if inside is None and isinstance(node, list) and isinstance(step, int) and step < len(node):
            inside = node[step]
        if inside is not None or not isinstance(node, Mapping):
            steps.append(str(step))
            node = inside
    return ".".join([*steps, *map(str, path[-1:])])


def _line(tree: Any, path: Iterable[str | int]) -> int | None:
    """Return the line of the deepest key of the path that the file has."""
    line, node = None, tree
    for step in path:
        try:
            if isinstance(node, CommentedMap):
                key = next((key for key in node if key == step or str(key) == step), None)
                if key in node:
                    line = node.lc.key(key)[0] + 1
                    node = node[key]
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line = node.lc.item(step)[0] + 1
                node = node[step]
        except KeyError:  # a merged key has no mark of its own
            break
    return line


def _plain(node: Any, environ: Mapping[str, str], file: str, line: int) -> Any:
    """Return a tree as plain values, references to the environment resolved; `line` is where the node stands."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value, environ, file, _line(node, [key]) or line) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value, environ, file, _line(node, [index]) or line) for index, value in enumerate(node)]
    if isinstance(node, str):
        return _REFERENCE.sub(lambda match: _from_environment(match[1], environ, file, line), str(node))
    return node


def _from_environment(name: str, environ: Mapping[str, str], file: str, line: int) -> str:
    if name not in environ:
        raise ConfigurationError(file, line, "", f"${{{name}}} is not set in the environment", f"export {name}")
    return environ[name]
