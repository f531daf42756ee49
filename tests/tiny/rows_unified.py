"""Embedders of one transformer for every modality."""

from tests.tiny import unified as tiny
from tests.tiny.row import Row, step

ROWS = [
    Row(
        name="3 VATT modalities with EmbeddingGemma 2",
        like="google/embeddinggemma-2",
        build=tiny.embedding_gemma2,
        body=step("embed", media="@audio"),
        gives={"s1.embedding": "embedding"},
    ),
    Row(
        name="7 VideoBERT retrieval with Qwen3-VL-Embedding",
        like="Qwen/Qwen3-VL-Embedding-2B",
        build=tiny.qwen3_vl_embedding,
        body=step("embed", media="@video"),
        gives={"s1.embedding": "embedding"},
    ),
]
