"""Clauses that are several steps: several drawings at once, one operation inside another's noun
("the waveform of the sound of this clip"), words of one file on another, pairs in a given order.
"""

import random
from collections.abc import Callable

from starter import requests_en, requests_zh
from starter import requests_words as words
from starter.requests import Writer, _Clause, _Value, pick
from starter.requests_ops import Op, unary, worded

_EN_SEVERAL = (
    "v (draw|paint|sketch|make|create|generate|do|produce) (two|{k}|) (pictures|images|drawings|paintings|sketches|pics|illustrations): {l}|n ({k}|) (pictures|images|drawings|paintings|sketches|pics|illustrations): {l}|n (one|a) (picture|drawing|image|sketch|painting) each (of|for|with|showing) {l}|v (draw|make|create|paint|do) (one|a) (picture|drawing|image|sketch|painting) each (of|for|with) {l}|"
    "v (draw|paint|sketch) {l} (separately|one by one|as separate pictures|in separate pictures|each on its own|one after the other|in a picture each|on separate sheets|individually|apart from each other|in {k} pictures|as {k} drawings)|n (separate|individual|{k}|{k} separate|{k} different) (pictures|drawings|images|paintings|pics) of {l}|v (draw|make|paint|create) (separate|individual|{k} separate|{k}) (pictures|drawings|images|paintings|pics) of {l}|"
    "v (draw|paint|sketch|make|create) a (picture|drawing|image|painting) of {e}|n a (picture|drawing|image|painting) of {e}|n {k} (pictures|drawings|images|paintings), {o}|v (draw|make|paint|create|produce) {k} (pictures|drawings|images|paintings), {o}|v (draw|paint|sketch) {t}|n pictures of {p}|v draw each of these: {l}|v (draw|paint|sketch) (both|all of these|each): {l}|s {l}: (one drawing each|a picture each|draw each|draw them separately|one picture of each|each as its own picture)|s (draw|paint|sketch) {l}, each (in its own picture|by itself|on its own|separately)|v (draw|paint) {q}"
)
_ZH_SEVERAL = "s {l}，(各画一张|各来一张|每样画一张|分别画出来|分开画|各生成一张|一样一张|各一幅)|v 分别画(出|){l}|v 把{l}分别画出来|v (画|生成|做|来){k}张(图|画|图片)：{l}|n {k}张(图|画|图片)：{l}|v {l}各画一(张|幅|个)|v 画{l}各一(张|幅)|v (画|来|生成|做){z}|v 画{q}|v 画(图|画|)，(一张|一幅){l2}|v (给|帮)我画{k}张，分别是{l}|v 分开画{l}|s {l}，都画(一下|出来|一张)|v 把{l}都画出来|v 画{k}幅(画|图)，分别(是|画){l}"
_EN_PAIR = {
    "concat_audio": "v (append|attach|add|join|stick|glue|tack|hook) {b} (to|onto|to the end of|at the end of) {a}|v (put|place|play|have|insert) {b} (after|behind|right after|following) {a}[ in one file]|v (put|place|play|have|insert) {a} (before|ahead of|in front of|right before) {b}[ in one file]|v {a} (followed by|and then|and after it) {b}[, in one file| as one file| as one recording]|v (play|put) {a} first and (then|after it|afterwards) {b}|v start with {a} and (continue|go on|end) with {b}|v (prepend|put) {a} to the (start|beginning) of {b}|v (let|make) {b} follow {a}|v continue {a} with {b}|v extend {a} (with|by) {b}|v (join|connect|link|splice) {b} (to|onto) {a}|n {a} and after it {b} in one (file|track)",
    "mix_audio": "v (overlay|lay|put|play|mix|layer|superimpose|place|blend) {b} (over|on top of|under|underneath|onto|into|across) {a}|v (mix|blend|overlay|layer|merge) {a} with {b}[ at the same time]|v play {a} (while {b} plays|together with {b}|at the same time as {b}|over {b}|simultaneously with {b})|v put {b} (in the background of|behind|underneath|beneath) {a}|v let {b} (run|play) (under|along with|at the same time as|over) {a}",
    "concat_video": "v (append|attach|add|join|stick|glue|tack|hook) {b} (to|onto|to the end of|at the end of) {a}|v (put|place|play|have|insert|show) {b} (after|behind|right after|following) {a}[ in one file]|v (put|place|play|have|insert|show) {a} (before|ahead of|in front of|right before) {b}[ in one file]|v {a} (followed by|and then|and after it) {b}[, in one file| as one film]|v (play|put|show) {a} first and (then|after it|afterwards) {b}|v start with {a} and (continue|go on|end) with {b}|v (let|make) {b} follow {a}|v continue {a} with {b}|v extend {a} (with|by) {b}|v (join|connect|splice|cut) {b} (to|onto) {a}",
    "collage": "v (put|place|set|show|lay|arrange|position|paste|stick|have) {a} (next to|beside|alongside|to the left of|left of|by the side of|and next to it|side by side with) {b}|v (compare|contrast|pair|juxtapose) {a} (with|and) {b} (side by side|in one picture|next to each other)|v (put|place|show) {b} (to the right of|right of) {a}|n {a} (next to|beside|side by side with|alongside) {b}[ in one picture]|v (put|show|place|set) {a} and {b} (side by side|next to each other|in one picture|on one sheet|on one page)",
    "slideshow": "v (make|create) a (video|slideshow|film): first {a}, then {b}|v (show|play) first {a} and then {b} (as a slideshow|in a video|in a film)|n a (slideshow|video|film) (of|with|from) {a} and {b}",
}
_ZH_PAIR = {
    "concat_audio": "v 把{b}(接|加|连|拼)(在|到){a}(后面|之后|后边|的后面|末尾|结尾)|v 把{a}放在{b}(前面|之前|前边)(，合成一个文件|)|v 先放{a}(，|)再放{b}，(合成一段|接在一起|连成一个文件)|v {a}在前，{b}在后，(接起来|拼起来|连成一段)|v 在{a}(后面|之后)(接上|加上|连上){b}",
    "mix_audio": "v 把{b}(叠|叠加|混|放)(在|到){a}(上|里|上面)|v (把|将){a}(和|跟|与){b}(混在一起|叠在一起|混音|叠加)|v {a}(和|跟){b}同时(放|播放|响)|v 用{b}给{a}(做背景|垫底)，混成一段",
    "concat_video": "v 把{b}(接|加|连|拼)(在|到){a}(后面|之后|后边|的后面|末尾|结尾)|v 把{a}放在{b}(前面|之前|前边)(，合成一个视频|)|v 先放{a}(，|)再放{b}，(合成一段|接在一起|剪成一个视频)|v {a}在前，{b}在后，(接起来|拼起来|剪成一段)|v 在{a}(后面|之后)(接上|加上|连上){b}",
    "collage": "v 把{a}(和|跟|与){b}(并排放|放在一起|并排摆|拼在一起|拼成一张|左右并排|放在一张图里)|v 把{a}放在{b}(左边|旁边)|v {a}(和|跟){b}并排|v (对比|比较)着(放|摆){a}和{b}|v 把{b}放在{a}(右边|的右边)",
    "slideshow": "v 做(一个|一段|个)(视频|幻灯片)，先(放|是){a}，再(放|是){b}|v 用{a}和{b}(做|制作)(一个|一段|)(视频|幻灯片)",
}
_EN_ONTO = "v (caption|label|title|annotate|subtitle) {x} with (what {s} says|what is said in {s}|what you hear in {s}|the content of {s}|the words (of|in|from) {s}|a transcript of {s}|the description of {s})|v (write|put|print|place|add|stamp|stick) (what {s} says|what is said in {s}|what you hear in {s}|the words (of|in|from) {s}|the content of {s}|a transcript of {s}) (on|onto|under|below|over|at the bottom of|across|beneath) {x}|v use (what {s} says|the words (of|from|in) {s}|what is said in {s}|a description of {s}) as (the|a) (caption|title|label|text) (of|for|on|under) {x}|v (listen to|transcribe|understand|hear) {s}( and |, then |, and )(write|put|print) (it|that|what you hear|the words|the text) (on|onto|under|below|over) {x}|n {x} with (what {s} says|the words (of|from) {s}|what you hear in {s}) (written on it|below|as a caption|as caption)|v (take|use) the (words|text) from {s} (as|for) the caption (of|for|under) {x}"
_ZH_ONTO = "v 把{s}(里说的话|说的内容|里的内容|的文字|里说的)(写|加|印|放)(到|在){x}(上|下面|上面|底部|里)|v 听{s}，(把|然后把)(听到的|内容|说的)写(到|在){x}(上|下面)|v 用{s}(里说的话|的内容|里的话)给{x}(配文字|配字|加标题|加字幕)|v 在{x}(上|下面)写(上|){s}(里说的话|说的内容|的内容)"

