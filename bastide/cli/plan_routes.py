"""`bastide plan routes --stack NAME`: who may use which model, in which order, at what price, and why not another.

  bastide plan routes --stack NAME             the table as people read it
  bastide plan routes --stack NAME --json      routes.json, as the gateway gets it
  bastide plan routes --stack NAME --litellm   LiteLLM's config.yaml, as it gets it

Exit status 0: done; 1: the stack is refused, with reasons; 2: wrongly used."""

from __future__ import annotations

import argparse
import sys

from bastide.plans.routing.document import rendered
from bastide.plans.routing.litellm_config import rendered as litellm_rendered
from bastide.plans.routing.table import table
from bastide.plans.routing.text import text
from bastide.settings import SettingsError, load_stack_file, stack_file


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide plan routes`; returns the exit status."""
    if arguments.stack is None:
        print("error: --stack is missing; `bastide plan routes --stack NAME`", file=sys.stderr)
        return 2
    if arguments.json and arguments.litellm:
        print("error: --json and --litellm are two forms; give one of them", file=sys.stderr)
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
    elif not settings.routes:
        print("the stack has no route; bastide:routes names them (docs/routes.md)")
    else:
        print(text(settings, table(settings)))
    return 0
