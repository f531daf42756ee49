"""The catalogue: which models there are. One readable TOML file per family, in this folder or the
operator's.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.mcp.snapshot import attached
from medley.modality import Modality
from medley.settings import Settings
from orchestrator.routing import Policy, choose

REMOTE_HUB = "remote-hub"


def load_catalogue(settings: Settings) -> dict[str, ModelSpec]:
    """All models that this installation may use, by id; a later file replaces an entry of an
    earlier one.

    Raises `CallerError` when a file cannot be read as a catalogue.
    """
    specs: dict[str, ModelSpec] = {}
    for path in _files(settings):
        for entry in _entries(path):
            spec = _spec(entry, path)
            if spec.commercial or not settings.commercial_only:
                specs[spec.id] = spec
    if settings.hub_url:
        # A hub that the operator names takes over from the bundled one.
        other = choose("plan", specs, Policy(commercial_only=True))
        specs[REMOTE_HUB] = ModelSpec(
            id=REMOTE_HUB,
            backend="openai",
            tools=frozenset({"plan", "answer", "describe"}),
            source=settings.hub_url,
            about=f"{settings.hub_model or 'the default model'} at {settings.hub_url}",
            options={"model": settings.hub_model or "", "api_key": settings.hub_api_key or ""},
            rank=-1,
            fallback=other.id if other is not None and settings.hub_fallback else "",
        )
    for path, found in attached(settings.home):
        specs[f"mcp/{found.name}"] = ModelSpec(
            id=f"mcp/{found.name}",
            backend="mcp",
            tools=frozenset(item.declaration.name for item in found.tools),
            source=str(path),
            revision=found.hash[:16],
            about="An attached MCP server.",
            outside=found.name,
        )
    if settings.test_tools:
        from medley.toolset.test import TEST_TOOLS

        names = frozenset(tool.name for tool in TEST_TOOLS)
        specs["test-tools"] = ModelSpec(id="test-tools", backend="testing", tools=names)
    _check_fallbacks(specs)
    return specs


def _check_fallbacks(specs: Mapping[str, ModelSpec]) -> None:
    for spec in specs.values():
        if not spec.fallback:
            continue
        other, says = specs.get(spec.fallback), f"{spec.id} cannot fall back on {spec.fallback!r}:"
        if other is None:
            raise CallerError(f"{says} there is no such model.")
        if spec.commercial and not other.commercial:
            raise CallerError(f"{says} it is not for commercial use.")
        if spec.space and spec.space != other.space:
            raise CallerError(f"{says} it is of another space.")


def withheld(settings: Settings) -> list[ModelSpec]:
    """The models that this installation leaves out because their licence forbids commercial use."""
    if not settings.commercial_only:
        return []
    found = [_spec(entry, path) for path in _files(settings) for entry in _entries(path)]
    return [spec for spec in found if not spec.commercial]


def _files(settings: Settings) -> Iterator[Path]:
    yield from sorted(Path(__file__).parent.glob("*.toml"))
    if settings.model_folder is not None:
        yield from sorted(settings.model_folder.glob("*.toml"))


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CallerError(f"{path.name} is not a catalogue file: {error}") from error
    return list(entries)


def _spec(entry: Mapping[str, Any], path: Path) -> ModelSpec:
    fields = dict(entry)
    try:
        fields["tools"] = frozenset(fields["tools"])
        fields["source"] = _source(fields.get("source", ""))
        fields["reads"] = {
            place: frozenset(Modality(name) for name in names)
            for place, names in fields.get("reads", {}).items()
        }
        return ModelSpec(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise CallerError(
            f"{path.name}: the entry {entry.get('id', '?')!r} cannot be read: {error}"
        ) from error


def _source(source: str) -> str:
    """`package:folder` names files shipped with Medley; anything else is a folder, a hub id or an
    address, as it stands.
    """
    package, colon, folder = source.partition(":")
    if colon and package.isidentifier() and not folder.startswith("//"):
        return str(resources.files(package).joinpath(folder))
    return source
