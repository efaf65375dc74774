"""`kindred`: the command line's root."""

import typer

from api.cli import (
    audit,
    bench,
    blocking,
    broker,
    certificates,
    consents,
    demo,
    demo_data,
    describing,
    discovering,
    drifting,
    erasing,
    explaining,
    features,
    jobs,
    keys,
    looking,
    models,
    persons,
    planning,
    privacy,
    publishing,
    quality,
    quarantine,
    replaying,
    reviewing,
    running,
    sandbox,
    scaffold,
    sealed,
    serving,
    sources,
    sourcing,
    stewarding,
    tracking,
    trying,
    upkeeping,
    verdict,
)

app = typer.Typer(
    name="kindred",
    help="A customer data platform whose merges can be explained, undone and proved lawful.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_TOP = (
    *(scaffold, trying, discovering, drifting, jobs, publishing, running, sources, serving, persons, explaining),
    *(stewarding, planning, replaying, looking, verdict, quality, upkeeping, demo_data, describing, sandbox),
)
for part in _TOP:
    app.add_typer(part.app)
app.add_typer(sourcing.app, name="source", help="Sources: one more, proposed from its file.")
app.add_typer(privacy.app, name="privacy", help="Privacy requests: take down, verify, judge, carry out.")
consents.app.add_typer(sealed.app)
app.add_typer(consents.app, name="consent", help="The consent ledger: record, show, decide, prove.")
app.add_typer(features.app, name="features", help="Feature sets: training sets for models.")
app.add_typer(audit.app, name="audit", help="Who read whom: show, verify.")
erasing.app.command()(certificates.verify)
app.add_typer(
    erasing.app, name="erasure", help="Erasure: freeze and erase a person, follow it to its certificate, verify it."
)
app.add_typer(broker.app, name="kafka", help="A Kafka broker on this machine: up, down, status.")
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")
app.add_typer(blocking.app, name="blocking", help="Blocking rules: what each costs and finds, which the data propose.")
app.add_typer(models.app, name="models", help="The trained models: list, show, compare, draw.")
app.add_typer(reviewing.app, name="review", help="Questions for stewards: list, show, decide.")
app.add_typer(quarantine.app, name="quarantine", help="Rejected rows: list, show, mend by rules, replay.")
app.add_typer(tracking.app, name="tracking-plan", help="Tracking plans: import from JSON Schema, export to it.")
app.add_typer(demo.app, name="demo", help="The demo and its acts.")
app.add_typer(bench.app, name="bench", help="Measurements on public data, from a checkout.")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
