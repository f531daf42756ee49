"""Longer words to say and to write: sentences, notices and greetings with gaps, rows of any words
and invented names. They teach to copy what is quoted, to its last word and no further.
"""

import random

SENTENCES = (
    "your appointment is at {n} tomorrow", "please remember to bring your {noun}", "we will be back in {n} minutes", "all {noun}s are half price today",
    "I am running {n} minutes late", "can you pick up some {noun}s on the way home", "the {noun} in room {n} is broken", "grandma is coming to visit on {day}",
    "don't forget to feed the {noun}", "our next stop is {name} Street", "this call may be recorded", "would {name} please come to the front desk",
    "ladies and gentlemen, the show is about to begin", "keep your {noun} with you at all times", "your {noun} has arrived", "the museum opens at {n} on {day}",
    "once there was a {noun} who wanted to be a {noun2}", "roses are red and violets are blue", "to be or not to be", "practice makes perfect",
    "{n} {noun}s and {n2} {noun2}s", "one two three", "one, two, three, four, five", "a b c d e", "I would like a {noun} and a {noun2}", "who let the dogs out",
    "it was a dark and stormy night", "the password is {noun} {n}", "five four three two one", "stay where you are and wait for help", "the {adj} {noun} jumped over the {adj2} {noun2}",
    "we wish you a merry Christmas and a happy new year", "good luck with your exam, {name}", "there is no place like home", "it's time to go to bed", "hello from {name}",
    "my {noun} won't start this morning", "what a beautiful {noun} you have", "please close the {noun} behind you", "{name} and {name2} got married on {day}", "no more {noun}s for me, thanks",
    "you have {n} new messages", "nobody expected the {adj} {noun}", "help yourself to {noun}s", "where there is a will there is a way", "I can't find my {noun} anywhere", "we're going on a {noun} hunt",
    "the {noun} is under the {noun2}", "doors open at {n} thirty", "thank you for your patience", "take the second street on the right", "it costs {n} euros and {n2} cents", "come in, we are open",
    "sleep well, little {noun}", "time flies", "so long and thanks for all the {noun}s", "to whom it may concern", "the weather on {day} will be {adj}", "dear {name}, happy birthday to you",
)  # fmt: skip
CAPTIONS = (
    "Happy Birthday {name}", "Happy New Year {n}", "Best {noun} ever", "World's best {noun}", "With love from {name}", "{name} & {name2}", "{name} was here", "{City} {n}", "{City}", "Greetings from {City}",
    "Our trip to {City}", "Do not feed the {noun}s", "Beware of the {noun}", "Lost {noun}", "{noun}s for sale", "Save the {noun}s", "Summer in {City}", "Big {noun}, little {noun2}", "Chapter {n}", "Figure {n}: the {noun}",
    "Version {n}.{n2}", "Thank you {name}", "Congratulations {name}", "{n}% off", "Open {day} to {day2}", "{day} {n} May", "50 years of {name}", "Hello World", "Eat more {noun}s", "TOP SECRET", "WANTED", "FRAGILE", "NEW",
    "Out of order", "See you in {City}", "I was there", "Home sweet home", "No {noun}s allowed", "The {adj} {noun}", "THE {NOUN}", "Team {Noun}", "Good night {name}", "Just married", "Baby {name}", "It's a {noun}!",
    "What a {noun}!", "Made in {City}", "Copyright {n}", "Free {noun}s", "Class of {n}", "Rest in peace", "Bon voyage", "Joyeux Noël", "Feliz cumpleaños", "Grüße aus {City}", "Don't panic", "Part {n}", "Nr. {n}",
)  # fmt: skip
ZH_SENTENCES = (
    "你的{noun}到了", "请记得带{noun}", "我们{n}分钟后回来", "今天{noun}半价", "我要迟到{n}分钟了", "回家路上买点{noun}", "{n}号房间的{noun}坏了", "奶奶{day}来看我们", "别忘了喂{noun}", "下一站{name}路", "请{name}到前台来",
    "各位来宾，演出马上开始", "请带好随身物品", "从前有一个{noun}想变成{noun2}", "熟能生巧", "一二三四五", "我想要{noun}和{noun2}", "密码是{noun}{n}", "祝{name}考试顺利", "该睡觉了", "我的{noun}不见了", "你的{noun}真好看",
    "请随手关门", "{name}和{name2}{day}结婚", "你有{n}条新消息", "{noun}在{noun2}下面", "{n}点半开门", "感谢您的耐心等待", "前面路口右转", "一共{n}块{n2}毛", "欢迎光临", "睡吧，小{noun}", "明天天气{adj}", "亲爱的{name}，生日快乐",
    "有志者事竟成", "春眠不觉晓", "好好学习天天向上", "万事如意", "电梯正在上行", "列车即将进站，请站在黄线以内", "今天晚饭吃{noun}", "妈妈叫你回家", "请大家安静", "我晚点再打给你", "钥匙在{noun}里", "图书馆{n}点关门",
)  # fmt: skip
ZH_CAPTIONS = (
    "{name}生日快乐", "{n}新年快乐", "最好的{noun}", "{name}爱{name2}", "{name}到此一游", "{City}{n}", "{City}之旅", "来自{City}的问候", "禁止投喂{noun}", "小心{noun}", "寻找{noun}", "{noun}出售", "第{n}章", "图{n}", "谢谢{name}", "恭喜{name}",
    "{n}折", "严禁烟火", "此路不通", "新品上市", "暂停营业", "家和万事兴", "{noun}天下第一", "加油{name}", "我们结婚了", "欢迎回家", "毕业快乐", "母亲节快乐", "一路顺风", "早日康复", "福", "绝密", "限时优惠", "{noun}展", "{day}见", "平安喜乐", "我的第{n}个{noun}",
)  # fmt: skip
CITIES = "Lisbon Rome Oslo Vienna Madrid Tokyo Cairo Berlin Boston Dublin Prague Lima Zurich Venice Sydney Athens Bristol Kyoto Denver Hanoi Bern Porto Turin Lyon".split()
ZH_CITIES = "上海 广州 杭州 成都 西安 南京 厦门 昆明 巴黎 东京 罗马 伦敦 青岛 苏州 拉萨 三亚 重庆 大理 丽江 里昂".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
ZH_DAYS = "周一 周二 周三 周四 周五 周六 星期天 明天 后天 下周".split()
PLAIN = (
    "the a of to in and is it on that was he she for you with as at be we not but what all were when there can an your which their if do will "
    "each how up out then them these so some her would make like him into time has look two more write go see number no way could people my than first "
    "water been call who oil now find long down day did get come made may part over new sound take only little work know place year live me back give "
    "most very after thing our just name good sentence man think say great where help through much before line right too mean old any same tell boy follow "
    "came want show also around form three small set put end does another well large must big even such because turn here why ask went men read need land "
    "morning evening nothing never always together again tomorrow yesterday tonight later soon maybe everybody somebody"
).split()


def babble(rng: random.Random) -> str:
    """An invented name."""
    word = "".join(
        rng.choice("b c d f g h j k l m n p r s t v w z br st tr kl sh ch".split())
        + rng.choice("a e i o u ai ee ou".split())
        + rng.choice(("", "", "n", "r", "l", "s", "m", "x", "ck"))
        for _ in range(rng.choice((1, 2, 2, 3)))
    )
    return word.capitalize() if rng.random() < 0.6 else word


def row_of_words(rng: random.Random, pool: list[str], zh: bool) -> str:
    """Any words in a row: what is quoted need not make sense."""
    count = rng.choices(range(1, 10), (2, 4, 5, 5, 4, 3, 2, 1, 1))[0]
    if zh:
        return "".join(rng.choice(pool) for _ in range(min(count, 5)))
    chosen = [rng.choice(pool if rng.random() < 0.4 else PLAIN) for _ in range(count)]
    if rng.random() < 0.2:
        chosen[rng.randrange(count)] = babble(rng)
    if rng.random() < 0.15:
        chosen.insert(rng.randrange(count + 1), str(rng.randint(0, 3000)))
    return " ".join(chosen)
