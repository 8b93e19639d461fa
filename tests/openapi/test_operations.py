from __future__ import annotations

import pytest
from pydantic import BaseModel

from jan_ort_openapi import Operation, load_spec, models, operations

BY_ID = {operation.operation_id: operation for operation in operations()}


def test_there_is_one_operation_for_each_method_of_each_path() -> None:
    expected = {(path, method.upper()) for path, item in load_spec()["paths"].items() for method in item}

    assert {(operation.path, operation.method) for operation in operations()} == expected
    assert len(BY_ID) == len(operations()) == 28


@pytest.mark.parametrize(
    ("operation_id", "model"),
    [
        ("create_completion_v1_completions_post", models.CreateCompletionRequest),
        ("create_chat_completion_v1_chat_completions_post", models.CreateChatCompletionRequest),
        ("create_embedding_v1_embeddings_post", models.CreateEmbeddingRequest),
        ("create_rerank_v1_rerank_post", models.CreateRerankRequest),
        ("create_score_v1_score_post", models.CreateScoreRequest),
        ("create_message_v1_messages_post", models.CreateMessageRequest),
        ("count_message_tokens_v1_messages_count_tokens_post", models.CountMessageTokensRequest),
        ("ollama_chat_api_chat_post", models.OllamaChatRequest),
        ("ollama_generate_api_generate_post", models.OllamaGenerateRequest),
        ("ollama_embed_api_embed_post", models.OllamaEmbedRequest),
        ("ollama_embeddings_api_embeddings_post", models.OllamaEmbeddingsRequest),
        ("ollama_show_api_show_post", models.OllamaShowRequest),
        ("create_response_v1_responses_post", models.CreateResponseRequest),
        ("tokenize_extras_tokenize_post", models.TokenizeInputRequest),
        ("count_query_tokens_extras_tokenize_count_post", models.CountTokensRequest),
        ("detokenize_extras_detokenize_post", models.DetokenizeInputRequest),
        ("load_models_models_load_post", models.ModelSelection),
        ("unload_models_models_unload_post", models.ModelSelection),
    ],
)
def test_an_operation_with_a_body_knows_its_model(operation_id: str, model: type[BaseModel]) -> None:
    assert BY_ID[operation_id].request_model is model
    assert BY_ID[operation_id].secured


def test_the_added_operations_are_bound_like_the_documents_own() -> None:
    model_id, health_id = "get_model_v1_models__model__get", "get_health_health_get"

    assert BY_ID[model_id] == Operation("GET", "/v1/models/{model}", model_id, None, True)
    assert BY_ID[health_id] == Operation("GET", "/health", health_id, None, False)
