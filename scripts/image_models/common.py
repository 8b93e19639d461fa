"""What the small models that read images share: a tokenizer, a decoder's sizes, and the graphs of all but the tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

ROOT = Path(__file__).parents[2]
TOKENIZER = ROOT / "backends" / "jan_ort_backends" / "reference_model"
MAX_POSITIONS = 1024
IMAGE_TAGS = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
IMAGE_TAGS += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]


def tokenizer(
    template: str, tags: list[str] = IMAGE_TAGS, named: dict[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """Return the reference model's tokenizer with the names that images need."""
    made = PreTrainedTokenizerFast(
        tokenizer_file=str(TOKENIZER / "tokenizer.json"),
        bos_token="<|endoftext|>",  # noqa: S106
        eos_token="<|im_end|>",  # noqa: S106
        extra_special_tokens=named or {},
    )
    made.add_special_tokens({"additional_special_tokens": tags})
    made.chat_template = template
    return made


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role | capitalize }}"
    "{% if message.content[0].type == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message.content %}{% if line.type == 'text' %}{{ line.text }}"
    "{% elif line.type == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def text_sizes() -> dict[str, Any]:
    """Return the sizes of the decoder."""
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 552,
        "max_position_embeddings": MAX_POSITIONS,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "pad_token_id": 506,
        "bos_token_id": 506,
        "eos_token_id": 508,
    }


def head_dim(text: Any) -> int:
    """Return a head's size, which not every configuration says."""
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


class Embedding(torch.nn.Module):
    """The graph embed_tokens."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.embed = model.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        return self.embed(input_ids)


class Decoder(torch.nn.Module):
    """A llama over a cache that it takes and returns longer, written out so that it can be traced."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text = getattr(model.model, "text_model", None) or model.model.language_model
        self.lm_head = model.lm_head
        self.head_dim = head_dim(self.text.config)

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        *pasts: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Run the graph."""
        hidden, presents = inputs_embeds, []
        angles = self.text.rotary_emb(hidden, position_ids)
        total, length = attention_mask.shape[1], hidden.shape[1]
        places = torch.arange(total)  # by place, as the positions of some kinds are not
        visible = places[None, None, None] <= places[total - length :][None, None, :, None]
        visible = visible & (attention_mask[:, None, None, :] > 0)
        for index, layer in enumerate(self.text.layers):
            past = pasts[2 * index], pasts[2 * index + 1]
            mixed, *present = self.attended(layer.self_attn, layer.input_layernorm(hidden), angles, past, visible)
            presents += present
            hidden = hidden + mixed
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return (self.lm_head(self.text.norm(hidden)), *presents)

    def attended(self, attention: Any, normed: Any, angles: Any, past: Any, visible: Any) -> tuple[Any, Any, Any]:
        """Return what a layer's attention adds, and its keys and values, longer."""
        cos, sin = (each[:, None] for each in angles)
        query, key, value = (
            product(normed).view(normed.shape[0], normed.shape[1], -1, self.head_dim).transpose(1, 2)
            for product in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        if hasattr(attention, "q_norm"):
            query, key = attention.q_norm(query), attention.k_norm(key)
        query, key = (each * cos + turned(each) * sin for each in (query, key))
        key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        groups = self.text.config.num_attention_heads // self.text.config.num_key_value_heads
        keys, values = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ keys.transpose(2, 3) * self.head_dim**-0.5
        weights = torch.softmax(scores.masked_fill(~visible, -1e30), dim=-1)
        mixed = (weights @ values).transpose(1, 2).reshape(normed.shape[0], normed.shape[1], -1)
        return attention.o_proj(mixed), key, value


def turned(states: torch.Tensor) -> torch.Tensor:
    """Return the halves of the last axis in the other order, the second with the other sign."""
    half = states.shape[-1] // 2
    return torch.cat([-states[..., half:], states[..., :half]], dim=-1)


def export_embedding(model: Any, path: Path) -> None:
    """Write embed_tokens."""
    write(
        Embedding(model),
        (torch.ones(1, 4, dtype=torch.int64),),
        path,
        ["input_ids"],
        ["inputs_embeds"],
        {"input_ids": {0: "batch", 1: "sequence"}, "inputs_embeds": {0: "batch", 1: "sequence"}},
    )


def export_decoder(model: Any, path: Path, kind: Any) -> None:
    """Write decoder_model_merged."""
    text = model.config.text_config
    layers = range(text.num_hidden_layers)
    past = torch.zeros(1, text.num_key_value_heads, 3, head_dim(text))
    pasts = [f"past_key_values.{layer}.{part}" for layer in layers for part in ("key", "value")]
    presents = [each.replace("past_key_values", "present") for each in pasts]
    grows = {each: {0: "batch", 2: "past"} for each in pasts} | {each: {0: "batch", 2: "total"} for each in presents}
    axes = getattr(kind, "AXES", 1)
    positions = torch.tensor([[3, 4]]) if axes == 1 else torch.tensor([[[3, 4]]] * axes)
    extra = getattr(kind, "EXTRA", ())
    arrays = (torch.zeros(1, 2, text.hidden_size), torch.ones(1, 5, dtype=torch.int64), positions)
    arrays += (torch.tensor([[0, 1]]),) * len(extra)
    write(
        getattr(kind, "DECODER", Decoder)(model),
        (*arrays, *[past] * len(pasts)),
        path,
        ["inputs_embeds", "attention_mask", "position_ids", *extra, *pasts],
        ["logits", *presents],
        {
            "inputs_embeds": {0: "batch", 1: "sequence"},
            "attention_mask": {0: "batch", 1: "total"},
            "position_ids": {positions.dim() - 2: "batch", positions.dim() - 1: "sequence"},
            **{name: {0: "batch", 1: "sequence"} for name in (*extra, "logits")},
            **grows,
        },
    )


def write(module: Any, arrays: Any, path: Path, inputs: Any, outputs: Any, axes: Any) -> None:
    """Write a graph."""
    torch.onnx.export(
        module.eval(),
        arrays,
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=18,
        dynamo=False,
    )
