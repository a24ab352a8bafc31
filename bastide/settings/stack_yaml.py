"""YAML as stack files have it: what PyYAML would take in silence or die of is refused with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from bastide.settings.errors import Problem, SettingsError

DEEPEST: Final = 40
"""Levels of nesting. A choice: the settings have fewer than 10, and Python's own stack ends near 1,000 calls."""


def read_yaml(path: Path) -> Any:
    """A file's content. Raises SettingsError with one line that has the file's name and, where there is one, the
    line."""
    try:
        return yaml.load(path.read_bytes().decode(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        why = error.strerror or str(error)
    except UnicodeDecodeError as error:
        why = f"byte {error.start + 1} is not UTF-8; save the file as UTF-8 text"
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.problem, error.context) if part)
        why = f"line {at.line + 1}: {said}" if at else said
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a date such as 2026-13-01.
        why = " ".join(str(error).split())
    raise SettingsError([Problem("", f"cannot read {path.name}: {why}")])


class _Loader(yaml.SafeLoader):
    """Knows no duplicate key, no alias to what holds it, and no depth without end."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._around: list[str | None] = []
        """Anchors of the nodes around the next one, None for each that has none."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node; see the class."""
        event: yaml.NodeEvent = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._around:
            raise _refused(
                event.start_mark, f"*{event.anchor} stands inside of what it means, without an end"
            )
        if len(self._around) > DEEPEST:
            raise _refused(event.start_mark, f"is nested more than {DEEPEST} levels deep; no setting is")
        self._around.append(event.anchor)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._around.pop()
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping; see the class. The keys are looked at before `<<` adds what it stands for."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            same = (key.tag, key.value)
            if same in lines:
                raise _refused(
                    key.start_mark,
                    f"the key {key.value!r} is there already, in line {lines[same]}; only one can be meant, remove one",
                )
            lines[same] = key.start_mark.line + 1
        return node


def _refused(mark: Any, why: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=mark)
