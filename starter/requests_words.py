"""Words that fill synthetic requests: things to draw, sentences to say, captions, file names.
English and Chinese.

Names come from the concepts and from the emoji names of `emojibase-data` (when it is in the cache),
so that copying is learnt on far more words than the starter models know pictures of.
"""

import json
import random
import re
from functools import cache

from starter import requests_talk as talk
from starter.concepts import CACHE, load_concepts

ADJECTIVES = (
    "big small tiny huge red blue green yellow purple pink black white orange golden silver old new young happy sad angry "
    "sleepy funny cute scary strange round flat tall broken wooden glass rusty shiny fluffy wet frozen burning lonely "
    "friendly dancing sleeping singing laughing giant cartoon medieval modern futuristic simple colourful transparent "
    "striped spotted wild quiet royal magic empty open closed melting glowing dusty"
).split()
NOUNS = (
    "apartment backpack badger bakery barn basket bathtub bench blanket boot bottle bowl bridge broom brush bucket bulldozer "
    "button cabin cable calendar canoe canyon carpet cathedral cave ceiling chain chair chest chimney clown coat coin comb "
    "compass cottage cradle crane curtain cushion desk dinosaur donkey dragonfly drawer eagle elevator fan feather fence "
    "fireplace flag flute forest fork fountain fridge garage garden gate giraffe glove goose grandmother harbour harp helmet "
    "hill hotel island jacket jar jellyfish jungle kettle kitchen kite ladder lake lamp lantern lawn leopard library lizard "
    "lobster magician market mask meadow mermaid mill mirror moose mosquito mountain museum nest notebook ocean office onion "
    "orchard oven painter parachute parrot path peach peacock pearl pillow pirate plate pocket pond porcupine postcard potato "
    "prince puddle pyramid queen raccoon radio raft raincoat restaurant river road robe roof rope saddle sailor sandwich "
    "scarf scarecrow school scooter seal shark shelf shell shovel skirt slipper sofa soldier soup spoon squid stairs statue "
    "stone stool storm stove street submarine suitcase swan swing table tank tent theatre throne tiger toad tower town toy "
    "treasure truck tunnel turkey vase village wagon waiter wallet walrus watch waterfall wheel window witch wizard wolf "
    "wood worm yacht yoghurt zebra"
).split()
TAILS = (
    "in the rain", "on the beach", "at night", "in a forest", "on a table", "with a hat", "with a red scarf", "in the snow",
    "on the moon", "under a tree", "in space", "on a mountain", "with big eyes", "next to a lake", "in a box", "in the sky",
    "on a plate", "by the sea", "in the desert", "wearing boots", "wearing a tie", "holding a balloon", "riding a bike",
    "eating cake", "reading a book", "playing the drums", "at sunset", "at dawn", "made of wood", "made of glass",
    "in front of a window", "behind a fence", "full of flowers", "with wings", "without wheels", "in winter", "on fire",
    "drinking tea", "flying over a city", "sleeping on a sofa", "under water", "in a garden", "with two heads",
)  # fmt: skip
SENTENCES = (
    "good morning", "good night", "hello everyone", "how are you today", "see you tomorrow", "the meeting starts at {n}",
    "please wait here", "thank you for coming", "the {thing} is on the table", "I lost my {thing}", "my name is {name}",
    "the {adj} {noun} is sleeping", "do not touch the {thing}", "welcome to {name}'s party", "happy anniversary {name}",
    "it is raining again", "where is the {noun}", "we are closed today", "turn left after the {noun}", "I love you",
    "the bus arrives in {n} minutes", "mind the gap", "your order is ready", "call me back please", "stop right there",
    "there are {n} {noun}s in the {noun}", "breakfast is served", "the {noun} costs {n} dollars", "have a nice day",
    "once upon a time there was a {adj} {noun}", "this is a test", "nobody knows the answer", "let's go to the {noun}",
    "I forgot the {noun} at home", "{name} is late", "the quick brown fox jumps over the lazy dog", "{noun}", "{thing}",
    "attention please", "today is a good day", "open the {noun}", "the party begins at {n} o'clock", "sorry about that",
)  # fmt: skip
CAPTIONS = (
    "{Adj}", "{Noun}", "SALE", "Merry Christmas", "For {name}", "Hello {name}", "{Name}", "{Noun} {n}", "Summer {n}",
    "Welcome", "The End", "No entry", "My {noun}", "I love {noun}s", "{adj} {noun}", "good luck", "Get well soon",
    "Made by {name}", "Page {n}", "Do not open", "Our holiday", "Paris {n}", "Hi", "LOL", "Well done", "{thing}", "DRAFT",
    "Keep calm", "Season's greetings", "Party at {name}'s", "Room {n}", "Coming soon", "{NOUN}", "See you soon",
)  # fmt: skip
NAMES = "Anna Ben Carla David Emma Felix Greta Hugo Ida Jonas Kim Lena Max Nora Oscar Paula Rita Sam Tom Uma".split()

