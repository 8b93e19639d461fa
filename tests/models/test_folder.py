import json
import subprocess
import sys
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.folder import ModelFolder

TOKENIZER = {
    "added_tokens": [{"id": 1, "content": "<s>"}, {"id": 2, "content": "</s>"}],
    "model": {"vocab": {"a": 0, "<eot>": 7}},
}
CONFIG = {"max_position_embeddings": 64, "architectures": ["LlamaForCausalLM"]}


def write_folder(path: Path, **files: object) -> Path:
    """Write each file as JSON (a text as it is); the keyword's last ``_`` is the dot of its name."""
    for name, content in ({"tokenizer_json": TOKENIZER, "config_json": CONFIG} | files).items():
        stem, _, suffix = name.rpartition("_")
        text = content if isinstance(content, str) else json.dumps(content)
        (path / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    return path


def test_a_minimal_folder_has_defaults(tmp_path: Path) -> None:
    (tmp_path / "my-model").mkdir()
    path = write_folder(tmp_path / "my-model")

    assert ModelFolder.read(path) == ModelFolder(
        path=path,
        name="my-model",
        task=GENERATE,
        context_length=64,
        eos_token_ids=(),
        bos_token_id=None,
        add_bos=False,
        chat_template=None,
    )


def test_a_converted_folder_is_read_as_its_description_says(tmp_path: Path) -> None:
    path = write_folder(
        tmp_path,
        jan_ort_json={"format": 1, "name": "tiny", "task": "embed", "context_length": 32},
        tokenizer_config_json={"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True},
    )

    folder = ModelFolder.read(path)

    assert (folder.name, folder.task, folder.context_length) == ("tiny", EMBED, 32)
    assert (folder.bos_token_id, folder.add_bos, folder.eos_token_ids) == (1, True, (2,))


def test_the_end_tokens_are_the_union_of_all_files(tmp_path: Path) -> None:
    path = write_folder(
        tmp_path,
        generation_config_json={"eos_token_id": [5, 4]},
        config_json=CONFIG | {"eos_token_id": 3},
        genai_config_json={"model": {"eos_token_id": [4, 6]}},
        tokenizer_config_json={"eos_token": {"content": "<eot>"}},
    )

    assert ModelFolder.read(path).eos_token_ids == (3, 4, 5, 6, 7)


def test_recommended_sampling_is_what_a_request_could_ask_for(tmp_path: Path) -> None:
    stated = {
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 1,
        "min_p": -0.1,
        "repetition_penalty": "1.1",
        "do_sample": False,
    }

    folder = ModelFolder.read(write_folder(tmp_path, generation_config_json=stated))

    assert folder.sampling == {"temperature": 0.6, "top_k": 20, "top_p": 1}


@pytest.mark.parametrize("value", [True, None, [], {}, -1, 10**400, 2.5, float("nan")])
def test_what_no_request_may_have_is_not_recommended(tmp_path: Path, value: object) -> None:
    path = write_folder(tmp_path, generation_config_json={"temperature": value, "top_k": value, "min_p": value})

    assert ModelFolder.read(path).sampling == {}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"jan_ort_json": {"context_length": 8}, "genai_config_json": {"model": {"context_length": 9}}}, 8),
        ({"genai_config_json": {"model": {"context_length": 9}}}, 9),
        ({"sentence_bert_config_json": {"max_seq_length": 10}}, 10),
        ({"config_json": {"n_positions": 11}}, 11),
        ({"config_json": {"text_config": {"max_position_embeddings": 12}}}, 12),
        ({"config_json": {}, "tokenizer_config_json": {"model_max_length": 13}}, 13),
    ],
)
def test_the_most_specific_context_length_wins(tmp_path: Path, files: dict[str, object], expected: int) -> None:
    assert ModelFolder.read(write_folder(tmp_path, **files)).context_length == expected


TEMPLATES: list[tuple[dict[str, object], str | None]] = [
    ({"chat_template_jinja": "file", "tokenizer_config_json": {"chat_template": "config"}}, "file"),
    ({"tokenizer_config_json": {"chat_template": "config"}, "chat_template_json": {"chat_template": "json"}}, "config"),
    (
        {
            "tokenizer_config_json": {
                "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
            }
        },
        "d",
    ),
    ({"tokenizer_config_json": {"chat_template": [{"name": "rag", "template": "r"}]}}, "r"),
    ({"chat_template_json": {"chat_template": "json"}}, "json"),
    ({"tokenizer_config_json": {}}, None),
]


@pytest.mark.parametrize(("files", "expected"), TEMPLATES)
def test_the_chat_template_is_taken_in_order(tmp_path: Path, files: dict[str, object], expected: str | None) -> None:
    assert ModelFolder.read(write_folder(tmp_path, **files)).chat_template == expected


