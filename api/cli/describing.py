"""`kindred openapi`: the description of the HTTP interface, without a server or a workspace."""

import json

import typer

from api.cli.console import reporting

app = typer.Typer()


@app.command()
def openapi() -> None:
    """Print the OpenAPI document, from which a client can be generated."""
    with reporting():
        from api.http.app import declared_app

        print(json.dumps(declared_app().openapi(), indent=2))