ZH_ADJECTIVES = (
    "大 小 红色的 蓝色的 绿色的 黄色的 紫色的 粉色的 黑色的 白色的 金色的 银色的 老 新 可爱的 开心的 难过的 生气的 困了的 奇怪的 "
    "圆圆的 高高的 破旧的 木头的 玻璃 闪亮的 毛茸茸的 冰冻的 孤独的 友好的 跳舞的 睡觉的 唱歌的 卡通 未来的 古代的 透明的 "
    "条纹的 巨大的 迷你 神奇的 发光的 胖胖的 戴帽子的 穿靴子的 微笑的 下雨天的 雪地里的 月亮上的 森林里的 海边的 会说话的 "
    "骑车的 看书的 吃蛋糕的 打鼓的 水下的 拿气球的 粉红的 五彩的 燃烧的"
).split()
ZH_NOUNS = (
    "背包 面包店 篮子 浴缸 长椅 毯子 靴子 瓶子 碗 桥 扫帚 刷子 水桶 推土机 纽扣 小木屋 日历 独木舟 峡谷 地毯 教堂 山洞 椅子 烟囱 小丑 "
    "外套 硬币 梳子 指南针 起重机 窗帘 书桌 恐龙 驴 蜻蜓 老鹰 电梯 风扇 羽毛 篱笆 壁炉 旗子 笛子 森林 叉子 喷泉 冰箱 车库 花园 大门 "
    "长颈鹿 手套 鹅 奶奶 港口 竖琴 小山 酒店 岛 夹克 水母 厨房 风筝 梯子 湖 台灯 灯笼 草地 豹子 图书馆 蜥蜴 龙虾 魔术师 市场 面具 "
    "美人鱼 磨坊 镜子 驼鹿 蚊子 大山 博物馆 鸟巢 笔记本 大海 办公室 洋葱 果园 烤箱 画家 降落伞 鹦鹉 小路 桃子 孔雀 珍珠 枕头 海盗 盘子 "
    "池塘 豪猪 明信片 土豆 王子 金字塔 女王 浣熊 收音机 木筏 雨衣 餐厅 河流 绳子 水手 三明治 围巾 稻草人 学校 滑板车 海豹 鲨鱼 贝壳 "
    "铲子 裙子 拖鞋 沙发 士兵 汤 勺子 楼梯 雕像 石头 凳子 暴风雨 街道 潜水艇 行李箱 天鹅 秋千 桌子 坦克 帐篷 剧院 塔 小镇 玩具 宝藏 卡车 "
    "隧道 火鸡 花瓶 村庄 服务员 钱包 海象 手表 瀑布 轮子 窗户 女巫 巫师 狼 木头 游艇 斑马"
).split()
ZH_COUNTS = "一只 一个 一朵 一棵 一辆 一座 一条 一幅 一把 一架 一张 一匹 一头 一艘 一杯 一块 两只 两个 三只 三个 几只 几个 一群 一些 一堆".split()
ZH_SENTENCES = (
    "早安", "晚安", "大家好", "你今天好吗", "明天见", "会议{n}点开始", "请在这里等一下", "谢谢你来", "{thing}在桌子上", "我的{noun}丢了",
    "我叫{name}", "请不要碰{noun}", "欢迎来到{name}的家", "{name}生日快乐", "又下雨了", "{noun}在哪里", "今天不营业", "过了{noun}向左转",
    "我爱你", "公交车{n}分钟后到", "注意安全", "你的订单好了", "请给我回电话", "停下来", "早饭准备好了", "这个{noun}要{n}块钱", "祝你愉快",
    "从前有一只{noun}", "这是一个测试", "没有人知道答案", "我们去{noun}吧", "我把{noun}忘在家里了", "{name}迟到了", "{noun}", "{thing}",
    "请注意", "今天是个好日子", "把{noun}打开", "聚会{n}点开始", "对不起", "床前明月光", "好久不见", "一路平安", "恭喜发财",
)  # fmt: skip
ZH_CAPTIONS = (
    "你好", "大减价", "圣诞快乐", "给{name}", "我的{noun}", "{noun}", "{thing}", "夏天{n}", "欢迎", "完", "禁止入内", "加油", "早日康复",
    "{name}制作", "第{n}页", "请勿打开", "我们的假期", "北京{n}", "哈哈", "做得好", "草稿", "春节快乐", "{n}号房间", "即将开始", "再见", "我爱{noun}",
)  # fmt: skip
ZH_NAMES = "小明 小红 李华 王芳 张伟 刘洋 陈静 小李 阿强 丽丽 妈妈 爸爸 老师 小刚 婷婷".split()

