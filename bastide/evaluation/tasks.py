"""The built-in tasks of `bastide eval`: questions with one right answer, made from a seed, of any length.

They need no download and no second model as a judge, so the same questions can be asked anywhere. They measure
what quantization is known to damage: finding a fact in a long context, exact copying, counting, structure and
languages beside English. They are no measure of knowledge or taste.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bastide.evaluation.languages import ENGLISH_FILLER, LANGUAGES
from bastide.evaluation.table import WrongUseError

RESERVE: Final = 96
"""Tokens left free beside prompt and answer, for the chat template and for the error of the estimate."""

MARGIN: Final = 0.97
"""Share of the room that is filled: the tokens of a text are estimated from a sample of it."""

DEPTHS: Final = 10
"""Places, evenly from the start to the end of the context, at which facts are hidden in turn."""

Density = Mapping[str, float]
"""Characters in a token, by the code of the language, as the model's tokenizer was seen to cut a sample."""


@dataclass(frozen=True)
class Question:
    """What both models are asked. `right` judges an answer."""

    prompt: str
    answer_tokens: int
    right: Callable[[str], bool]


@dataclass(frozen=True)
class Task:
    """One kind of question. `make` takes a source of randomness, the room in characters by language, and the depth
    (0 to 1) at which the fact lies."""

    name: str
    about: str
    answer_tokens: int
    make: Callable[[random.Random, Callable[[str], int], float], tuple[str, Callable[[str], bool]]]

    def question(self, seed: int, context: int, index: int, density: Density) -> Question:
        """The question of that number; the same for the same arguments. Raises `WrongUseError` where the context has no
        room for it."""
        # Reproducible questions, no secret.
        source = random.Random(f"{seed} {self.name} {context} {index}")  # noqa: S311
        free = context - self.answer_tokens - RESERVE

        def room(language: str) -> int:
            return int(free * MARGIN * density[language])

        try:
            prompt, right = self.make(source, room, (index % DEPTHS) / (DEPTHS - 1))
        except _NoRoomError as error:
            wanted = int(error.size / (MARGIN * density[error.language])) + self.answer_tokens + RESERVE + 1
            raise WrongUseError(
                f"{context} tokens have no room for a question of '{self.name}'; allowed: about {wanted} or more; "
                "leave the task or the length out"
            ) from None
        return Question(prompt, self.answer_tokens, right)


class _NoRoomError(Exception):
    """A question of `size` characters is longer than the room in that language."""

    def __init__(self, language: str, size: int) -> None:
        super().__init__(language, size)
        self.language, self.size = language, size


def sample(language: str, size: int = 400) -> str:
    """About that many characters of that language's filler, from which the tokenizer's density is taken."""
    return filled(random.Random(language), language, size)  # noqa: S311 - reproducible, no secret


def filled(source: random.Random, language: str, size: int) -> str:
    """Sentences of that language, of at most `size` characters."""
    sentences = next((each.filler for each in LANGUAGES if each.code == language), ENGLISH_FILLER)
    parts: list[str] = []
    left = size
    while True:
        sentence = source.choice(sentences).format(number=source.randint(11, 989))
        left -= len(sentence) + 1
        if left < 0:
            return " ".join(parts)
        parts.append(sentence)


def around(source: random.Random, language: str, fact: str, question: str, size: int, depth: float) -> str:
    """The fact within filler at that depth, and the question after it, of about `size` characters."""
    own = len(fact) + len(question) + 4
    if own > size:
        raise _NoRoomError(language, own)
    left = size - own
    before = filled(source, language, int(left * depth))
    after = filled(source, language, left - len(before))
    return f"{before}\n{fact}\n{after}\n\n{question}".strip()


def plain(text: str) -> str:
    """An answer without reasoning, case, spaces at its ends and differences of Unicode's forms."""
    said = re.sub(r"<think>.*?(</think>|$)", "", text, flags=re.DOTALL)
    return unicodedata.normalize("NFC", said).strip().casefold()


def holds(value: str) -> Callable[[str], bool]:
    """Judges an answer right that has the value as whole words in it."""
    wanted = re.compile(rf"(?<!\w){re.escape(plain(value))}(?!\w)")
    return lambda answer: wanted.search(plain(answer)) is not None


