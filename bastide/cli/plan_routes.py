"""`bastide plan routes --stack NAME`: who may use which model, in which order, at what price, and why not another.

  bastide plan routes --stack NAME             the table as people read it
  bastide plan routes --stack NAME --html      the same table as a page to review and print: `... --html > routes.html`
  bastide plan routes --stack NAME --json      routes.json, as the gateway gets it
  bastide plan routes --stack NAME --litellm   LiteLLM's config.yaml, as it gets it

Exit status 0: done; 1: the stack is refused, with reasons; 2: wrongly used."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from bastide.pages.route_table import page
from bastide.plans.routing.document import rendered
from bastide.plans.routing.litellm_config import rendered as litellm_rendered
from bastide.plans.routing.table import table
from bastide.plans.routing.text import text
from bastide.settings import SettingsError, load_stack_file, stack_file

FORMS: Final = ("html", "json", "litellm")
"""What may be asked for in the place of text."""


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide plan routes`; returns the exit status."""
    if arguments.stack is None:
        print("error: --stack is missing; `bastide plan routes --stack NAME`", file=sys.stderr)
        return 2
    forms = [f"--{each}" for each in FORMS if getattr(arguments, each)]
    if len(forms) > 1:
        print(f"error: {', '.join(forms)} are forms of one table; give one of them", file=sys.stderr)
        return 2
    try:
        settings = load_stack_file(stack_file(arguments.stack))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(rendered(settings), end="")
    elif arguments.litellm:
        print(litellm_rendered(settings), end="")
    elif arguments.html:
        print(page(arguments.stack, settings, table(settings)), end="")
    elif not settings.routes:
        print("the stack has no route; bastide:routes names them (docs/routes.md)")
    else:
        print(text(settings, table(settings)))
    return 0
