"""The hubs that Medley knows: what a model's `backend` says, and the class behind it.

Adding a hub is one file, one line here and the contract suite passing.
"""

from collections.abc import Mapping

HUBS: Mapping[str, str] = {
    "transformers": "hub.local:LocalHub",
    "align": "hub.aligning:AligningBackend",
    "knowledge": "hub.knowledge:KnowledgeBackend",
    "multimodal": "hub.multimodal:MultimodalHub",
    "openai": "hub.remote:RemoteHub",
    "prompted": "hub.prompted:PromptedHub",
    "choosing": "hub.choosing:ChoosingHub",
    "asr": "hub.transcribing:Transcriber",
}
