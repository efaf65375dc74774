"""`kindred`: the command line's root."""

import typer

from api.cli import (
    bench,
    blocking,
    consents,
    demo,
    demo_data,
    explaining,
    jobs,
    keys,
    looking,
    models,
    persons,
    planning,
    quality,
    reviewing,
    scaffold,
    serving,
    stewarding,
)

app = typer.Typer(
    name="kindred",
    help="A customer data platform whose merges can be explained, undone and proved lawful.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_TOP = (scaffold, jobs, serving, persons, explaining, stewarding, planning, looking, quality, demo_data)
for part in _TOP:
    app.add_typer(part.app)
app.add_typer(consents.app, name="consent", help="The consent ledger: record, show, decide.")
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")
app.add_typer(blocking.app, name="blocking", help="Blocking rules: what each costs and finds, which the data propose.")
app.add_typer(models.app, name="models", help="The trained models: list, show, compare, draw.")
app.add_typer(reviewing.app, name="review", help="Questions for stewards: list, show, decide.")
app.add_typer(demo.app, name="demo", help="The demo and its acts.")
app.add_typer(bench.app, name="bench", help="Measurements on public data, from a checkout.")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