_EN_INNER = {
    "extract_audio": "the (sound|audio|soundtrack|audio track|music|sound track|noise) (of|from|in) {x}",
    "trim": "the {span} of {x}",
    "crop": "the {side} of {x}",
    "waveform": "(the|a) (waveform|wave form|waveform picture) of {x}",
    "spectrogram": "(the|a) (spectrogram|frequency plot|spectrogram picture) of {x}",
    "e2i": "(a|your|one|a new) (drawing|picture|painting|sketch|image) of (what is said in {x}|what you hear in {x}|{x}|what {x} says)",
    "e2i.image": "(a|your|one) (new|fresh|own|different) (drawing|version|variation|painting|rendition) of {x}",
    "t2i": "(a|an|one|some) [nice|small|new|simple|cute|funny] (picture|image|drawing|painting|illustration|sketch|photo|pic) (of|with|showing) {t}",
    "collage": "(a|one) (collage|grid|montage|side-by-side picture) of {x}",
    "describe": "(a|the|your|a short) (description|explanation|summary) of {x}",
    "transcript": "(a transcript of|what is said in|what you hear in|the words in) {x}",
}
_ZH_INNER = {
    "extract_audio": "{x}(里|)的(声音|音频|音轨|原声)",
    "trim": "{x}的{span}",
    "crop": "{x}的{side}",
    "waveform": "{x}的(波形图|波形)",
    "spectrogram": "{x}的(频谱图|频谱|声谱图)",
    "e2i": "根据{x}画的(图|画)",
    "e2i.image": "{x}的(新版本|变体|重画版)",
    "t2i": "一(张|幅){t}的(图|画|图片|插画)",
    "collage": "{x}的(拼图|拼贴画)",
    "describe": "(对|你对){x}的(描述|说明)",
    "transcript": "{x}(里说的话|的文字稿)",
}


