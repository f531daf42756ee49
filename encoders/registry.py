"""The encoders that Medley knows: what a model's `backend` says, and the class behind it.

Adding an encoder is one file beside `dual.py`, one line here and the contract suite passing.
"""

from collections.abc import Mapping

ENCODERS: Mapping[str, str] = {
    "imagebind": "encoders.imagebind.backend:ImageBindBackend",
    "dual": "encoders.dual:DualEncoderBackend",
    "peav": "encoders.peav:PeAvBackend",
    "unified": "encoders.unified.backend:UnifiedBackend",
    "matching": "encoders.matching:MatchingBackend",
    "detecting": "encoders.detecting:DetectingBackend",
}
