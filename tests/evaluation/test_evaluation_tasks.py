import random

import pytest

from bastide.evaluation.languages import LANGUAGES
from bastide.evaluation.table import QualityError
from bastide.evaluation.tasks import TASKS, filled, holds, plain, sample

DENSITY = {"en": 4.0, **{language.code: 2.0 for language in LANGUAGES}}


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_question_is_the_same_every_time_and_fills_its_context(task) -> None:  # type: ignore[no-untyped-def]
    one, two = (task.question(7, 2048, 3, DENSITY) for _ in range(2))
    assert one.prompt == two.prompt
    assert task.question(7, 2048, 4, DENSITY).prompt != one.prompt
    assert task.question(8, 2048, 3, DENSITY).prompt != one.prompt
    longest = 2048 * max(DENSITY.values())
    assert len(one.prompt) < longest
    english = task.name not in ("languages", "vietnamese")
    assert len(one.prompt) > (0.85 if english else 0.4) * longest, "short filler would test a shorter context"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("needle", lambda prompt: prompt.split("The secret number of ")[1].split(" is ")[1].split(".")[0]),
        (
            "copy",
            lambda prompt: next(line for line in prompt.splitlines() if line.startswith("Line L")).split(
                ": "
            )[1],
        ),
        ("vietnamese", lambda prompt: prompt.split("«")[1].split("»")[0]),
    ],
)
def test_the_right_answer_is_in_the_context_and_is_judged_right(name, answer) -> None:  # type: ignore[no-untyped-def]
    for index in range(10):
        question = TASKS[name].question(1, 1024, index, DENSITY)
        said = answer(question.prompt)
        assert question.right(f"  It is: {said}.\n"), said
        assert question.right(f"<think>was it 12345?</think>{said.upper()}")
        assert not question.right("")
        assert not question.right(f"<think>{said}")


def test_sums_and_objects_are_judged_by_value() -> None:
    question = TASKS["arithmetic"].question(1, 512, 0, DENSITY)
    numbers = [
        int(word.strip(".,"))
        for word in question.prompt.split("Anna has")[1].split("\n")[0].split()
        if word[0].isdigit()
    ]
    total = sum(numbers)
    assert len(numbers) == 3
    assert question.right(f"{total} marbles")
    assert not question.right(f"{total}1")

    question = TASKS["json"].question(1, 512, 0, DENSITY)
    words = question.prompt.split("The shipment of ")[1].split("\n")[0]
    crates, port = int(words.split()[0]), words.split("goes to ")[1].split(" and")[0]
    fragile = "is fragile" in words
    right = f'{{"port": "{port}", "fragile": {str(fragile).lower()}, "crates": {crates}}}'
    assert question.right(f"```json\n{right}\n```")
    assert not question.right(right.replace(str(crates), f'"{crates}"')), "a text is no number"
    assert not question.right(right[:-1])


def test_the_fact_lies_at_every_depth() -> None:
    places = []
    for index in range(10):
        prompt = TASKS["needle"].question(1, 2048, index, DENSITY).prompt
        places.append(prompt.index("The secret number of") / len(prompt))
    assert places == sorted(places)
    assert places[0] < 0.02
    assert places[-1] > 0.9


def test_composed_and_decomposed_letters_are_one_answer() -> None:
    assert holds("Đà Nẵng")("đà nẵng".encode().decode())
    assert plain("nẵng") == plain("nẵng")
    assert not holds("123")("41234")


def test_a_context_too_short_for_the_question_is_refused_with_what_would_do() -> None:
    with pytest.raises(QualityError, match=r"100 tokens have no room .* about \d+ or more"):
        TASKS["needle"].question(1, 100, 0, DENSITY)


def test_the_sample_is_of_its_language_and_filler_keeps_to_its_size() -> None:
    assert "cảng" in sample("vi") or "sông" in sample("vi")
    for size in (0, 50, 200, 1000):
        assert len(filled(random.Random(1), "en", size)) <= size  # noqa: S311 - no secret
