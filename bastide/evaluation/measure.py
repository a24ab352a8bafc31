"""Asks two models the same questions and counts; says nothing of where they are served."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from bastide.evaluation.endpoint import Greedy, Scored
from bastide.evaluation.languages import LANGUAGES
from bastide.evaluation.table import Divergence, QualityError, Row, WrongUseError
from bastide.evaluation.tasks import MARGIN, RESERVE, TASKS, Density, Task, filled, sample

DIVERGENCE_TOKENS: Final = 64
"""Answer tokens that are compared for a prompt."""

DIVERGENCE_PROMPTS: Final = 8
"""Most prompts a length whose answers are compared: 512 tokens, of which each is a measurement."""

PLACES: Final = 4
"""Digits kept of shares and logarithms: more would be noise."""


class Model(Protocol):
    """What a model can be asked."""

    def answer(self, prompt: str, most: int) -> str:
        """The greedy answer of at most that many tokens."""

    def prompt_tokens(self, text: str) -> int:
        """How many tokens a text is."""

    def greedy(self, prompt: str, most: int) -> Greedy:
        """The greedy answer with its token ids."""

    def scored(self, text: Greedy) -> list[Scored]:
        """What the model thinks of each token of the answer."""


@dataclass(frozen=True)
class Plan:
    """What is measured: tasks by context length in tokens, questions for each, the seed they are made from, requests
    at a time, and fewest tokens for an answer (models that reason aloud need more than a task's own number)."""

    tasks: tuple[Task, ...] = tuple(TASKS.values())
    contexts: tuple[int, ...] = (1024, 4096)
    samples: int = 20
    seed: int = 1
    concurrency: int = 8
    answer_tokens: int = 0
    divergence: bool = True


Progress = Callable[[str], None]


def density(baseline: Model, plan: Plan) -> Density:
    """Characters a token of each language's filler, by the baseline's tokenizer."""
    # A character may be four tokens to a tokenizer of bytes, and the sample has to fit too.
    size = min(400, max(120, min(plan.contexts) // 4))
    texts = {code: sample(code, size) for code in ("en", *(each.code for each in LANGUAGES))}
    return {code: len(text) / baseline.prompt_tokens(text) for code, text in texts.items()}


def rows(baseline: Model, candidate: Model, plan: Plan, cut: Density, progress: Progress) -> Iterator[Row]:
    """One row for each task and length, as it is done."""
    questions = {
        (task.name, context): [task.question(plan.seed, context, index, cut) for index in range(plan.samples)]
        for task in plan.tasks
        for context in plan.contexts
    }  # all of them first: a length without room is refused before anything is asked
    with ThreadPoolExecutor(plan.concurrency) as pool:
        for (task, context), asked in questions.items():
            right = [
                list(
                    pool.map(
                        lambda each, model=model: each.right(
                            model.answer(each.prompt, max(each.answer_tokens, plan.answer_tokens))
                        ),
                        asked,
                    )
                )
                for model in (baseline, candidate)
            ]
            row = counted(task, context, right[0], right[1])
            progress(f"{task} at {context:,}: {row.baseline:.2f} -> {row.candidate:.2f}")
            yield row


def counted(task: str, context: int, baseline: Sequence[bool], candidate: Sequence[bool]) -> Row:
    """The row of these answers, question by question."""
    n = len(baseline)
    pairs = list(zip(baseline, candidate, strict=True))
    lost, won = pairs.count((True, False)), pairs.count((False, True))
    return Row(
        task=task,
        context=context,
        n=n,
        baseline=round(sum(baseline) / n, PLACES),
        candidate=round(sum(candidate) / n, PLACES),
        delta=round((won - lost) / n, PLACES),
        lost=lost,
        won=won,
    )


def divergences(
    baseline: Model, candidate: Model, plan: Plan, cut: Density, progress: Progress
) -> Iterator[Divergence]:
    """One measurement for each length, as it is done. Raises `QualityError` where the two do not share a tokenizer."""
    count = min(plan.samples, DIVERGENCE_PROMPTS)
    with ThreadPoolExecutor(plan.concurrency) as pool:
        for context in plan.contexts:
            size = int((context - DIVERGENCE_TOKENS - RESERVE) * MARGIN * cut["en"])
            if size < 1:
                raise WrongUseError(
                    f"{context} tokens have no room for a divergence; allowed: more than {DIVERGENCE_TOKENS + RESERVE}"
                )
            prompts = [
                filled(random.Random(f"{plan.seed} divergence {context} {index}"), "en", size)  # noqa: S311
                for index in range(count)
            ]
            if candidate.greedy(prompts[0], 1).prompt != baseline.greedy(prompts[0], 1).prompt:
                raise QualityError(
                    "the two models cut the same text into other tokens: divergence cannot be measured; give "
                    "--no-divergence"
                )
            texts = list(pool.map(lambda each: baseline.greedy(each, DIVERGENCE_TOKENS), prompts))
            answered = [text for text in texts if text.answer]
            if not answered:
                raise QualityError("the baseline answers nothing: divergence cannot be measured")
            own = [score for scores in pool.map(baseline.scored, answered) for score in scores]
            other = [score for scores in pool.map(candidate.scored, answered) for score in scores]
            found = compared(context, len(answered), own, other)
            progress(
                f"divergence at {context:,}: {found.divergence:.4f} nats, agreement {found.agreement:.2f}"
            )
            yield found


def compared(
    context: int, prompts: int, baseline: Sequence[Scored], candidate: Sequence[Scored]
) -> Divergence:
    """The divergence of these scores of the same tokens."""
    tokens = len(baseline)
    own = -sum(each.logprob for each in baseline) / tokens
    other = -sum(each.logprob for each in candidate) / tokens
    return Divergence(
        context=context,
        n=prompts,
        tokens=tokens,
        agreement=round(sum(each.first for each in candidate) / tokens, PLACES),
        divergence=round(other - own, PLACES),
        baseline_perplexity=round(max(1.0, math.exp(own)), PLACES),
        candidate_perplexity=round(max(1.0, math.exp(other)), PLACES),
    )
