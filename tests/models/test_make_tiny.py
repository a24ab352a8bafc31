import json
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from safetensors import deserialize
from tokenizers import Tokenizer

from bastide.models.errors import ModelError
from bastide.models.make_tiny import FILES, make_tiny, tiny_files
from bastide.models.manifest import scan


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    make_tiny(tmp_path / "one")
    make_tiny(tmp_path / "two")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_digest_is_the_one_that_stack_files_may_name(tiny: Path) -> None:
    digest = scan(tiny, "tiny-qwen2", "1.0.0", "", "").digest
    assert digest == "f63d8e2c9cdca0d78340b1a1afb91a553cf248646b687cbc3b0918e49e8028b5"


def test_a_second_run_in_its_own_folder_changes_nothing(tiny: Path) -> None:
    before = {each.name: each.read_bytes() for each in tiny.iterdir()}
    make_tiny(tiny)
    assert {each.name: each.read_bytes() for each in tiny.iterdir()} == before


@pytest.mark.parametrize("name", ["notes.txt", "config.json"])
def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ModelError, match=name):
        make_tiny(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_the_safetensors_library_reads_every_tensor_with_the_shape_that_the_configuration_gives() -> None:
    files = tiny_files()
    config = json.loads(files["config.json"])
    tensors = dict(deserialize(files["model.safetensors"]))
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    key_value = config["num_key_value_heads"] * hidden // heads
    assert {tensor["dtype"] for tensor in tensors.values()} == {"BF16"}
    assert tensors["model.embed_tokens.weight"]["shape"] == [config["vocab_size"], hidden]
    assert tensors["model.norm.weight"]["shape"] == [hidden]
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        assert tensors[f"{at}.self_attn.k_proj.weight"]["shape"] == [key_value, hidden]
        assert tensors[f"{at}.self_attn.q_proj.bias"]["shape"] == [hidden]
        assert tensors[f"{at}.mlp.down_proj.weight"]["shape"] == [hidden, config["intermediate_size"]]
    assert len(tensors) == 2 + 12 * config["num_hidden_layers"]
    assert "lm_head.weight" not in tensors, "embeddings are tied"


@pytest.mark.parametrize("text", ["hello world", "Grüße, 你好 🙂", "tabs\tand\n\nlines  "])
def test_the_tokenizers_library_reads_any_text_and_gives_it_back(text: str) -> None:
    tokenizer = Tokenizer.from_str(tiny_files()["tokenizer.json"].decode())
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_special_tokens_are_single_tokens_with_the_ids_that_the_configuration_names() -> None:
    files = tiny_files()
    config = json.loads(files["config.json"])
    tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
    assert tokenizer.encode("<|im_end|>").ids == [config["eos_token_id"]]
    assert tokenizer.encode("<|endoftext|>").ids == [config["pad_token_id"]]
    assert tokenizer.get_vocab_size() == config["vocab_size"]


def test_the_chat_template_renders_as_engines_render_it() -> None:
    template = json.loads(tiny_files()["tokenizer_config.json"])["chat_template"]
    rendered = (
        ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        .from_string(template)
        .render(messages=[{"role": "user", "content": "hi"}], add_generation_prompt=True)
    )
    assert rendered == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
