"""Pulling: fetches the files of models from a model hub into the shared cache.

The hub, the cache and the token are those of `huggingface_hub` (`HF_ENDPOINT`, `HF_HOME`,
`HF_TOKEN`, `HF_HUB_OFFLINE`). Only safetensors, configurations and tokenizers are fetched, never
pickles or code. What was begun is gone on with.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, ClassVar

from medley.backend import ModelSpec
from medley.errors import CallerError, MedleyError, Unavailable
from medley.machine import GB, cache, free_disk
from medley.weights import UNWANTED, here, is_hub_id, repositories

_ROOM = 1 * GB  #: stays free on the disk
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class HubRefused(CallerError):
    """The model hub does not give these files, or what it gives is not loaded here."""

    code: ClassVar[str] = "hub_refused"
    status: ClassVar[int] = 422


class NoRoom(MedleyError):
    """The disk has no room for the files."""

    code: ClassVar[str] = "no_room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What is to be fetched of one repository. `left`: bytes that are not in the cache yet."""

    repository: str
    revision: str  # "": the newest
    commit: str
    patterns: tuple[str, ...]
    size: int
    left: int


def survey(model: ModelSpec) -> list[Fetch]:
    """What is to be fetched for a model; nothing where all is here.

    Raises `CallerError` (no source, unknown, gated, pickles), `Unavailable` (the hub is away).
    """
    if here(model):
        return []
    if not is_hub_id(model.source):
        raise HubRefused(f"{model.id} comes from the folder {model.source}, which is not there.")
    found = repositories(model)
    return [_look(model, name, revision, wanted) for name, (revision, wanted) in found.items()]


def require_room(fetches: Sequence[Fetch]) -> None:
    """Raises `NoRoom` where the disk cannot take what is left to fetch."""
    left, free = sum(fetch.left for fetch in fetches), free_disk(cache())
    if left + _ROOM > free:
        raise NoRoom(
            f"{left / GB:.1f} GB are to be fetched and {free / GB:.1f} GB are free at {cache()}: "
            "make room, or set HF_HOME to a folder on another disk."
        )


def pull(model: ModelSpec, fetches: Sequence[Fetch], *, bars: bool = False) -> None:
    """Fetches, with progress bars on standard error if wanted. Raises as `survey`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    (enable_progress_bars if bars else disable_progress_bars)()
    for fetch in fetches:
        with _asking(model, fetch.repository):
            snapshot_download(
                fetch.repository,
                revision=fetch.revision or None,
                allow_patterns=list(fetch.patterns),
                ignore_patterns=list(UNWANTED),
                max_workers=4,
            )
    if not here(model):
        raise Unavailable(f"Files of {model.id} are still missing: pull it again to go on.")


def _look(model: ModelSpec, repository: str, revision: str, wanted: tuple[str, ...]) -> Fetch:
    from huggingface_hub import HfApi, try_to_load_from_cache

    with _asking(model, repository):
        info = HfApi().model_info(repository, revision=revision or None, files_metadata=True)
    commit = info.sha or ""
    files = {
        file.rfilename: int(file.size or 0)
        for file in info.siblings or ()
        if _fits(file.rfilename, wanted) and not _fits(file.rfilename, UNWANTED)
    }
    if not any(name.endswith(".safetensors") for name in files):
        names = [file.rfilename for file in info.siblings or ()]
        pickled = next((name for name in names if name.endswith(_PICKLES)), None)
        why = f"its weights are a pickle ({pickled})" if pickled else "it has no weights"
        raise HubRefused(f"{repository} is not fetched: {why}. Only safetensors are loaded.")
    left = sum(
        size
        for name, size in files.items()
        if not isinstance(try_to_load_from_cache(repository, name, revision=commit), str)
    )
    return Fetch(
        repository=repository,
        revision=revision,
        commit=commit,
        patterns=wanted,
        size=sum(files.values()),
        left=left,
    )


def _fits(name: str, wanted: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in wanted)


@contextmanager
def _asking(model: ModelSpec, repository: str) -> Iterator[None]:
    """What goes wrong between us and the hub, as an error of ours."""
    import httpx2
    from huggingface_hub import constants, errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise HubRefused(_terms(model, repository, constants.ENDPOINT)) from error
    except errors.RevisionNotFoundError as error:
        revision = model.revision or "main"
        raise HubRefused(f"{repository} has no revision {revision!r}.") from error
    except errors.RepositoryNotFoundError as error:
        raise HubRefused(
            f"{constants.ENDPOINT} has no repository {repository}, or does not show it: a private "
            "one needs a token in HF_TOKEN."
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise Unavailable("HF_HUB_OFFLINE is set: nothing is fetched.") from error
    except errors.LocalEntryNotFoundError as error:
        cause: Any = error.__cause__
        if isinstance(cause, errors.GatedRepoError):
            raise HubRefused(_terms(model, repository, constants.ENDPOINT)) from error
        raise Unavailable(_broken(repository, cause or error)) from error
    except errors.HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise HubRefused(_terms(model, repository, constants.ENDPOINT)) from error
        raise Unavailable(_broken(repository, error)) from error
    except (httpx2.HTTPError, OSError) as error:
        raise Unavailable(_broken(repository, error)) from error


def _terms(model: ModelSpec, repository: str, hub: str) -> str:
    licence = f" ({model.licence})" if model.licence else ""
    return (
        f"{repository} is given only to who accepted its terms{licence}: read and accept them at "
        f"{hub}/{repository}, then set HF_TOKEN to a token of that account ({hub}/settings/tokens)."
    )


def _broken(repository: str, error: BaseException) -> str:
    return (
        f"{repository} could not be fetched: {type(error).__name__}: {str(error)[:300]} "
        "What has come is kept: pull it again to go on."
    )
