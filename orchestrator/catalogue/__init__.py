"""The catalogue: which models there are. One readable TOML file per family, in this folder or the
operator's.

All of them are known; those of the profile, those that the settings name and those in the
operator's folder serve, and those that were trained here. An entry may be `like` another: it takes
over what it does not say itself, so that a folder with weights of a known family needs an id, a
source and that word.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec
from medley.errors import CallerError
from medley.mcp.snapshot import attached
from medley.modality import MEDIA, Modality
from medley.settings import Settings
from orchestrator.looks import CHAT_MEDIA
from orchestrator.routing import Policy, choose

REMOTE_HUB = "remote-hub"
BEHIND = 1000  #: ranks by which a model that only stands in for another comes after all others
ALIGN = "medley/align"
_HERE = Path(__file__).parent
_PROFILES = _HERE / "profiles.toml"
_TABLES = {"options", "defaults", "ranges", "reads"}  #: of an entry; taken over item by item
_ALWAYS = "tools"  #: the family that needs no weights and is in every profile


def load_catalogue(settings: Settings) -> dict[str, ModelSpec]:
    """All models that serve in this installation, by id.

    Raises `CallerError` when a file cannot be read as a catalogue, or a model or profile that the
    settings name is not known.
    """
    specs = {
        spec.id: spec
        for spec in _chosen(settings)
        if spec.commercial or not settings.commercial_only
    }
    if settings.hub_url:
        specs[REMOTE_HUB] = _remote_hub(settings, specs)
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
    specs[ALIGN] = ModelSpec(
        id=ALIGN,
        backend="align",
        tools=frozenset({"align"}),
        licence="Apache-2.0",
        about="Trains connectors between the encoders and hubs of this installation.",
        options={"folder": str(settings.trained_folder), "batch": 1},
    )
    if settings.test_tools:
        from medley.toolset.test import TEST_TOOLS

        names = frozenset(tool.name for tool in TEST_TOOLS)
        specs["test-tools"] = ModelSpec(id="test-tools", backend="testing", tools=names)
    _check_fallbacks(specs)
    return specs


def known_models(settings: Settings) -> dict[str, ModelSpec]:
    """Every model that the catalogue describes, serving or not, by id; a later file replaces an
    entry of an earlier one. Raises `CallerError`.
    """
    entries: dict[str, dict[str, Any]] = {}
    specs: dict[str, ModelSpec] = {}
    for path in _files(settings):
        for entry in _entries(path):
            whole = _like(entry, entries, path)
            spec = _spec(whole, path)
            entries[spec.id], specs[spec.id] = whole, spec
    return specs


def profiles() -> dict[str, dict[str, Any]]:
    """The sets of models that belong together: `about` and `models`, by name."""
    return tomllib.loads(_PROFILES.read_text(encoding="utf-8"))


def profile(name: str) -> list[str]:
    """Ids of the models of a profile. Raises `CallerError`."""
    found = profiles()
    if name not in found:
        raise CallerError(f"There is no profile {name!r}; there are: {', '.join(found)}.")
    return list(found[name]["models"])


def _remote_hub(settings: Settings, specs: Mapping[str, ModelSpec]) -> ModelSpec:
    """A hub that the operator names takes over from the bundled one."""
    other = choose("plan", specs, Policy(commercial_only=True))
    return ModelSpec(
        id=REMOTE_HUB,
        backend="openai",
        tools=frozenset({"plan", "answer", "chat", "describe"}),
        source=settings.hub_url or "",
        about=f"{settings.hub_model or 'the default model'} at {settings.hub_url}",
        options={"model": settings.hub_model or "", "api_key": settings.hub_api_key or ""},
        reads={CHAT_MEDIA: frozenset({Modality.TEXT, *map(Modality, settings.hub_reads)})},
        rank=-1,
        fallback=other.id if other is not None and settings.hub_fallback else "",
    )


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
    return [spec for spec in _chosen(settings) if not spec.commercial]


def _chosen(settings: Settings) -> list[ModelSpec]:
    """The models that are to serve, whatever their licence."""
    known = known_models(settings)
    named = (*profile(settings.profile), *settings.models)
    unknown = [name for name in named if name not in known]
    if unknown:
        raise CallerError(f"The catalogue has no model {unknown[0]!r}.")
    wanted = {*named, *_own_ids(settings)}
    chosen = {name: known[name] for name in known if name in wanted or _always(known[name])}
    return [*chosen.values(), *_standing_in(chosen, known)]


def _always(spec: ModelSpec) -> bool:
    return spec.family == _ALWAYS


def _standing_in(
    chosen: Mapping[str, ModelSpec], known: Mapping[str, ModelSpec]
) -> Iterator[ModelSpec]:
    """The models that the chosen ones fall back on, behind all that were chosen."""
    names = {spec.fallback for spec in chosen.values()} - chosen.keys()
    for name in sorted(names & known.keys()):
        yield replace(known[name], rank=known[name].rank + BEHIND, fallback="")


def _files(settings: Settings) -> Iterator[Path]:
    yield from sorted(path for path in _HERE.glob("*.toml") if path != _PROFILES)
    yield from _own_files(settings)


def _own_files(settings: Settings) -> Iterator[Path]:
    """The files of the operator's folder, then those of what was trained here."""
    folders = [settings.model_folder, settings.trained_folder]
    for folder in dict.fromkeys(found for found in folders if found is not None):
        yield from sorted(folder.glob("*.toml"))


def _own_ids(settings: Settings) -> list[str]:
    """Ids of what these describe."""
    paths = _own_files(settings)
    return [str(entry.get("id")) for path in paths for entry in _entries(path)]


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CallerError(f"{path.name} is not a catalogue file: {error}") from error
    return list(entries)


def _like(
    entry: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], path: Path
) -> dict[str, Any]:
    """The entry with what it takes over from the one it is like."""
    fields = dict(entry)
    other = fields.pop("like", None)
    if other is None:
        return fields
    if other not in known:
        raise CallerError(
            f"{path.name}: {entry.get('id', '?')!r} is like {other!r}, which is not known."
        )
    base = {name: value for name, value in known[other].items() if name != "revision"}
    for table in _TABLES & fields.keys() & base.keys():
        fields[table] = {**base[table], **fields[table]}
    return {**base, **fields}


def _spec(entry: Mapping[str, Any], path: Path) -> ModelSpec:
    fields = dict(entry)
    try:
        fields["tools"] = frozenset(fields["tools"])
        for name in ("systems", "files", "also", "needs"):
            fields[name] = tuple(fields.get(name, ()))
        fields["ranges"] = {place: tuple(ends) for place, ends in fields.get("ranges", {}).items()}
        fields["source"] = _source(fields.get("source", ""))
        fields["reads"] = {
            place: frozenset(Modality(name) for name in names)
            for place, names in fields.get("reads", {}).items()
        }
        if "chat" in fields["tools"]:
            looked_at = fields["reads"].get("describe.media", frozenset()) & {*MEDIA}
            fields["reads"].setdefault(CHAT_MEDIA, looked_at | {Modality.TEXT})
        fields.setdefault("memory_bytes", 2 * fields.get("parameters", 0))
        return ModelSpec(family=path.stem, **fields)
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
