"""A tiny real model: a known architecture with random weights, a byte-level tokenizer and a chat template.

It says nothing sensible, but every part that handles a model handles this one: it is loaded by the same
code as a large one. The same bytes come out on every machine, so its digest can stand in a stack file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bastide.models.errors import ModelError
from bastide.models.make_tiny_lora import LORA, LORA_ABOUT, lora_files
from bastide.models.make_tiny_shapes import CONTEXT, DEFAULT_SHAPE, SHAPES, Shape
from bastide.models.make_tiny_tokenizer import (
    CHAT_TEMPLATE,
    END,
    END_OF_TEXT,
    SPECIAL,
    added,
    as_json,
    tokenizer,
    vocabulary,
)
from bastide.models.make_tiny_weights import safetensors

FILES: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""Files of every shape of model; an adapter has its own two."""


def tiny_shapes() -> dict[str, str]:
    """What `make_tiny` can make: name, and for what it is there."""
    return {**{name: shape.about for name, shape in SHAPES.items()}, LORA: LORA_ABOUT}


def make_tiny(folder: Path, shape: str = DEFAULT_SHAPE) -> list[Path]:
    """Writes the files of that shape and returns their paths. A folder that holds anything else is refused."""
    files = tiny_files(shape)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(each.name for each in folder.iterdir() if each.name not in files)
        if foreign:
            raise ModelError(
                f"{folder} is not empty: it holds {', '.join(foreign[:3])}, which is not of this model; "
                "give an empty or a new folder"
            )
        stale = [name for name in files if (folder / name).exists() and not _ours(folder / name, files[name])]
        if stale:
            raise ModelError(
                f"{folder} holds another {stale[0]}: it would be overwritten; give an empty or a new folder"
            )
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error.strerror}); give another folder") from None
    return [folder / name for name in files]


def _ours(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def tiny_files(shape: str = DEFAULT_SHAPE) -> dict[str, bytes]:
    """Content of every file of that shape, by name. Raises `ModelError` for a shape that there is not."""
    if shape == LORA:
        return lora_files()
    if shape not in SHAPES:
        raise ModelError(f"there is no tiny model of shape {shape!r}; allowed: {', '.join(tiny_shapes())}")
    made = SHAPES[shape]
    size = len(vocabulary())
    return {
        "config.json": as_json(_config(made, size)),
        "generation_config.json": as_json(
            {
                "bos_token_id": 0,
                "eos_token_id": [2, 0],
                "pad_token_id": 0,
                "do_sample": True,
                "temperature": 1.0,
            }
        ),
        "model.safetensors": safetensors(made.tensors(size), made.dtype),
        "special_tokens_map.json": as_json({"eos_token": END, "pad_token": END_OF_TEXT}),
        "tokenizer.json": as_json(tokenizer()),
        "tokenizer_config.json": as_json(
            {
                "added_tokens_decoder": {str(index): added(token) for index, token in enumerate(SPECIAL)},
                "chat_template": CHAT_TEMPLATE,
                "clean_up_tokenization_spaces": False,
                "eos_token": END,
                "model_max_length": CONTEXT,
                "pad_token": END_OF_TEXT,
                "tokenizer_class": "PreTrainedTokenizerFast",
            }
        ),
    }


def _config(shape: Shape, size: int) -> dict[str, Any]:
    return dict(sorted({**shape.config, "vocab_size": size}.items()))
