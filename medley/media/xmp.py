"""XMP packets: what programs and platforms look for to tell a made picture from a photograph.

`DigitalSourceType` and the names of system and prompt are IPTC's (Photo Metadata 2025.1).
"""

import html
import re
from xml.sax.saxutils import escape

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: Made by a trained model; or only changed by a plain tool, such as a picture made smaller.
GENERATED, CHANGED = f"{_IPTC}trainedAlgorithmicMedia", f"{_IPTC}algorithmicallyEnhanced"
_SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "medley": "urn:medley:recipe:",
}
_NOTES = re.compile(r'\smedley:recipe="([^"]*)"')
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def packet(
    *, generated: bool, tool: str, system: str = "", revision: str = "", words: str = ""
) -> str:
    """A packet about a picture: `tool` is the program, `system` the model with its `revision`,
    `words` the prompt.
    """
    said = {
        "xmp:CreatorTool": tool,
        "Iptc4xmpExt:DigitalSourceType": GENERATED if generated else CHANGED,
        "Iptc4xmpExt:AISystemUsed": system if generated else "",
        "Iptc4xmpExt:AISystemVersionUsed": revision if generated else "",
        "Iptc4xmpExt:AIPromptInformation": words if generated else "",
    }
    return _written(said)


def with_notes(xmp: str, notes: str) -> str:
    """The packet with notes, for files that have no other place for them."""
    begin, found, end = (xmp or _written({})).partition(' rdf:about=""')
    return f"{begin}{found} medley:recipe={_quoted(notes)}{end}"


def notes_of(xmp: str) -> str:
    """The notes in a packet; "" where there are none."""
    found = _NOTES.search(xmp)
    return html.unescape(found[1]) if found else ""


def _written(said: dict[str, str]) -> str:
    spaces = {name: f'xmlns:{name}="{uri}"' for name, uri in _SPACES.items()}
    own = " ".join(uri for name, uri in spaces.items() if name not in ("x", "rdf"))
    lines = "".join(f"\n  {name}={_quoted(value)}" for name, value in said.items() if value)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f"<x:xmpmeta {spaces['x']}><rdf:RDF {spaces['rdf']}>"
        f'<rdf:Description rdf:about="" {own}{lines}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def _quoted(value: str) -> str:
    """An attribute's value in double quotes."""
    signs = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    return f'"{escape(_NO_XML.sub(" ", value), signs)}"'
