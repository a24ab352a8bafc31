"""`bastide schema`: every setting of a stack file, as JSON Schema for editors or as a page to read."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide schema`."""
    parser.add_argument(
        "--reference", action="store_true", help="a Markdown page of all settings, defaults and meanings"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide schema`; returns the exit status."""
    from bastide.settings.schema import reference, stack_file_schema

    print(reference() if arguments.reference else json.dumps(stack_file_schema(), indent=2))
    return 0
