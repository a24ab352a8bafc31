import hashlib
import json
from pathlib import Path

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from safetensors import deserialize
from tokenizers import Tokenizer

from bastide.models.errors import ModelError
from bastide.models.make_tiny import FILES, make_tiny, tiny_files, tiny_shapes
from bastide.models.make_tiny_lora import LORA_FILES
from bastide.models.make_tiny_shapes import SHAPES
from bastide.models.manifest import scan

DIGESTS = {
    "qwen2": "1501a93e86c3627d",
    "draft": "0644ae234af96add",
    "mha": "5aba439179f97b90",
    "gqa": "0c494e2a611e9ec7",
    "odd": "da8aa67771a027b7",
    "window": "5dd5e32808ca101b",
    "alternating": "8cdd4b22bab72b17",
    "moe": "8f57a95b467da9dc",
    "mla": "224e59f7e9592f87",
    "embedding": "1a96bd8b5c2c8a5b",
    "lora": "ed6078c42aabd6dc",
}


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


def test_every_shape_keeps_its_bytes(tmp_path: Path) -> None:
    """Tests and stacks name these digests; a shape that has to change gets another name."""
    digests = {}
    for shape in tiny_shapes():
        made = hashlib.sha256()
        for path in make_tiny(tmp_path / shape, shape):
            made.update(path.name.encode() + b"\0" + path.read_bytes())
        digests[shape] = made.hexdigest()[:16]
    assert digests == DIGESTS


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tensors_of_every_shape_are_as_its_configuration_says(shape: str) -> None:
    files = tiny_files(shape)
    assert set(files) == set(FILES)
    config = json.loads(files["config.json"])
    tensors = dict(deserialize(files["model.safetensors"]))
    assert {tensor["dtype"] for tensor in tensors.values()} == {
        {"bfloat16": "BF16", "float32": "F32"}[config["torch_dtype"]]
    }
    assert ("lm_head.weight" in tensors) is not config["tie_word_embeddings"]
    assert config["vocab_size"] == tensors["model.embed_tokens.weight"]["shape"][0]
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}.self_attn"
        heads = config["num_attention_heads"]
        if shape == "mla":
            latent = config["kv_lora_rank"] + config["qk_rope_head_dim"]
            assert tensors[f"{at}.kv_a_proj_with_mqa.weight"]["shape"] == [latent, config["hidden_size"]]
            continue
        head = config.get("head_dim", config["hidden_size"] // heads)
        key_value = config["num_key_value_heads"] * head
        assert tensors[f"{at}.k_proj.weight"]["shape"] == [key_value, config["hidden_size"]]
        assert tensors[f"{at}.o_proj.weight"]["shape"] == [config["hidden_size"], heads * head]
    assert f"model.layers.{config['num_hidden_layers']}.self_attn.o_proj.weight" not in tensors


def test_an_adapter_fits_the_model_that_it_is_for() -> None:
    files = tiny_files("lora")
    assert set(files) == set(LORA_FILES)
    config = json.loads(files["adapter_config.json"])
    adapter = dict(deserialize(files["adapter_model.safetensors"]))
    model = dict(deserialize(tiny_files()["model.safetensors"]))
    for name, down in adapter.items():
        if name.endswith("lora_A.weight"):
            up = adapter[name.replace("lora_A", "lora_B")]["shape"]
            whole = name.removeprefix("base_model.model.").replace("lora_A.", "")
            assert [up[0], down["shape"][1]] == model[whole]["shape"]
            assert up[1] == down["shape"][0] == config["r"]
    assert len(adapter) == 2 * 2 * len(config["target_modules"])


def test_a_shape_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'cube'; allowed: qwen2, .*lora"):
        make_tiny(tmp_path, "cube")
