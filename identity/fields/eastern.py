"""Names in Chinese characters, Hangul or kana: the family stands first, often without a blank. Pure and total.

Their parts must be told apart before transliteration, which has no blanks to go by either.
"""

import re
from typing import Final

_SCRIPT: Final = r"\u3005\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3\u3041-\u3096\u30a1-\u30fa\u30fc"
_NAME: Final = re.compile(rf"[{_SCRIPT}]+(?:[\s\u30fb\u00b7][{_SCRIPT}]+)*")
_HANGUL: Final = re.compile(r"[\uac00-\ud7a3]+")
_KATAKANA: Final = re.compile(r"[\u30a1-\u30fa\u30fc\u30fb\s]+")
_BREAK: Final = re.compile(r"[\s\u30fb\u00b7]+")
_HONORIFIC: Final = re.compile(r"(?<=..)\s*(?:様|さま|さん|殿|氏|先生|女士|小姐|씨|님)$")

# Families of two signs or more; all others in China and Korea have one.
_COMPOUND: Final = (
    "欧阳 歐陽 司马 司馬 诸葛 諸葛 上官 夏侯 皇甫 尉迟 公孙 公孫 慕容 令狐 司徒 司空 东方 東方 独孤 獨孤 端木 南宫 南宮 长孙 長孫 "
    "남궁 황보 제갈 사공 선우 서문 독고 동방"
)
# The commonest families of Japan (popular-names-by-country, CC0).
_JAPANESE: Final = (
    "佐藤 鈴木 高橋 田中 渡辺 渡邊 伊藤 中村 小林 山本 加藤 吉田 山田 佐々木 山口 松本 井上 木村 清水 斎藤 齋藤 斉藤 山崎 中島 "
    "阿部 池田 橋本 石川 山下 小川 石井 長谷川 後藤 岡田 近藤 前田 藤田 遠藤 青木 坂本 村上 太田 金子 藤井 福田 西村 三浦 竹内 "
    "中川 岡本 松田 原田 中野 小野 田村 藤原 中山 石田 小島 和田 森田 内田 柴田 酒井 高木 横山 安藤 宮崎 上田 島田 工藤 大野"
)
_FAMILIES: Final = tuple(sorted({*_COMPOUND.split(), *_JAPANESE.split()}, key=len, reverse=True))
_SHORT, _FOUR = 3, 4


def parts(full: str) -> tuple[str, str] | None:
    """Return the family and the given name of a whole name in these scripts, or None for any other text.

    Foreign names in katakana keep their own order. Where no blank tells, known families do; else the first sign is
    the family of up to three, and the first two of four.
    """
    text = without_honorific(full)
    if not _NAME.fullmatch(text):
        return None
    pieces = _BREAK.split(text)
    if len(pieces) > 1:
        if _KATAKANA.fullmatch(text) and "\u30fb" in text:
            return pieces[-1], " ".join(pieces[:-1])
        return pieces[0], " ".join(pieces[1:])
    if len(text) == 1:
        return text, ""
    known = next((one for one in _FAMILIES if text.startswith(one) and len(text) > len(one)), None)
    if known is None:
        # Four Chinese characters, or any kana, are Japanese, where two signs are the rule.
        two = len(text) >= _FOUR or (len(text) == _SHORT and not _HANGUL.fullmatch(text) and _has_kana(text))
        known = text[:2] if two and not _HANGUL.fullmatch(text) else text[:1]
    return known, text[len(known) :]


def without_honorific(full: str) -> str:
    """Return a name without what only addresses its bearer."""
    return _HONORIFIC.sub("", full.strip())


def _has_kana(text: str) -> bool:
    return any("\u3041" <= sign <= "\u30fc" for sign in text)