def _needle(
    source: random.Random, room: Callable[[str], int], depth: float
) -> tuple[str, Callable[[str], bool]]:
    place, number = (
        source.choice(("Bergen", "Hanoi", "Lima", "Porto", "Quito")),
        source.randint(10_000, 99_999),
    )
    fact = f"The secret number of {place} is {number}."
    question = f"What is the secret number of {place}? Answer with the number only."
    return around(source, "en", fact, question, room("en"), depth), holds(str(number))


def _copy(
    source: random.Random, room: Callable[[str], int], depth: float
) -> tuple[str, Callable[[str], bool]]:
    words = [
        source.choice("bdfglmnprstvz") + source.choice("aeiou") + source.choice("klmnrst") for _ in range(8)
    ]
    line = " ".join(words)
    label = f"L{source.randint(100, 999)}"
    question = f"Repeat the text of line {label} exactly, and nothing else."
    return around(source, "en", f"Line {label}: {line}", question, room("en"), depth), holds(line)


def _arithmetic(
    source: random.Random, room: Callable[[str], int], depth: float
) -> tuple[str, Callable[[str], bool]]:
    first, second, third = (source.randint(10, 99) for _ in range(3))
    fact = f"Anna has {first} marbles, Binh has {second} and Carla has {third}."
    question = "How many marbles do Anna, Binh and Carla have together? Answer with the number only."
    return around(source, "en", fact, question, room("en"), depth), holds(str(first + second + third))


def _json(
    source: random.Random, room: Callable[[str], int], depth: float
) -> tuple[str, Callable[[str], bool]]:
    wanted = {
        "port": source.choice(("Bergen", "Hanoi", "Lima", "Porto", "Quito")),
        "crates": source.randint(100, 999),
        "fragile": source.choice((True, False)),
    }
    kind = "is" if wanted["fragile"] else "is not"
    fact = f"The shipment of {wanted['crates']} crates goes to {wanted['port']} and {kind} fragile."
    question = (
        'Describe the shipment as a JSON object with the keys "port" (text), "crates" (number) and "fragile" '
        "(true or false). Answer with the JSON object only."
    )
    return around(source, "en", fact, question, room("en"), depth), lambda answer: _parsed(answer) == wanted


def _parsed(answer: str) -> object:
    """The first JSON object of an answer; None where there is none."""
    said = re.sub(r"<think>.*?(</think>|$)", "", answer, flags=re.DOTALL)
    start = said.find("{")
    if start < 0:
        return None
    try:
        found: object = json.JSONDecoder().raw_decode(said[start:])[0]
    except ValueError:
        return None
    return found


def _languages(
    source: random.Random, room: Callable[[str], int], depth: float
) -> tuple[str, Callable[[str], bool]]:
    language = source.choice(LANGUAGES)
    return _in_language(language.code)(source, room, depth)


def _in_language(
    code: str,
) -> Callable[[random.Random, Callable[[str], int], float], tuple[str, Callable[[str], bool]]]:
    language = next(each for each in LANGUAGES if each.code == code)

    def make(
        source: random.Random, room: Callable[[str], int], depth: float
    ) -> tuple[str, Callable[[str], bool]]:
        place, value = source.choice(language.places), source.choice(language.values)
        fact = language.needle.format(place=place, value=value)
        question = language.question.format(place=place)
        wanted = plain(value)
        # Without word boundaries: several of these scripts write none.
        return around(source, code, fact, question, room(code), depth), lambda answer: wanted in plain(answer)

    return make


TASKS: Final = {
    each.name: each
    for each in (
        Task("needle", "a number hidden in the context", 32, _needle),
        Task("copy", "a line of made-up words, repeated exactly", 64, _copy),
        Task("arithmetic", "a sum of three numbers from the context", 32, _arithmetic),
        Task("json", "a fact of the context as a JSON object", 64, _json),
        Task("vietnamese", "a phrase hidden in a Vietnamese context", 48, _in_language("vi")),
        Task("languages", "a phrase hidden in a context in one of six languages", 48, _languages),
    )
}
"""Every task by its name."""
