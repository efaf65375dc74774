"""`kindred quarantine`: what was rejected, the rules that mend it, and the way back in."""

import getpass
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from heapq import nsmallest
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.cli.console import as_json, reporting, say, table
from api.cli.jobs import hand_over
from api.cli.options import JsonOption, WorkspaceOption
from api.cli.world import World, open_world
from infra.clock import system_clock
from infra.errors import Malformed, Missing
from infra.workspace import Workspace
from ingestion.quarantine import store
from ingestion.quarantine.desk import declared, known, tried
from ingestion.quarantine.opened import Rejection, groups, open_rejections, recoveries
from ingestion.quarantine.preview import Preview
from ingestion.quarantine.rules import KINDS, FixRules, from_options, parted
from ingestion.quarantine.shown import shown

app = typer.Typer(no_args_is_help=True)
SourceOption = Annotated[str | None, typer.Option(help="Only rows of this source.")]
RuleOption = Annotated[str | None, typer.Option(help="Only rows that broke this rule.")]
FieldOption = Annotated[str | None, typer.Option(help="Only rows that broke a rule of this field.")]
_AS_THEY_ARE = "replayed as they are"


def _opened(
    workspace: Workspace, source: str | None, rule: str | None, field: str | None, *, payloads: bool = True
) -> Iterator[Rejection]:
    if source is not None:
        known(declared(workspace), source)
    for one in open_rejections(workspace.lake_path, source, payloads=payloads):
        if rule in (None, one.rule) and field in (None, one.field):
            yield one


