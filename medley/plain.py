"""The plain answer: what happened, step by step, in the language of the request. True by
construction, no model.

`compose` is the answer of last resort, and `sayings` are the truths that a small hub may choose its
wording from.
"""

import re
from collections.abc import Sequence
from typing import Literal

from medley.sayable import sayable
from medley.tasks import AnswerFacts, ReplyDraft, StepFact

Language = Literal["en", "zh"]
_MARK = re.compile(r"\[(a\d+)\]")
MAX_QUOTE = 2000  #: characters of a step's words that an answer repeats

_NOUNS: dict[Language, dict[str, tuple[str, str]]] = {  # one, several
    "en": {
        "image": ("picture", "pictures"),
        "audio": ("sound", "sounds"),
        "video": ("video", "videos"),
        "embedding": ("vector", "vectors"),
        "": ("result", "results"),
    },
    "zh": {
        "image": ("图片", "图片"),
        "audio": ("声音", "声音"),
        "video": ("视频", "视频"),
        "embedding": ("向量", "向量"),
        "": ("结果", "结果"),
    },
}
# Sentences stay whole when the marks `[a3]` behind them are taken out.
_MADE: dict[Language, dict[str, tuple[str, ...]]] = {
    "en": {
        "text_to_image": (
            "I drew {what}.",
            "Here is my drawing of {what}.",
            "This is {what}, drawn for you.",
        ),
        "embedding_to_image": (
            "I drew what is in {source}.",
            "Here is a drawing of what {source} means.",
            "Here is my drawing of {source}.",
        ),
        "speak": (
            "I said {what}.",
            "Here are the spoken words: {what}.",
            "You can hear {what} now.",
        ),
        "embed": ("Here is the embedding of {source}.",),
        "embed_combine": ("I mixed {source} into one embedding.",),
        "search": ("This is what I found.", "Nearest to what you asked for I found these."),
        "resize": ("I changed the size of {source}.", "Here it is in its new size."),
        "crop": ("I cut a piece out of {source}.", "Here is the part you asked for."),
        "rotate": ("I turned {source}.", "Turned, as you asked."),
        "collage": ("I put {source} on one sheet.", "Here they are side by side."),
        "caption": ("I wrote the words onto {source}.", "The words are on it now."),
        "trim_audio": ("I cut {source}.",),
        "trim_video": ("I cut {source}.",),
        "waveform": ("Here is the waveform of {source}.", "This is how the sound wave looks."),
        "spectrogram": ("Here is the spectrogram of {source}.",),
        "extract_frames": ("I took still pictures out of {source}.",),
        "extract_audio": ("Here is the sound of {source}.",),
        "slideshow": ("I made a video of {source}.", "Your video is ready."),
        "": ("Here is the {noun}.", "The {noun} is ready."),
    },
    "zh": {
        "text_to_image": ("我画了{what}。", "这是我画的{what}。"),
        "embedding_to_image": ("我把{source}里的内容画了出来。", "这是根据{source}画的画。"),
        "speak": ("我说了{what}。", "这是{what}的语音。"),
        "embed": ("这是{source}的向量。",),
        "embed_combine": ("我把{source}混合成了一个向量。",),
        "search": ("这是我找到的内容。", "最接近的是这些。"),
        "resize": ("我调整了{source}的大小。", "大小已经改好了。"),
        "crop": ("我裁剪了{source}。", "这是你要的部分。"),
        "rotate": ("我旋转了{source}。",),
        "collage": ("我把{source}拼在了一张图上。", "已经拼在一起了。"),
        "caption": ("我在{source}上写了字。", "文字已经写上去了。"),
        "trim_audio": ("我剪好了{source}。",),
        "trim_video": ("我剪好了{source}。",),
        "waveform": ("这是{source}的波形图。",),
        "spectrogram": ("这是{source}的频谱图。",),
        "extract_frames": ("我从{source}里取了几张画面。",),
        "extract_audio": ("这是{source}里的声音。",),
        "slideshow": ("我用{source}做了视频。", "视频做好了。"),
        "": ("{noun}做好了。", "这是{noun}。"),
    },
}
_SAID: dict[Language, tuple[str, ...]] = {
    "en": ("{text}", "About {source}: {text}"),
    "zh": ("{text}", "关于{source}：{text}"),
}
_FAILED: dict[Language, tuple[str, ...]] = {
    "en": ("The step {tool} failed: {error}", "I could not do one thing ({tool}): {error}"),
    "zh": ("{tool} 这一步失败了：{error}", "有一件事没有做成（{tool}）：{error}"),
}
_DONE: dict[Language, tuple[str, ...]] = {"en": ("{tool} is done.",), "zh": ("{tool} 已完成。",)}
_UNSURE: dict[Language, tuple[str, ...]] = {
    "en": ("I am not sure that it shows what you wanted.",),
    "zh": ("我不确定它是不是你想要的。",),
}
_NOTHING_FOUND: dict[Language, tuple[str, ...]] = {
    "en": ("I found nothing that fits.",),
    "zh": ("没有找到合适的内容。",),
}
_IDLE: dict[Language, tuple[str, ...]] = {
    "en": (
        "Hello! Send me words, pictures, sounds or videos, and tell me what to do with them.",
        "I am Medley: I describe, draw, speak, search and edit. What shall I do?",
    ),
    "zh": (
        "你好！发给我文字、图片、声音或视频，告诉我要做什么。",
        "我是 Medley：我会描述、画画、说话、搜索和编辑。要我做什么？",
    ),
}


