"""OpenAI's routes: views of jobs and assets that its SDK reads unchanged."""

from fastapi import APIRouter


def media_routers() -> list[tuple[APIRouter, int]]:
    """The routers of pictures, sounds, embeddings, files and what is made of them, each with the
    most bytes of its bodies; 0: those of an upload.
    """
    from api.openai import (
        embeddings,
        files,
        images,
        speech,
        transcriptions,
        unsupported,
        uploads,
    )
    from api.openai.bodies import MAX_JSON
    from api.strict_json import MAX_BYTES

    return [
        (images.router, 0),
        (embeddings.router, MAX_JSON),
        (speech.router, MAX_BYTES),
        (transcriptions.router, 0),
        (files.router, 0),
        (uploads.router, uploads.MAX_PART + (1 << 20)),
        (unsupported.router, MAX_BYTES),
    ]
