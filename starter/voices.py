from pathlib import Path
from starter.concepts import CACHE
FLITE_FOLDER = CACHE / "src" / "flite"
def build_speech() -> None: ...