FILE_WORDS = (
    "beach garden desk dunes logo team cat kitchen party sunset holiday scan invoice portrait lake dog street office intro "
    "song talk bark rain memo note interview chorus thunder wedding trip demo lesson race river snow market old new draft "
    "final left right red blue morning evening test sample piano guitar crowd window flower tree house boat car"
).split()
ZH_FILE_WORDS = (
    "海滩 花园 书桌 沙丘 标志 团队 猫 厨房 聚会 日落 假期 扫描 头像 湖边 小狗 街道 办公室 片头 歌曲 讲话 雨声 备忘 采访 雷声 婚礼 旅行 "
    "演示 课堂 比赛 河流 雪景 市场 草稿 早晨 晚上 样本 钢琴 吉他 窗户 花 树 房子 船 汽车"
).split()
SUFFIXES = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".PNG"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a"),
    "video": (".mp4", ".webm", ".mov", ".mkv"),
}


@cache
def emoji_names(language: str) -> tuple[str, ...]:
    """Plain emoji names in "en" or "zh"; empty when the data is not in the cache."""
    found = sorted((CACHE / "src" / "emojibase-data").glob(f"**/{language}/data.json"))
    if not found:
        return ()
    labels = (str(entry["label"]) for entry in json.loads(found[0].read_text(encoding="utf-8")))
    plain = r"[a-z][a-z '-]{2,28}" if language == "en" else r"[\u4e00-\u9fff]{1,8}"
    return tuple(label for label in labels if re.fullmatch(plain, label))


