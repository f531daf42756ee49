"""OpenAI's routes: views of jobs and assets that its SDK reads unchanged."""

from fastapi import APIRouter


def media_routers() -> list[tuple[APIRouter, int]]:
    """The routers of pictures, sounds, embeddings, files and what is made of them, each with the
    most bytes of its bodies; 0: those of an upload.
    """
    from api.openai import (
        batches,
        embeddings,
        files,
        images,
        speech,
        transcriptions,
        unsupported,
        uploads,
        vector_stores,
        videos,
    )
    from api.openai.bodies import MAX_JSON
    from api.routes import search
    from api.strict_json import MAX_BYTES

    return [
        (unsupported.router, MAX_BYTES),
        (images.router, 0),
        (embeddings.router, MAX_JSON),
        (speech.router, MAX_BYTES),
        (transcriptions.router, 0),
        (files.router, 0),
        (uploads.router, uploads.MAX_PART + (1 << 20)),
        (vector_stores.router, MAX_BYTES),
        (search.router, MAX_JSON),
        (videos.router, 0),
        (batches.router, MAX_BYTES),
    ]
