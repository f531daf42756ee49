"""What people often ask for in one breath: sequences of operations that go well together, and
pictures with words on them.
"""

from starter import requests_words as words
from starter.requests import Writer, _Clause, pick
from starter.requests_chains import draw_several
from starter.requests_en_more import written_out
from starter.requests_ops import (
    DESCRIBE,
    DRAW,
    OPS,
    Op,
    caption,
    caption_from,
    listed,
    slideshow_music,
    speak_from,
    text_to_image,
    unary,
)

_EN_CARD = (
    'v (draw|paint|sketch|make|create) {t} (and|, then|, and then|and then|;) (write|put|print|add) [the words|the text|the caption|the line] ["]{u}["] (on it|below|below it|underneath|at the bottom|under it|on top|onto the picture|on the picture|over it|at the top)|v (make|create|design|draw|do) (a|an) [nice|small|funny|simple] (picture|image|drawing|poster|postcard|card|sign|sticker|meme|flyer|greeting card|invitation) (of|with|showing) {t} (that says|saying|with the words|with the text|with the caption|with the title|and the words|reading|captioned|and write on it) ["]{u}["]|'
    'n (a|an) [nice|small|funny|simple] (picture|image|drawing|poster|postcard|card|sign|sticker|meme|flyer|greeting card|invitation|birthday card) (of|with|showing) {t} (that says|saying|with the words|with the text|with the caption|with the title|and the words|reading|captioned) ["]{u}["][ on it| below| underneath]|v (make|create|do) (a|an) (card|birthday card|poster|invitation|sign|postcard|cover|flyer)(: | - |, )(draw|paint|sketch) {t}( and |, |, then )(write|put|add|print) ["]{u}["] (on it|below|underneath|at the bottom|under it|on top)|v (draw|paint|sketch|make) {t} with [the words|the text|the caption|the title] "{u}"[ on it| below it| underneath| written on it]|s (picture|image|drawing|motif): {t}; (text|caption|words|title|writing): {u}|v (draw|paint) {t}, (caption|title|label|text): ["]{u}["]'
)
_ZH_CARD = written_out(
    "v <zhua>{t}(，|，再在|，并在|，然后在)(上面|下面|底部|顶部|图上|画上)(写|写上|写着|加上|印上|配上)(“{u}”|{u})|n (一张|一幅)(写着|印着|配有)“{u}”的{t}(图|画|卡片|海报|贺卡)|v (做|画|设计|制作)(一张|一个|张|个)(卡片|海报|贺卡|明信片|请柬|标语)(，|：)(画|画上|上面画){t}(，|，再|，并|，然后)(写|写上|写着)(“{u}”|{u})|v 画{t}(，|并|，并|，再)(配|配上|加上)(文字|标题|字|字幕)(：|)(“{u}”|{u})|v 画(一张|一幅){t}的图(，|，再|，然后)(写上|加上|印上)(“{u}”|{u})|v <zhua>{t}(，|)(上面|下面|底下)(写|写上|写着|写个)(“{u}”|{u})|s (画|图)：{t}；(文字|标题|字)：{u}"
)
_EN_PLOT = "v (put|place|show|set|lay|arrange) {i} (next to|beside|alongside|side by side with|and next to it) (the {k} of {a}|its {k}|the {k})|v (put|place|show|set) (the {k} of {a}|its {k}|the {k}) (next to|beside|alongside) {i}|v (put|place|show) {i} and (the {k} of {a}|its {k}) (side by side|in one picture|on one sheet|next to each other)"
_ZH_PLOT = "v 把{i}(和|跟|与)({a}的|它的|){k}(并排放|拼在一起|放在一张图里|并排|左右排列)|v 把{i}放在({a}的|它的|){k}(旁边|左边)"


def card(writer: Writer) -> _Clause:
    """A new picture with given words on it."""
    rng, zh = writer.rng, writer.zh
    binding, thing = writer.mark(words.thing(rng, writer.language))
    said, marked = writer.mark(words.caption(rng, writer.language))
    text = pick(rng, _ZH_CARD if zh else _EN_CARD)
    drawn = writer.add("text_to_image", {"prompt": binding}, gives="image:image")
    inputs = {"image": drawn.binding, "text": said}
    writer.focus = [writer.add("caption", inputs, gives="image:image")]
    return _Clause(text[0], text[2:].replace("{t}", thing).replace("{u}", marked))


def beside_plot(writer: Writer) -> _Clause | None:
    """A picture beside the waveform or spectrogram of the sound at hand."""
    sounds, pictures = writer.of("audio"), [*writer.of("image"), *writer.results("image")]
    if len(sounds) != 1 or not pictures:
        return None
    rng, zh = writer.rng, writer.zh
    tool = rng.choice(("waveform", "spectrogram"))
    name = {"waveform": "波形图", "spectrogram": "频谱图"}[tool] if zh else tool
    text = pick(rng, _ZH_PLOT if zh else _EN_PLOT)
    picture = pictures[-1]
    said = text[2:].format(i=writer.refer(picture), a=writer.refer(sounds[0]), k=name)
    plot = writer.add(tool, {"audio": sounds[0].binding}, gives="image:image")
    pair = [picture.binding, plot.binding]
    if 0 <= said.find(name) < len(said) // 3 and not zh:
        pair.reverse()
    writer.focus = [writer.add("collage", {"images": pair}, gives="image:image")]
    return _Clause(text[0], said)