@cache
def nouns(language: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Three pools: names of concepts, everyday nouns, emoji names."""
    concepts = load_concepts()
    if language == "en":
        return (
            tuple(w for c in concepts for w in c.english),
            tuple(NOUNS),
            emoji_names("en") or tuple(NOUNS),
        )
    return (
        tuple(w for c in concepts for w in c.chinese),
        tuple(ZH_NOUNS),
        emoji_names("zh") or tuple(ZH_NOUNS),
    )


def noun(rng: random.Random, language: str) -> str:
    """One noun, mostly of the concepts."""
    known, everyday, emoji = nouns(language)
    return rng.choice(rng.choices((known, everyday, emoji), (5, 3, 2))[0])


def thing(rng: random.Random, language: str) -> str:
    """Something to draw or to look for: "a red kite at night", "两只小猫"."""
    return _thing_zh(rng) if language == "zh" else _thing_en(rng)


def _thing_en(rng: random.Random) -> str:
    name = noun(rng, "en")
    adjective = rng.choice(ADJECTIVES) if rng.random() < 0.3 else ""
    head = f"{adjective} {name}".strip()
    roll = rng.random()
    if roll < 0.5:
        head = f"{'an' if head[0] in 'aeiou' else 'a'} {head}"
    elif roll < 0.65:
        head = f"{rng.choice(('the', 'my', 'some', 'our', 'this'))} {head}"
    elif roll < 0.75:
        head = (
            f"{rng.choice(('two', 'three', 'four', 'five', 'many', 'several', '3', '2'))} {head}s"
        )
    elif roll < 0.8:
        head = f"{head}s"
    if rng.random() < 0.25:
        head = f"{head} {rng.choice(TAILS)}"
    if rng.random() < 0.1:
        other = noun(rng, "en")
        head = f"{head} {rng.choice(('and', 'with', 'on', 'in', 'riding', 'next to'))} a {other}"
    return head


def _thing_zh(rng: random.Random) -> str:
    name = noun(rng, "zh")
    adjective = rng.choice(ZH_ADJECTIVES) if rng.random() < 0.3 else ""
    count = rng.choice(ZH_COUNTS) if rng.random() < 0.5 else ""
    head = f"{count}{adjective}{name}"
    if rng.random() < 0.12:
        head = f"{head}{rng.choice(('和', '与', '跟'))}{rng.choice(ZH_COUNTS)}{noun(rng, 'zh')}"
    if rng.random() < 0.08:
        head = f"{rng.choice(('在海边', '在下雨时', '在夜里', '在树下'))}的{head}"
    return head


def fill(rng: random.Random, language: str, pattern: str) -> str:
    """A pattern of `SENTENCES` or `CAPTIONS` with its gaps filled in."""
    zh = language == "zh"
    one = noun(rng, language)
    adjective = rng.choice(ZH_ADJECTIVES if zh else ADJECTIVES)
    names = ZH_NAMES if zh else NAMES
    name = rng.choice(names) if zh or rng.random() < 0.8 else talk.babble(rng).capitalize()
    cities, days = (talk.ZH_CITIES, talk.ZH_DAYS) if zh else (talk.CITIES, talk.DAYS)
    return pattern.format(
        n=rng.choice((rng.randint(1, 12), rng.randint(1, 99), rng.randint(1990, 2030))),
        thing=thing(rng, language), noun=one, adj=adjective, name=name,
        Adj=adjective.title(), Noun=one.title(), NOUN=one.upper(), Name=name,
        n2=rng.randint(1, 60), noun2=noun(rng, language), adj2=rng.choice(ZH_ADJECTIVES if zh else ADJECTIVES),
        name2=rng.choice(names), City=rng.choice(cities), day=rng.choice(days), day2=rng.choice(days),
    )  # fmt: skip


def sentence(rng: random.Random, language: str) -> str:
    """Something to say aloud."""
    zh = language == "zh"
    options = (*ZH_SENTENCES, *talk.ZH_SENTENCES) if zh else (*SENTENCES, *talk.SENTENCES)
    if rng.random() < 0.15:
        text = talk.row_of_words(rng, ZH_NOUNS if zh else NOUNS, zh)
    else:
        text = fill(rng, language, rng.choice(options))
        if rng.random() < 0.12:
            more = fill(rng, language, rng.choice(options))
            text = f"{text}，{more}" if zh else f"{text}, {more}"
    return text[:1].upper() + text[1:] if rng.random() < 0.3 else text


def caption(rng: random.Random, language: str) -> str:
    """Something to write onto a picture."""
    zh = language == "zh"
    roll = rng.random()
    if roll < 0.12:
        text = talk.row_of_words(rng, ZH_NOUNS if zh else NOUNS, zh)
        return text.title() if rng.random() < 0.4 else text
    if roll < 0.17 and not zh:
        return talk.babble(rng)
    if roll < 0.22:
        return sentence(rng, language)
    options = (*ZH_CAPTIONS, *talk.ZH_CAPTIONS) if zh else (*CAPTIONS, *talk.CAPTIONS)
    text = fill(rng, language, rng.choice(options))
    return text.upper() if not zh and rng.random() < 0.08 else text


def drawn(rng: random.Random, language: str) -> tuple[str, str]:
    """The words that a picture was drawn from, and the one that a request may use for it."""
    word = noun(rng, language)
    if language == "zh":
        return rng.choice(("", "", "一只", "一个", "一张", "一朵")) + word, word
    article = "an " if word[0] in "aeiou" else "a "
    return rng.choice((article, article, "the ", "")) + word, word


def file_name(rng: random.Random, language: str, modality: str) -> tuple[str, str]:
    """A file's name and the word in it that a request may use for it."""
    zh = language == "zh" and rng.random() < 0.6
    word = rng.choice(ZH_FILE_WORDS if zh else FILE_WORDS)
    if rng.random() < 0.5:  # any noun may name a file
        one = rng.choice(rng.choice(nouns("zh" if zh else "en")[:2]))
        word = one if " " not in one else word
    number = rng.choice(("", "", "", f"_{rng.randint(1, 99)}", f"-{rng.randint(1, 20)}"))
    return f"{word}{number}{rng.choice(SUFFIXES[modality])}", word
