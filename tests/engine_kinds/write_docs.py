# ruff: noqa: E501 - a page's paragraphs are lines
"""Writes docs/engine-kinds.md from what the kinds say: `python -m tests.engine_kinds.write_docs`."""

from __future__ import annotations

from pathlib import Path

from bastide.plans import engine_kinds

HEAD = """# Kinds of engines

An engine's `kind` is the program that serves its model. All kinds take the same settings (`bastide:engines`), run in the same pod behind the same proxy, and read the same verified model. vLLM is the default and the one for which every setting was made.

```yaml
bastide:engines:
  - name: chat
    kind: sglang      # vllm, sglang, tensorrt-llm, tgi, ollama
    model: llama-3.1-8b
    pool: p5
    gpus: 8
    tensorParallel: 8
    maxModelLen: 32768
```

A setting that a kind cannot express is refused by name, with the reason; nothing is dropped in silence. Values that equal the default are not refused: what even a default promises and a kind does not keep is listed under "not kept".

TGI and Ollama are rendered and refused: their settings are mapped and tested, but no pod of the kit can run them, so a stack file with one of them does not load, and they have no image among `bastide:images`. The reason stands with each.

"judged by its own parser" means that the tests hand everything that is rendered to the engine's own package: vLLM's and SGLang's parsers of arguments, Ollama's reader of its environment. "rendered only" means that nobody here ran or parsed it: flags were read from the sources named in the kind's module (`bastide/plans/engine_kinds/`), and a first start may show what was missed.
"""


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind in engine_kinds.KINDS.values():
        judged = "judged by its own parser" if kind.judge == "parser" else "rendered only"
        parts.append(f"\n## {kind.name} {kind.version}\n\n**{judged}**")
        if kind.cannot_run:
            parts.append(f", and refused in a stack: {kind.cannot_run}.")
        parts.append(f" Health `{kind.health_path}`, metrics `{kind.metrics_path or 'none'}`.\n")
        if kind.unmet:
            parts.append("\nNot kept:\n\n" + "".join(f"- {each}\n" for each in kind.unmet))
        if kind.refused:
            rows = "".join(f"| `{key}` | {why} |\n" for key, why in kind.refused.items())
            parts.append(f"\n| refused | because |\n|---|---|\n{rows}")
    return "".join(parts)


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs/engine-kinds.md").write_text(text())