def draw_several(writer: Writer) -> _Clause:
    """Two to four drawings asked for at once."""
    rng, zh = writer.rng, writer.zh
    count = rng.choices((2, 3, 4), (70, 24, 6))[0]
    bare = rng.random() < 0.25
    maker: Callable[[random.Random, str], str] = words.noun if bare else words.thing
    marks = []
    for _ in range(count):
        binding, marked = writer.mark(maker(rng, writer.language))
        writer.add("text_to_image", {"prompt": binding}, gives="image:image")
        marks.append(marked)
    writer.focus = []
    text = pick(rng, _ZH_SEVERAL if zh else _EN_SEVERAL)
    number = requests_zh.NUMBER_WORDS[count - 1] if zh else requests_en.NUMBER_WORDS[count - 1]
    k = rng.choice((number, number, str(count)))
    filled = _lists_zh(rng, marks) if zh else _lists_en(rng, marks)
    return _Clause(text[0], text[2:].format(k=k, **filled).replace("  ", " "))


def _lists_en(rng: random.Random, marks: list[str]) -> dict[str, str]:
    last = rng.choice((" and ", " and ", " & ", ", "))
    plain = ", ".join(marks[:-1]) + last + marks[-1]
    more = rng.choice(
        ("one of ", "another of ", "one with ", "another one of ", "a second one of ")
    )
    then = rng.choice((", then ", " and then ", ", and then ", ", after that ", ", next "))
    again = rng.choice((" and also ", ", and also ", " as well as ", " plus ", ", plus "))
    return {
        "l": plain,
        "e": marks[0] + "".join(f" and {more}{mark}" for mark in marks[1:]),
        "o": "one " + " and one ".join(f"of {mark}" for mark in marks),
        "t": then.join(marks),
        "p": rng.choice((" and of ", ", then of ", " and ", ", and of ")).join(marks),
        "q": again.join(marks),
    }  # fmt: skip


def _lists_zh(rng: random.Random, marks: list[str]) -> dict[str, str]:
    joint = rng.choice(("和", "、", "跟", "与"))
    return {
        "l": "、".join(marks[:-1]) + joint + marks[-1],
        "z": "，".join(f"一{rng.choice('张幅个')}{mark}" for mark in marks),
        "q": rng.choice(("，再画", "，然后画", "，还有", "，再来", "，接着画")).join(marks),
        "l2": "，一张".join(marks),
    }


def in_order(writer: Writer) -> _Clause | None:
    """Two values named in an order: one behind, over or beside the other."""
    rng = writer.rng
    tools = {
        "audio": (("concat_audio", "audios", "audio:audio"), ("mix_audio", "audios", "audio:audio")),
        "video": (("concat_video", "videos", "video:video"),),
        "image": (("collage", "images", "image:image"), ("collage", "images", "image:image"), ("slideshow", "images", "video:video")),
    }  # fmt: skip
    fitting = [name for name in tools if len(writer.of(name)) + len(writer.results(name)) > 1]
    if not fitting:
        return None
    modality = rng.choice(fitting)
    values = [*writer.of(modality), *writer.results(modality)]
    if writer.results(modality) and rng.random() < 0.7:
        pair = [values[-2], values[-1]]
    else:
        pair = rng.sample(values, 2)
        pair.sort(key=values.index, reverse=rng.random() < 0.3)
    tool, port, gives = rng.choice(tools[modality])
    if tool == "mix_audio":
        pair.sort(key=values.index)
    text = pick(rng, (_ZH_PAIR if writer.zh else _EN_PAIR)[tool])
    one, two = writer.refer(pair[0]), writer.refer(pair[1])
    if one == two:
        return None
    writer.focus = [writer.add(tool, {port: [value.binding for value in pair]}, gives=gives)]
    return _Clause(text[0], text[2:].format(a=one, b=two))


