"""The files that came with a request: found by form field or file name, and which were referred
to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.incoming import SentFile
from api.schemas.requests import AssetValue, FileValue, TextValue, UrlValue
from medley.media.facts import Facts
from medley.plan import AssetBinding, TextBinding
from orchestrator.asset_rows import Asset
from orchestrator.order import InvalidRequest

Binding = TextBinding | AssetBinding


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A file whose bytes were looked at and kept; its row is written with the job."""

    sent: SentFile
    facts: Facts

    @property
    def origin(self) -> dict[str, str]:
        """Where it came from, as its row tells."""
        fetched = {"kind": "url", "url": self.sent.link} if self.sent.link else {"kind": "upload"}
        return {**fetched, "name": self.sent.name}


class Attached:
    """The files of the request, by form field and file name; remembers which were referred to."""

    def __init__(self, files: Sequence[Judged], assets: Sequence[Asset]) -> None:
        self._found = list(zip(files, assets, strict=True))
        self._used: set[int] = set()

    def find(self, at: str, name: str) -> Asset:
        """The file of this name. Raises `InvalidRequest`."""
        for place, (file, asset) in enumerate(self._found):
            if file.sent.link is None and name in (file.sent.field, file.sent.name):
                self._used.add(place)
                return asset
        known = ", ".join(sorted({file.sent.field for file, _ in self._found})) or "none"
        fault = {
            "pointer": at,
            "reason": f"No file {name!r} came with this request.",
            "suggestion": f"Files: {known}.",
        }
        raise InvalidRequest(f"{at}: {fault['reason']}", errors=[fault])

    def linked(self, url: str) -> Asset:
        """The file that was fetched from this URL."""
        for place, (file, asset) in enumerate(self._found):
            if file.sent.link is not None and file.sent.field == url:
                self._used.add(place)
                return asset
        raise InvalidRequest("A URL of this request was not fetched.")

    def value(self, at: str, given: Any) -> Binding:
        """A workflow input's value as a binding."""
        match given:
            case str():
                return TextBinding(text=given)
            case TextValue(text=text):
                return TextBinding(text=text)
            case AssetValue(asset=asset):
                return AssetBinding(asset=asset)
            case FileValue(file=name):
                return AssetBinding(asset=self.find(at, name).id)
            case UrlValue(url=url):
                return AssetBinding(asset=self.linked(url).id)
        raise InvalidRequest(f"{at}: unknown kind of value.")

    def by_field(self, names: Any) -> dict[str, list[Binding]]:
        """Files that nobody referred to, under the workflow input that their field is named for."""
        found: dict[str, list[Binding]] = {}
        for place, (file, asset) in enumerate(self._found):
            if place not in self._used and file.sent.field in names:
                found.setdefault(file.sent.field, []).append(AssetBinding(asset=asset.id))
        return found

    def rest(self) -> list[Asset]:
        """Files that nobody referred to, in order."""
        return [asset for place, (_, asset) in enumerate(self._found) if place not in self._used]
