"""Arithmetic in the shared space."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from generators.media.work import Work
from medley.errors import BadInput
from medley.media.values import Embedding
from medley.toolset.space import CombineParams


def embed_combine(work: Work) -> Mapping[str, Any]:
    """The unit vector of the weighted sum of unit vectors of one space.

    Each vector is normalised first, so that a weight means the same for every one.
    """
    embeddings, weights = work.many("embeddings", Embedding), work.params(CombineParams).weights
    if weights and len(weights) != len(embeddings):
        raise BadInput(
            f"{len(weights)} weights for {len(embeddings)} embeddings; one for each, or none."
        )
    spaces = sorted({embedding.space for embedding in embeddings})
    if len(spaces) > 1:
        raise BadInput(f"Embeddings of different spaces cannot be added: {', '.join(spaces)}.")
    if len({embedding.vector.shape for embedding in embeddings}) > 1:
        raise BadInput("The embeddings have different lengths.")
    factors = np.asarray(weights or [1.0] * len(embeddings), np.float64)
    rows = np.stack([_unit(embedding.vector.astype(np.float64)) for embedding in embeddings])
    total = _unit(factors @ rows)
    return {"embedding": Embedding(vector=total.astype(np.float32), space=spaces[0])}


def _unit(vector: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-9:
        raise BadInput("The embeddings cancel each other out: nothing is left to normalise.")
    return vector / length