@pytest.mark.parametrize(
    ("processor", "stated", "expected"),
    [
        ({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]}, None, True),
        ({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]}, False, False),
        ({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}, None, False),
        ({"type": "ByteLevel"}, None, False),
        (None, True, True),
    ],
)
def test_bos_is_added_as_stated_or_as_the_tokenizer_does(
    tmp_path: Path, processor: dict[str, object] | None, stated: bool | None, expected: bool
) -> None:
    special = {"special_tokens": {"<s>": {"id": "<s>", "ids": [1]}}}
    tokenizer = TOKENIZER | {"post_processor": processor and {"type": "Sequence", "processors": [special | processor]}}
    config = {"bos_token": "<s>", "add_bos_token": stated}

    folder = ModelFolder.read(write_folder(tmp_path, tokenizer_json=tokenizer, tokenizer_config_json=config))

    assert folder.add_bos is expected


def test_a_sentence_transformers_folder_embeds(tmp_path: Path) -> None:
    assert ModelFolder.read(write_folder(tmp_path, modules_json="[]")).task == EMBED


def test_all_that_is_missing_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"lacks tokenizer.json, jan_ort.json or config.json or genai_config"):
        ModelFolder.read(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config_json": "{"}, "config.json is not valid JSON"),
        ({"config_json": "[]"}, "config.json holds no JSON object"),
        ({"config_json": {}}, "does not say its context length"),
        ({"jan_ort_json": {"task": "paint"}}, "task 'paint' is unknown; known: generate, embed"),
        ({"tokenizer_config_json": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")}, "is not valid JSON"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, files: dict[str, object], message: str) -> None:
    with pytest.raises(ModelFolderError, match=message):
        ModelFolder.read(write_folder(tmp_path, **files))


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="absent does not exist"):
        ModelFolder.read(tmp_path / "absent")


def test_reading_and_resolving_load_no_heavy_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import jan_ort.models.folder, jan_ort.models.sources; "
        "print(sorted({'huggingface_hub', 'onnx', 'onnxruntime', 'rich', 'gguf'} & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"


NAMED = [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tokenizer_config_json": {"chat_template": NAMED}}, "t"),
        ({"tokenizer_config_json": {"chat_template": NAMED}, "chat_template_jinja": "file"}, None),
        ({"tokenizer_config_json": {"chat_template": "d"}}, None),
    ],
)
def test_a_template_for_tools_is_read_by_its_name(tmp_path: Path, files: dict[str, object], expected: str) -> None:
    assert ModelFolder.read(write_folder(tmp_path, **files)).tool_use_template == expected


def test_a_template_for_tools_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    path = write_folder(tmp_path, chat_template_jinja="file")
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates" / "tool_use.jinja").write_text("t", encoding="utf-8")

    folder = ModelFolder.read(path)

    assert (folder.chat_template, folder.tool_use_template) == ("file", "t")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"generation_config_json": {"eos_token_id": "2"}},
            "says that eos_token_id is '2'; expected a token id",
        ),
        ({"config_json": CONFIG | {"eos_token_id": [1, None]}}, r"says that eos_token_id is \[1, None\]"),
        ({"config_json": CONFIG | {"architectures": 3}}, "malformed .* download the model again"),
        ({"tokenizer_config_json": {"chat_template": [1]}}, "malformed .* download the model again"),
        ({"genai_config_json": {"model": []}}, "malformed .* download the model again"),
        ({"jan_ort_json": {"name": ["m"]}}, r"name is \['m'\]; expected a string"),
        (
            {
                "tokenizer_json": {"added_tokens": [{"id": "x", "content": "<s>"}]},
                "tokenizer_config_json": {"eos_token": "<s>"},
            },
            "malformed .* download the model again",
        ),
    ],
)
def test_a_value_of_another_type_is_one_error(tmp_path: Path, files: dict[str, object], message: str) -> None:
    with pytest.raises(ModelFolderError, match=message):
        ModelFolder.read(write_folder(tmp_path, **files))


def test_a_directory_in_the_place_of_a_file_is_one_error(tmp_path: Path) -> None:
    path = write_folder(tmp_path)
    (path / "generation_config.json").mkdir()

    with pytest.raises(ModelFolderError, match=r"generation_config\.json is a directory"):
        ModelFolder.read(path)


def test_a_template_that_is_no_text_is_one_error(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "chat_template.jinja").write_bytes(b"\xff\xfe")

    with pytest.raises(ModelFolderError, match="malformed"):
        ModelFolder.read(tmp_path)


def test_the_tokenizer_is_parsed_only_for_a_token_that_is_named(tmp_path: Path) -> None:
    path = write_folder(tmp_path, tokenizer_json="megabytes", tokenizer_config_json={"bos_token": None})

    assert ModelFolder.read(path).bos_token_id is None
    with pytest.raises(ModelFolderError, match=r"tokenizer\.json is not valid JSON"):
        ModelFolder.read(write_folder(tmp_path, tokenizer_json="megabytes", tokenizer_config_json={"bos_token": "a"}))
