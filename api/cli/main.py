"""`kindred`: the command line's root."""

import typer

from api.cli import (
    blocking,
    consents,
    demo,
    demo_data,
    jobs,
    keys,
    looking,
    models,
    persons,
    planning,
    scaffold,
    serving,
)

app = typer.Typer(
    name="kindred",
    help="A customer data platform whose merges can be explained, undone and proved lawful.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (scaffold.app, jobs.app, serving.app, persons.app, planning.app, looking.app, demo_data.app):
    app.add_typer(part)
app.add_typer(consents.app, name="consent", help="The consent ledger: record, show, decide.")
app.add_typer(keys.app, name="keys", help="API keys: create, list, revoke.")
app.add_typer(blocking.app, name="blocking", help="Blocking rules: what each costs and finds, which the data propose.")
app.add_typer(models.app, name="models", help="The trained models: list, show, compare, draw.")
app.add_typer(demo.app, name="demo", help="The demo and its acts.")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