def on_last(*ops: Op) -> Op:
    """One of these operations on what was made last."""

    def op(writer: Writer) -> _Clause | None:
        return writer.rng.choice(ops)(writer, writer.made[-1:])

    return op


def either(*ops: Op) -> Op:
    """One of these operations."""

    def op(writer: Writer) -> _Clause | None:
        return writer.rng.choice(ops)(writer)

    return op


_SPEAK, _SEARCH_TEXT = OPS[1][0], OPS[2][0]
_RESIZE = unary("resize", "resize", "image", "image:image", "image")
_CROP = unary("crop", "crop", "image", "image:image", "image")
_ROTATE = unary("rotate", "rotate", "image", "image:image", "image")
_SAVE = unary("convert_image", "convert_image", "image", "image:image", "image")
_SAVE_SOUND = unary("convert_audio", "convert_audio", "audio", "audio:audio", "audio")
_TRIM = unary("trim_audio", "trim", "audio", "audio:audio", "audio")
_TRIM_VIDEO = unary("trim_video", "trim", "video", "video:video", "video")
_WAVE = unary("waveform", "waveform", "audio", "image:image", "audio")
_SPECTRUM = unary("spectrogram", "spectrogram", "audio", "image:image", "audio")
_SOUND_OF = unary("extract_audio", "extract_audio", "video", "audio:audio", "video")
_ALIKE = unary("search", "search", "query", "assets:assets", "image", "audio", "video")
_COLLAGE = listed("collage", "collage", "images", "image")
_SLIDES = listed("slideshow", "slideshow", "images", "image")
_CHAIN = listed("concat_audio", "concat_audio", "audios", "audio")
_MIX = listed("mix_audio", "mix_audio", "audios", "audio")
_CHAIN_VIDEO = listed("concat_video", "concat_video", "videos", "video")
_EDIT = on_last(_RESIZE, _RESIZE, _CROP, _ROTATE, _ROTATE, _SAVE, caption, caption)
_EDIT_SOUND = on_last(_SAVE_SOUND, _SAVE_SOUND, _WAVE, _SPECTRUM, _TRIM)

#: What a sequence needs (letters of modalities), its weight, and its operations in order.
HABITS: list[tuple[str, float, tuple[Op, ...]]] = [
    ("", 3, (card,)),
    ("", 3, (text_to_image, _EDIT)),
    ("", 1, (text_to_image, _EDIT, _EDIT)),
    ("", 2, (draw_several, either(_COLLAGE, _COLLAGE, _SLIDES))),
    ("", 2, (text_to_image, text_to_image, either(_COLLAGE, _COLLAGE, _SLIDES))),
    ("", 2.5, (text_to_image, _SPEAK, slideshow_music)),
    ("", 1, (_SPEAK, text_to_image, slideshow_music)),
    ("", 1.5, (text_to_image, _SPEAK)),
    ("", 3, (_SPEAK, _EDIT_SOUND)),
    ("", 1, (text_to_image, on_last(_ALIKE, DRAW))),
    ("", 0.7, (_SEARCH_TEXT, text_to_image)),
    ("i", 2, (DESCRIBE, speak_from)),
    ("i", 1.5, (DESCRIBE, caption_from)),
    ("i", 1.5, (DESCRIBE, speak_from, slideshow_music)),
    ("i", 1.5, (DESCRIBE, _ALIKE)),
    ("i", 1, (DESCRIBE, _ALIKE, DRAW)),
    ("i", 1.5, (DRAW, _COLLAGE)),
    ("i", 1.5, (DRAW, _EDIT)),
    ("i", 1.5, (either(_CROP, _ROTATE, _RESIZE), _EDIT)),
    ("ii", 1.5, (_COLLAGE, _EDIT)),
    ("a", 2, (DRAW, _EDIT)),
    ("a", 1.5, (DRAW, slideshow_music)),
    ("a", 1.5, (DRAW, beside_plot)),
    ("a", 1.5, (_TRIM, _EDIT_SOUND)),
    ("a", 1.5, (DESCRIBE, speak_from)),
    ("a", 1, (DESCRIBE, DRAW)),
    ("aa", 2.5, (either(_CHAIN, _MIX), _EDIT_SOUND)),
    ("v", 3, (_SOUND_OF, _EDIT_SOUND)),
    ("v", 1.5, (_SOUND_OF, on_last(DESCRIBE, DRAW))),
    ("v", 1.5, (_TRIM_VIDEO, on_last(_SOUND_OF))),
    ("v", 1, (DESCRIBE, speak_from)),
    ("vv", 2, (_CHAIN_VIDEO, on_last(_SOUND_OF, _TRIM_VIDEO))),
]
