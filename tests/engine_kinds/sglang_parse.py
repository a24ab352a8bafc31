"""Run by SGLang's own interpreter: command lines from stdin go through its parser, what it understood goes to stdout.

Input: {"name": ["--flag", ...], ...}. Output: for each name `read` (the values that were given, by their field) or
`refused` (its message), and the choices of its two kinds of parsers."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys


def main() -> None:
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser(allow_abbrev=False)
    ServerArgs.add_cli_args(parser)
    defaults = {action.dest: action.default for action in parser._actions}
    choices = {
        action.dest: sorted(action.choices)
        for action in parser._actions
        if action.dest in ("tool_call_parser", "reasoning_parser")
    }
    found = {}
    for name, arguments in json.load(sys.stdin).items():
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                read = vars(parser.parse_args(arguments))
        except SystemExit:
            found[name] = {"refused": said.getvalue().strip().splitlines()[-1]}
            continue
        found[name] = {"read": {key: value for key, value in read.items() if value != defaults.get(key)}}
    json.dump({"found": found, "choices": choices}, sys.stdout, default=str)


if __name__ == "__main__":
    main()