def language_of(text: str) -> Language:
    """Chinese as soon as a tenth of the letters are Han characters; else English."""
    han = len(re.findall(r"[\u3400-\u9fff]", text))
    letters = len(re.findall(r"[A-Za-z]", text))
    return "zh" if han * 10 > letters + han else "en"


def compose(facts: AnswerFacts) -> ReplyDraft:
    """The reply made of the facts alone: one sentence for each step that matters, and what was made
    is shown.
    """
    language = language_of(facts.request)
    sentences = [options[0] for options in sayings(facts, language)]
    return ReplyDraft(text=joined(sentences, language)[:16_000], show=to_show(facts))


def joined(sentences: Sequence[str], language: Language) -> str:
    """Sentences as one text."""
    if any("\n" in sentence for sentence in sentences):
        return "\n".join(sentences)
    text = " ".join(sentences)
    return re.sub(r"(?<=[。！？：]) ", "", text) if language == "zh" else text


def to_show(facts: AnswerFacts) -> list[str]:
    """What the plan wants shown as far as it exists; without such a wish, all media made that no
    later step read.
    """
    made = [asset for step in facts.steps if step.status == "succeeded" for asset in step.assets]
    known = {asset.id for asset in facts.assets} | set(made)
    if wanted := [asset for asset in facts.show if asset in known]:
        return list(dict.fromkeys(wanted))[:64]
    read = {word for step in facts.steps for value in step.about.values() for word in _ids(value)}
    return [asset for asset in dict.fromkeys(made) if asset not in read][:64]


def sayings(facts: AnswerFacts, language: Language) -> list[list[str]]:
    """For each step worth a sentence the true wordings of it, the plainest first; small talk when
    there is no step.
    """
    if not facts.steps:
        return [list(_IDLE[language])]
    shown = set(to_show(facts))
    found = [_say(step, facts, language) for step in facts.steps if _matters(step, facts, shown)]
    return found or [_say(facts.steps[-1], facts, language)]


def quoted(words: str) -> str:
    """Words of others as an answer may repeat them; `[a3]` in them names no asset."""
    return _MARK.sub(r"(\1)", sayable(words)).strip()


def _matters(step: StepFact, facts: AnswerFacts, shown: set[str]) -> bool:
    if step.status == "failed" or step.text or step.tool in ("search", "judge"):
        return True
    return bool(shown & set(step.assets))


def _say(step: StepFact, facts: AnswerFacts, language: Language) -> list[str]:
    kinds = {asset.id: asset.modality.value for asset in facts.assets}
    made = [kinds.get(name, "") for name in step.assets]
    nouns = _NOUNS[language].get(made[0] if made else "", _NOUNS[language][""])
    values = {
        "tool": step.tool,
        "source": _source(step, kinds, language),
        "what": _what(step, language),
        "noun": nouns[len(made) > 1],
    }
    if step.status == "failed":
        end = "." if language == "en" else "。"
        error = quoted(step.error or "?").rstrip(".。") + end
        return [form.format(**values, error=error) for form in _FAILED[language]]
    if step.tool == "judge":
        return list(_UNSURE[language])
    if step.assets:
        marks = "".join(f" [{name}]" for name in step.assets)
        return [
            form.format(**values) + marks
            for form in _MADE[language].get(step.tool, _MADE[language][""])
        ]
    if step.text:
        text = quoted(step.text[:MAX_QUOTE])
        return [form.format(**values, text=text) for form in _SAID[language]]
    options = _NOTHING_FOUND if step.tool == "search" else _DONE
    return [form.format(**values) for form in options[language]]


def _source(step: StepFact, kinds: dict[str, str], language: Language) -> str:
    names = list(dict.fromkeys(name for value in step.about.values() for name in _ids(value)))
    if not names:
        return _what(step, language)
    modalities = list(dict.fromkeys(kinds.get(name, "") for name in names))
    if len(modalities) > 1:
        parts = [_NOUNS[language].get(kind, _NOUNS[language][""])[0] for kind in modalities]
        return (
            "和".join(parts) if language == "zh" else " and ".join(f"the {part}" for part in parts)
        )
    noun = _NOUNS[language].get(modalities[0], _NOUNS[language][""])[len(names) > 1]
    return noun if language == "zh" else f"the {noun}"


def _what(step: StepFact, language: Language) -> str:
    for value in step.about.values():
        if isinstance(value, str) and value.strip() and not _ids(value):
            words = quoted(value)[:200]
            return f"“{words}”"
    return "it" if language == "en" else "它"


def _ids(value: object) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _ids(item)]
    return [value] if isinstance(value, str) and re.fullmatch(r"a\d+", value) else []