@app.command("list")
def list_(
    source: SourceOption = None,
    rule: RuleOption = None,
    field: FieldOption = None,
    limit: int = 50,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """List what is open, counted by source, field and rule, with what would be right; values are not shown."""
    with reporting():
        found = groups(_opened(Workspace.open(workspace), source, rule, field, payloads=False))
        if json:
            as_json([asdict(group) for group in found])
            return
        rows = [
            (g.source, g.field, g.rule, g.rows, ", ".join(g.value_classes), g.places[0], g.reason)
            for g in found[:limit]
        ]
        total = sum(group.rows for group in found)
        title = f"{total:,} rejections are open, for {len(found):,} reasons"
        table(title, ["source", "field", "rule", "rows", "values are", "first at", "what would be right"], rows)
        if len(found) > limit:
            say(f"{len(found) - limit} more reasons; --limit shows more")


@app.command()
def show(
    place: Annotated[str | None, typer.Argument(help="One row, as SOURCE:FILE:POSITION.")] = None,
    source: SourceOption = None,
    rule: RuleOption = None,
    field: FieldOption = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show values; who looked is written down.")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 20,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show rejected rows under the names that they would have in the lake, and what is wrong with each."""
    with reporting():
        world = open_world(workspace)
        sources = declared(world.workspace)
        wanted = (o for o in _opened(world.workspace, source, rule, field) if place in (None, o.place))
        # One more than asked, to know whether there are more.
        order = attrgetter("source", "file", "position", "rule", "reason")
        found = nsmallest(limit + 1, wanted, key=order)
        if not found:
            raise Missing("no rejected row is open that is so; `kindred quarantine list` shows what there is")
        if reveal:
            asked = {"place": place, "source": source, "rule": rule, "field": field}
            named = {name: value for name, value in asked.items() if value is not None}
            store.note_revealed(world.database, getpass.getuser(), named, len(found[:limit]), system_clock())
        rows = [shown(one, sources.get(one.source), reveal=reveal) for one in found[:limit]]
        if json:
            as_json(rows)
            return
        for row in rows:
            said = f"{row['field'] or 'row'}: {row['rule']}; {row['reason']} (it is {row['value_class']})"
            table(f"{row['place']}  {said}", ["column", "value"], row["row"].items())
        if len(found) > limit:
            say("there are more; --limit shows them")


def _options(kind: str, how: str) -> Any:
    return typer.Option(f"--{kind}", help=how)


@app.command()
def fix(  # noqa: PLR0917 - typer reads its options from the parameters
    file: Annotated[Path | None, typer.Argument(help="A YAML file of the workspace with the rules.")] = None,
    source: SourceOption = None,
    rule: RuleOption = None,
    field: FieldOption = None,
    when: Annotated[
        list[str] | None, _options("when", "Only rows where FIELD=VALUE; again for one value more.")
    ] = None,
    drop: Annotated[list[str] | None, _options("drop", "FIELD to leave out.")] = None,
    rename: Annotated[list[str] | None, _options("rename", "OLD=NEW name of a field.")] = None,
    map_: Annotated[list[str] | None, _options("map", "FIELD:OLD=NEW value.")] = None,
    replace: Annotated[list[str] | None, _options("replace", "FIELD:PATTERN=>TEXT for every match.")] = None,
    cast: Annotated[
        list[str] | None, _options("cast", "FIELD=date:%d.%m.%Y, =timestamp:…, =number:, or =number:,.")
    ] = None,
    set_: Annotated[list[str] | None, _options("set", "FIELD=VALUE; nothing after = empties it.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; saves the fix, so that it can be replayed.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Show what rules would do to the rejected rows that they name; with a reason, save them as a fix."""
    with reporting():
        world = open_world(workspace)
        told = {"drop": drop, "rename": rename, "map": map_, "replace": replace, "cast": cast, "set": set_}
        options = {kind: words for kind, words in told.items() if words}
        where = {"source": source, "rule": rule, "field": field, "when": when}
        if file is not None:
            if options or any(value is not None for value in where.values()):
                raise Malformed("name a file of rules or write the rules as options, not both")
            rules = _from_file(world.workspace, file)
        else:
            rules = _from_options(where, options)
        made = rules.fix()
        effect = tried(world.workspace, made, system_clock())
        if not effect.named:
            raise Missing(
                f"no open rejection of {rules.source} is named; `kindred quarantine list` shows what there is"
            )
        if reason is not None:
            store.save(world.database, rules, store.Signed(getpass.getuser(), reason, system_clock()))
        if json:
            as_json({"fix": made.id, "saved": reason is not None, **_facts(effect)})
            return
        _print(made.id, effect, saved=reason is not None)


def _from_file(workspace: Workspace, file: Path) -> FixRules:
    path = file.resolve() if file.is_file() else (workspace.root / file).resolve()
    if not path.is_relative_to(workspace.root):
        raise Malformed(f"{file.name}: put the file of rules into the workspace, for example under quarantine/")
    return workspace.load(path.relative_to(workspace.root).as_posix(), FixRules)


def _from_options(where: dict[str, Any], options: dict[str, list[str]]) -> FixRules:
    if where["source"] is None or not options:
        raise Malformed(f"write --source and what is to be done: --{', --'.join(KINDS)}; or name a file of rules")
    conditions: dict[str, list[str]] = {}
    try:
        for text in where["when"] or ():
            name, value = parted(text, "=", "--when FIELD=VALUE")
            conditions.setdefault(name, []).append(value)
        return from_options({**where, "when": conditions}, options)
    except ValidationError as error:
        # The sentence is ours; what was typed may be a person's and is not repeated.
        first = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise Malformed(first.removeprefix("Value error, ")) from None
    except ValueError as error:
        raise Malformed(str(error)) from None


def _facts(effect: Preview) -> dict[str, Any]:
    return {**asdict(effect), "examples": [asdict(example.masked()) for example in effect.examples]}


def _print(made: str, effect: Preview, *, saved: bool) -> None:
    say(f"{effect.named:,} rows are named, {effect.changed:,} would change, {effect.passing:,} would pass the contract")
    if effect.restless:
        say(f"{effect.restless:,} are left as they are: the rules would change their own outcome again")
    if effect.still:
        rows = [(still.field, still.rule, still.rows, still.reason) for still in effect.still]
        table("still rejected", ["field", "rule", "rows", "what would be right"], rows)
    for example in effect.examples:
        masked = example.masked()
        sides = [(name, masked.before[name], masked.after[name]) for name in masked.before]
        table(
            f"{example.place}  {'passes' if example.passes else 'is still rejected'}", ["field", "is", "becomes"], sides
        )
    how = f"`kindred quarantine replay {made}` takes them in" if saved else "with --reason it is saved"
    say(f"fix {made}: {how}")


@app.command()
def fixes(workspace: WorkspaceOption = Path(), json: JsonOption = False) -> None:
    """List the fixes that were saved: which rows, who, when, why."""
    with reporting():
        found = store.saved(open_world(workspace).database)
        if json:
            as_json([asdict(one) for one in found])
            return
        rows = [
            (
                one.id,
                one.rules["source"],
                one.rules.get("rule"),
                one.rules.get("field"),
                len(one.rules.get("steps", ())),
                one.signed.actor,
                f"{one.signed.at:%Y-%m-%d %H:%M}Z",
                one.signed.reason,
            )
            for one in found
        ]
        table(f"{len(found)} fixes", ["fix", "source", "rule", "field", "steps", "who", "when", "why"], rows)


@app.command()
def replay(
    made: Annotated[
        str | None, typer.Argument(metavar="FIX", help="A saved fix, from `kindred quarantine fix`.")
    ] = None,
    source: SourceOption = None,
    rule: RuleOption = None,
    field: FieldOption = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Take rejected rows in, mended by a fix, or as they are after a contract was relaxed; twice is once."""
    with reporting():
        world = open_world(workspace)
        chosen = _saved(world, made, source, rule, field)
        row = hand_over(world, "ingest", {"replay": chosen}, quiet=json)
        if json:
            as_json({"fix": chosen, "run": row.number, **_summary(row.steps)})


def _saved(world: World, made: str | None, source: str | None, rule: str | None, field: str | None) -> str:
    if (made is None) == (source is None) or (made is not None and (rule or field)):
        raise Malformed("name a fix, or with --source (and --rule, --field) rows to be read again as they are")
    if made is not None:
        store.load(world.database, made)
        return made
    rules = FixRules.model_validate({"source": source, "rule": rule, "field": field})
    known(declared(world.workspace), rules.source)
    signed = store.Signed(getpass.getuser(), _AS_THEY_ARE, system_clock())
    return store.save(world.database, rules, signed).id


def _summary(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (account,) = (step["summary"]["total"] for step in steps if step["name"] == "ingest")
    return {"account": account}


@app.command()
def recovered(
    key: Annotated[str | None, typer.Argument(help="What was taken in, as SOURCE:KEY; all without.")] = None,
    workspace: WorkspaceOption = Path(),
    json: JsonOption = False,
) -> None:
    """Say what replays did: which rejections they settled, by which fix; of one record or event, or counted."""
    with reporting():
        lake = Workspace.open(workspace).lake_path
        name, _, own = (key or "").partition(":")
        if key is not None and not (name and own):
            raise Malformed("write it as SOURCE:KEY, for example crm:C3006429")
        found = recoveries(lake, name or None, own or None)
        if key is not None and not found:
            raise Missing("nothing was replayed that has this source and key")
        if key is None:
            _print_counted(found, json=json)
        elif json:
            as_json(found)
        else:
            rows = [
                (r["field"], r["rule"], r["fix"], r["verdict"], f"{r['replayed_at']:%Y-%m-%d %H:%M}Z") for r in found
            ]
            table("how it came in", ["field", "rule", "fix", "verdict", "when"], rows)


def _print_counted(found: Sequence[dict[str, Any]], *, json: bool) -> None:
    columns = ("source", "field", "rule", "fix", "verdict")
    counted = Counter(tuple(row[name] for name in columns) for row in found)
    if json:
        as_json([{**dict(zip(columns, group, strict=True)), "rows": rows} for group, rows in counted.items()])
        return
    rows = [(*group, rows) for group, rows in counted.items()]
    table(f"{len(found):,} rejections are settled", [*columns, "rows"], rows)