def describe_onto(writer: Writer) -> _Clause | None:
    """What one file says, written onto a picture."""
    pictures, sources = writer.of("image"), [*writer.of("audio"), *writer.of("video")]
    if not pictures or not sources:
        return None
    picture, source = writer.rng.choice(pictures), writer.rng.choice(sources)
    text = pick(writer.rng, _ZH_ONTO if writer.zh else _EN_ONTO)
    question, marked = writer.mark(text[2:].format(x=writer.refer(picture), s=writer.refer(source)))
    said = writer.add("describe", {"media": source.binding}, {"question": question}, "text:text")
    writer.focus = [
        writer.add("caption", {"image": picture.binding, "text": said.binding}, gives="image:image")
    ]
    return _Clause(text[0], marked)


def _inner(writer: Writer) -> _Value | None:
    """A value that is made on the way, known by the words for how it is made."""
    rng = writer.rng
    table = _ZH_INNER if writer.zh else _EN_INNER
    options: list[tuple[str, str, str, str, str]] = []
    for value in writer.assets:
        name = value.modality
        options += {
            "video": [("extract_audio", "extract_audio", "video", "audio:audio", name)] * 5
            + [("trim", "trim_video", "video", "video:video", name)]
            + [("e2i", "embedding_to_image", "embedding", "image:image", name)],
            "audio": [("trim", "trim_audio", "audio", "audio:audio", name)] * 2
            + [("e2i", "embedding_to_image", "embedding", "image:image", name)] * 2
            + [("waveform", "waveform", "audio", "image:image", name)]
            + [("spectrogram", "spectrogram", "audio", "image:image", name)],
            "image": [("crop", "crop", "image", "image:image", name)]
            + [("e2i.image", "embedding_to_image", "embedding", "image:image", name)] * 2,
        }[name]  # fmt: skip
    options += [("t2i", "text_to_image", "prompt", "image:image", "")] * (3 if options else 1)
    if len(writer.of("image")) > 1:
        options += [("collage", "collage", "images", "image:image", "image")] * 3
    key, tool, port, gives, modality = rng.choice(options)
    form = pick(rng, table[key])
    params: dict[str, object] = {}
    if key == "t2i":
        binding, marked = writer.mark(words.thing(rng, writer.language))
        value = writer.add(tool, {port: binding}, gives=gives)
        value.phrase = form.format(t=marked)
        return value
    if key == "collage":
        group = writer.of("image")
        phrase = form.format(x=writer.refer_all(group))
        value = writer.add(tool, {port: [item.binding for item in group]}, gives=gives)
    else:
        target = rng.choice(writer.of(modality))
        clause = worded(writer, "inner", writer.refer(target), params, pattern=f"n {form}")
        if clause is None:
            return None
        phrase = clause.text
        value = writer.add(tool, {port: target.binding}, dict(params), gives)
    value.phrase = phrase
    return value


def nested(outer: dict[str, list[Op]]) -> Op:
    """One operation on the noun of another."""

    def op(writer: Writer) -> _Clause | None:
        value = _inner(writer)
        if value is None:
            return None
        return writer.rng.choice(outer[value.modality])(writer, [value])

    return op


OUTER: dict[str, list[Op]] = {
    "image": [
        unary("resize", "resize", "image", "image:image", "image"),
        unary("rotate", "rotate", "image", "image:image", "image"),
        unary("convert_image", "convert_image", "image", "image:image", "image"),
        unary("search", "search", "query", "assets:assets", "image"),
    ],
    "audio": [
        unary("convert_audio", "convert_audio", "audio", "audio:audio", "audio"),
        unary("waveform", "waveform", "audio", "image:image", "audio"),
        unary("spectrogram", "spectrogram", "audio", "image:image", "audio"),
        unary("trim_audio", "trim", "audio", "audio:audio", "audio"),
    ],
    "video": [unary("extract_audio", "extract_audio", "video", "audio:audio", "video")],
}
CHAINS: list[tuple[Op, float, str]] = [
    (draw_several, 2.2, ""),
    (in_order, 3.5, "ii"),
    (in_order, 3.5, "aa"),
    (in_order, 4.5, "vv"),
    (describe_onto, 3.0, "ia"),
    (nested(OUTER), 1.6, ""),
    (nested(OUTER), 3.5, "v"),
    (nested(OUTER), 1.5, "a"),
]
