"""The tokenizer of tiny models: byte-level, so that any text can be said with 259 tokens."""

from __future__ import annotations

import json
from typing import Any, Final

SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Qwen2's own special tokens; they come first, so their ids are 0, 1 and 2."""
END_OF_TEXT, START, END = SPECIAL

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def as_json(content: Any) -> bytes:
    """JSON as every file of a tiny model has it."""
    return (json.dumps(content, indent=2, ensure_ascii=True) + "\n").encode()


def _byte_alphabet() -> list[str]:
    """The character by which byte-level tokenizers write each byte: itself where it can be printed, else the
    next one from U+0100 on (GPT-2's table, which `ByteLevel` of the tokenizers library reads)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    free = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(free)) for byte in range(256)]


def vocabulary() -> dict[str, int]:
    """Every token with its id."""
    return {token: index for index, token in enumerate([*SPECIAL, *_byte_alphabet()])}


def tokenizer() -> dict[str, Any]:
    """Byte-level BPE without a merge: one token a byte, so any text can be said. Nothing is trained,
    because a trainer's tie-breaks are not promised to be the same in another version."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **added(token)} for index, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary(),
            "merges": [],
        },
    }


def added(token: str) -> dict[str, Any]:
    """A special token as the tokenizers library describes it."""
    return {
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
