"""Blocking rules on the terminal: what the declared ones cost and find, and which ones the data propose."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import as_json, reporting, say, table
from api.cli.options import JsonOption, WorkspaceOption
from identity.config import IdentityConfig, load_identity
from identity.modelling import blocking, measuring
from identity.modelling.blocking import Choice, Rule
from identity.modelling.measuring import Measured
from identity.tables import EDGES, RECORD_FEATURES
from infra.errors import Refused
from infra.workspace import Workspace

app = typer.Typer(no_args_is_help=True)

CapOption = Annotated[
    int | None, typer.Option(min=2, help="Records in a block above which a rule is silent; else limits.block.")
]


@app.command()
def propose(
    workspace: WorkspaceOption = Path(),
    budget: Annotated[float, typer.Option(min=0.1, help="Pairs to compare for each record.")] = 20.0,
    cap: CapOption = None,
    json: JsonOption = False,
) -> None:
    """Propose blocking rules from the records: those that find most likely matches for the pairs that they cost."""
    with reporting():
        place = Workspace.open(workspace)
        config = load_identity(place)
        cap = cap or config.limits.block
        measured = _measured(place, config, cap, all_rules=True)
        choices = blocking.chosen(
            measured.costs, measured.patterns, measured.catchers, measured.records, budget, given=_kinds(config)
        )
        if not choices:
            raise Refused(f"no rule fits {budget:g} pairs a record and finds anything; raise --budget or --cap")
        rules = [choice.cost.rule for choice in choices]
        if json:
            as_json(_facts(measured, config, rules) | {"cap": cap, "budget": budget})
            return
        _print(measured, config, rules, choices)
        say("to compare with what is declared: kindred blocking report; to take it, paste into identity.yaml:")
        say(blocking.as_yaml(rules, cap))


@app.command()
def report(workspace: WorkspaceOption = Path(), cap: CapOption = None, json: JsonOption = False) -> None:
    """Show what each declared blocking rule costs, which records its cap leaves out, and what it finds."""
    with reporting():
        place = Workspace.open(workspace)
        config = load_identity(place)
        measured = _measured(place, config, cap or config.limits.block, all_rules=False)
        if json:
            as_json(_facts(measured, config, config.blocking) | {"cap": cap or config.limits.block})
            return
        _print(measured, config, config.blocking, ())


def _measured(workspace: Workspace, config: IdentityConfig, cap: int, *, all_rules: bool) -> Measured:
    from identity.workbench import load_table, workbench  # brings Splink, which takes a second

    rules = measuring.candidate_rules(config) if all_rules else config.blocking
    above = f"weight_micro > {measuring.likely_from(config)}"
    with workbench(workspace) as connection:
        load_table(connection, workspace.lake_path, RECORD_FEATURES, "described", measuring.COLUMNS, "NOT bare")
        load_table(connection, workspace.lake_path, EDGES, "stored_edges", measuring.EDGE_COLUMNS, above)
        return measuring.measured(connection, config, rules, cap)


def _kinds(config: IdentityConfig) -> tuple[Rule, ...]:
    return tuple(dict.fromkeys(measuring.kinds(config).values()))


def _rows(measured: Measured, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    costs = {cost.rule: cost for cost in measured.costs}
    looked_at = max(sum(p.pairs for p in measured.patterns), 1)
    records = max(measured.records, 1)
    return [
        {
            "rule": list(rule),
            "pairs_a_record": costs[rule].pairs / records,
            "largest_block": costs[rule].largest,
            "silenced": costs[rule].silenced / records,
            "found": blocking.found([rule], measured.patterns) / looked_at,
            "found_again": blocking.recaptured([rule], measured.patterns, measured.catchers).recall,
        }
        for rule in rules
    ]


def _facts(measured: Measured, config: IdentityConfig, rules: Sequence[Rule]) -> dict[str, Any]:
    """Return the whole answer for machines; shares are of the records, or of the likely matches looked at."""
    kinds = _kinds(config)
    return {
        "records": measured.records,
        "likely_matches": measured.likely,
        "rules": _rows(measured, rules),
        "pairs_a_record": sum(row["pairs_a_record"] for row in _rows(measured, rules)),
        "recall_identifiers": blocking.recaptured(kinds, measured.patterns, measured.catchers).recall,
        "recall_rules": blocking.recaptured(rules, measured.patterns, measured.catchers).recall,
        "recall_together": blocking.recaptured((*kinds, *rules), measured.patterns, measured.catchers).recall,
    }


def _print(measured: Measured, config: IdentityConfig, rules: Sequence[Rule], choices: Sequence[Choice]) -> None:
    facts = _facts(measured, config, rules)
    say(f"{measured.records:,} records, {measured.likely:,} likely matches found in the last run")
    together = {choice.cost.rule: choice.together.recall for choice in choices}
    columns = ["rule", "pairs", "largest", "silenced", "finds", "recall"]
    rows = [
        (
            "+".join(row["rule"]),
            f"{row['pairs_a_record']:.2f}",
            f"{row['largest_block']:,}",
            _share(row["silenced"]),
            _share(row["found"]),
            _share(row["found_again"]),
            *((_share(together[tuple(row["rule"])]),) if choices else ()),
        )
        for row in facts["rules"]
    ]
    table("blocking rules", [*columns, *(["so far"] if choices else [])], rows)
    say("pairs: compared, for each record; largest: the largest block; silenced: records in blocks above the cap")
    say("finds: of the likely matches; recall: estimated, of all matches, by what others find without its fields")
    say(f"together {facts['pairs_a_record']:.1f} pairs a record, those that several rules find counted for each")
    say(
        f"estimated recall: identifiers {_share(facts['recall_identifiers'])}, rules {_share(facts['recall_rules'])}, "
        f"both {_share(facts['recall_together'])}"
    )


def _share(value: float | None) -> str:
    return "too few" if value is None else f"{value:.1%}"
