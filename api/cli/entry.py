"""Where `kindred` begins: what must answer at once does not wait for the rest of the command line to be imported."""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["sandbox"]:
        from api.cli.sandbox import app

        app(args=sys.argv[2:], prog_name="kindred sandbox")
    elif sys.argv[1:2] == ["serve"]:
        from api.cli.serving import app

        app(args=sys.argv[2:], prog_name="kindred serve")
    else:
        from api.cli.main import main as whole

        whole()


if __name__ == "__main__":
    main()
