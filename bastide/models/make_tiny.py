"""A tiny real model: Qwen2's architecture with random weights, a byte-level tokenizer and a chat template.

It says nothing sensible, but every part that handles a model handles this one: it is loaded by the same
code as a large one. The same bytes come out on every machine, so its digest can stand in a stack file.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bastide.models.errors import ModelError

HIDDEN: Final = 64
INTERMEDIATE: Final = 128
LAYERS: Final = 2
HEADS: Final = 2
KV_HEADS: Final = 1
HEAD_DIM: Final = HIDDEN // HEADS
CONTEXT: Final = 1024
"""Sizes with which vLLM 0.32 was seen to load and serve a Qwen2 on a CPU; its kernels want a head of 32 or
more."""

SEED: Final = 20_250_101
SPREAD: Final = 0.02
"""Standard deviation of the weights: `initializer_range` of Qwen2's configuration."""

SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Qwen2's own special tokens; they come first, so their ids are 0, 1 and 2."""
END_OF_TEXT, START, END = SPECIAL

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

FILES: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def make_tiny(folder: Path) -> list[Path]:
    """Writes the model's files and returns their paths. A folder that holds anything else is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(each.name for each in folder.iterdir() if each.name not in FILES)
        if foreign:
            raise ModelError(
                f"{folder} is not empty: it holds {', '.join(foreign[:3])}, which is not of this model; "
                "give an empty or a new folder"
            )
        files = tiny_files()
        stale = [name for name in FILES if (folder / name).exists() and not _ours(folder / name, files[name])]
        if stale:
            raise ModelError(
                f"{folder} holds another {stale[0]}: it would be overwritten; give an empty or a new folder"
            )
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error.strerror}); give another folder") from None
    return [folder / name for name in FILES]


def _ours(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def tiny_files() -> dict[str, bytes]:
    """Content of every file, by name."""
    vocabulary = len(_vocabulary())
    return {
        "config.json": _json(_config(vocabulary)),
        "generation_config.json": _json(
            {
                "bos_token_id": 0,
                "eos_token_id": [2, 0],
                "pad_token_id": 0,
                "do_sample": True,
                "temperature": 1.0,
            }
        ),
        "model.safetensors": _weights(vocabulary),
        "special_tokens_map.json": _json({"eos_token": END, "pad_token": END_OF_TEXT}),
        "tokenizer.json": _json(_tokenizer()),
        "tokenizer_config.json": _json(
            {
                "added_tokens_decoder": {str(index): _added(token) for index, token in enumerate(SPECIAL)},
                "chat_template": CHAT_TEMPLATE,
                "clean_up_tokenization_spaces": False,
                "eos_token": END,
                "model_max_length": CONTEXT,
                "pad_token": END_OF_TEXT,
                "tokenizer_class": "PreTrainedTokenizerFast",
            }
        ),
    }


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=True) + "\n").encode()


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": SPREAD,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": CONTEXT,
        "max_window_layers": LAYERS,
        "model_type": "qwen2",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KV_HEADS,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": vocabulary,
    }


def _byte_alphabet() -> list[str]:
    """The character by which byte-level tokenizers write each byte: itself where it can be printed, else the
    next one from U+0100 on (GPT-2's table, which `ByteLevel` of the tokenizers library reads)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    free = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(free)) for byte in range(256)]


def _vocabulary() -> dict[str, int]:
    return {token: index for index, token in enumerate([*SPECIAL, *_byte_alphabet()])}


def _tokenizer() -> dict[str, Any]:
    """Byte-level BPE without a merge: one token a byte, so any text can be said. Nothing is trained,
    because a trainer's tie-breaks are not promised to be the same in another version."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": index, **_added(token)} for index, token in enumerate(SPECIAL)],
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
            "vocab": _vocabulary(),
            "merges": [],
        },
    }


def _added(token: str) -> dict[str, Any]:
    return {
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def shapes(vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the checkpoint, by the names that transformers and vLLM give Qwen2's."""
    yield "model.embed_tokens.weight", (vocabulary, HIDDEN)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        yield f"{at}.input_layernorm.weight", (HIDDEN,)
        yield f"{at}.mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
        yield f"{at}.mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{at}.mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{at}.post_attention_layernorm.weight", (HIDDEN,)
        for part, heads in (("k", KV_HEADS), ("q", HEADS), ("v", KV_HEADS)):
            yield f"{at}.self_attn.{part}_proj.bias", (heads * HEAD_DIM,)
            yield f"{at}.self_attn.{part}_proj.weight", (heads * HEAD_DIM, HIDDEN)
        yield f"{at}.self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD_DIM)
    yield "model.norm.weight", (HIDDEN,)


def _weights(vocabulary: int) -> bytes:
    """The checkpoint. Its format is small and fixed, and written here: the safetensors library orders and
    takes its tensors differently from version to version."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data: list[bytes] = []
    end = 0
    for name, shape in shapes(vocabulary):
        content = _tensor(name, shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + len(content)]}
        data.append(content)
        end += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    """bfloat16 values: ones for norms, zeros for biases, else a normal distribution from a seed of the
    name's."""
    count = 1
    for length in shape:
        count *= length
    if name.endswith("norm.weight"):
        return _bfloat16([1.0]) * count
    if name.endswith(".bias"):
        return _bfloat16([0.0]) * count
    # Reproducible noise, no secret.
    source = random.Random(hashlib.sha256(f"{SEED} {name}".encode()).digest())  # noqa: S311
    return _bfloat16([_normal(source) for _ in range(count)])


def _normal(source: random.Random) -> float:
    """About normal: the sum of twelve uniform numbers less 6 has variance 1, and unlike the textbook formula
    uses no logarithm or sine, whose last bit differs between machines."""
    return (sum(source.random() for _ in range(12)) - 6.0) * SPREAD


def _bfloat16(values: list[float]) -> bytes:
    """bfloat16 is the upper half of a float32."""
    packed = struct.pack(f"<{len(values)}f", *values)
    return b"".join(packed[at + 2 : at + 4] for at in range(0, len(packed), 4))
