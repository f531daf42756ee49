"""Hubs: those that read words, and those that see and hear as well."""

from collections.abc import Callable
from typing import Any

from tests.tiny.hubs import TEXT
from tests.tiny.multimodal import MULTIMODAL
from tests.tiny.row import Row, Samples, asked, step

LOOK = step("describe", params={"question": "What is this?", "max_tokens": 12}, media="@image")
WATCH = step("describe", params={"question": "What happens?", "max_tokens": 12}, media="@video")
HEAR = step("describe", params={"question": "What is heard?", "max_tokens": 12}, media="@audio")
SMALL = {"max_words": 16, "max_steps": 0}  # of what knows nothing, a plan without steps
FEW = {"frames": 2}


def _talk(model: str, samples: Samples) -> dict[str, Any]:
    """Planned and answered by the model; it may not ask back, as one that knows nothing would."""
    body: dict[str, Any] = asked("Say hello.")(model, samples)
    body["options"]["ask"] = False
    return body


def _says(name: str, like: str, family: str) -> Row:
    return Row(name=name, like=like, build=TEXT[family], body=_talk, options=SMALL)


def _sees(name: str, like: str, family: str, body: Callable[..., Any] = LOOK) -> Row:
    return Row(
        name=name,
        like=like,
        build=MULTIMODAL[family],
        body=body,
        gives={"s1.text": "text"},
        options=FEW,
    )


ROWS = [
    _sees("7 VideoBERT by Video-LLaVA", "LanguageBind/Video-LLaVA-7B-hf", "video-llava", WATCH),
    _sees("7 VideoBERT by Qwen3-VL", "Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl", WATCH),
    _sees("21 xGen-MM by Idefics2", "HuggingFaceM4/idefics2-8b", "idefics2"),
    _sees("21 Idefics3", "HuggingFaceM4/Idefics3-8B-Llama3", "idefics3"),
    _sees("24 ChatBridge by Gemma 4", "google/gemma-4-E4B-it", "gemma4", HEAR),
    _sees("24 ChatBridge by Qwen-Omni", "Qwen/Qwen2.5-Omni-7B", "qwen-omni", WATCH),
    _sees("25 LLaVA", "llava-hf/llava-1.5-7b-hf", "llava"),
    _sees("26 LLaVA-NeXT", "llava-hf/llava-v1.6-mistral-7b-hf", "llava-next"),
    _sees("26 LLaVA-NeXT-Video", "llava-hf/LLaVA-NeXT-Video-7B-hf", "llava-next-video", WATCH),
    _sees("27 OneLLM by Gemma 4", "google/gemma-4-E4B-it", "gemma4"),
    _sees("27 OneLLM by Qwen-Omni", "Qwen/Qwen2.5-Omni-7B", "qwen-omni", HEAR),
    _sees("30 ERNIE-ViL by ERNIE 4.5 VL", "baidu/ERNIE-4.5-VL-28B-A3B-PT", "ernie-vl"),
    _says("35 LLaMA", "meta-llama/Llama-2-7b-chat-hf", "llama"),
    _says("36 Vicuna", "lmsys/vicuna-7b-v1.5", "llama"),
    _says("36 Alpaca", "alpaca", "llama"),
    _says("37 Qwen", "Qwen/Qwen3-4B", "qwen3"),
    _sees("37 Qwen2-VL", "Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl"),
    _sees("37 Qwen2.5-VL", "Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
    _sees("37 Qwen3-VL", "Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl"),
    _says("38 InternLM", "internlm/internlm3-8b-instruct", "internlm3"),
    _sees("38 InternVL", "OpenGVLab/InternVL3-1B-hf", "internvl"),
    _sees("40 MobileVLM by SmolVLM", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "smolvlm"),
    _sees("Gemma 3", "google/gemma-3-4b-it", "gemma3"),
    _says("Phi-3", "microsoft/Phi-3-mini-4k-instruct", "phi3"),
    _says("OPT", "facebook/opt-2.7b", "opt"),
    _says("Mistral", "mistralai/Mistral-7B-Instruct-v0.3", "mistral"),
    _says("CodeGen", "Salesforce/codegen-350M-mono", "codegen"),
]
