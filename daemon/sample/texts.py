"""The words of the sample repository: many scripts, languages and the odd values that real repositories hold.

Invariant: everything is drawn from the generator that is passed in, so a seed gives the same words again.
"""

from __future__ import annotations

from random import Random
from typing import Final

_LIST: Final = """
    analysis archive basin boundary carbon catalogue climate coastal collective comparative computing cultural
    dataset decay delta digital dynamics early ecology economic education effect empirical energy estimate field
    forest framework genome glacier grammar growth harbour heritage history hydrology industry inference island
    labour language lattice layer library linear manuscript marine market measure medieval memory metal method
    migration model monastery network northern notes observation optical oral parish particle policy polymer
    population pottery protein quantum reading record reform regional repository river rural school season sediment
    settlement signal social soil spatial spectrum statute stone structure survey symmetry synthesis temporal theory
    thermal tidal trade transport urban valley variation village voice water wave western winter woven
"""
WORDS: Final[tuple[str, ...]] = tuple(_LIST.split())

GIVEN: Final = (
    "Anna",
    "Björn",
    "Chiara",
    "Dmitri",
    "Élodie",
    "Fatima",
    "Grażyna",
    "Hans",
    "Ingrid",
    "João",
    "Kwame",
    "Łukasz",
    "Mei",
    "Nour",
    "Olu",
    "Priya",
    "Renée",
    "Søren",
    "Tomáš",
    "Uma",
    "Víctor",
    "Wen",
    "Yuki",
    "Zoë",
)
FAMILY: Final = (
    "Abreu",
    "Brandt",
    "Çelik",
    "Dąbrowski",
    "Eriksen",
    "Fournier",
    "García",
    "Hölzl",
    "Ivanova",
    "Jónsson",
    "Kovács",
    "Lefèvre",
    "Müller",
    "Nguyễn",
    "O’Brien",
    "Petrović",
    "Quispe",
    "Rossi",
    "Świątek",
    "Tanaka",
    "Urbina",
    "van der Meer",
    "Wójcik",
    "Yılmaz",
    "Žižka",
)

MULTILINGUAL: Final[tuple[tuple[str, str], ...]] = (
    ("en_US", "The tides of the northern harbour, 1620–1790"),
    ("de_DE", "Über die Grundwasserströme der Küstenebene: größere Übersicht"),
    ("fr", "L’évolution des forêts d’altitude à l’époque moderne"),
    ("el", "Η ιστορία της βιβλιοθήκης στον Μεσαίωνα"),
    ("ru", "Наблюдения над ледниками северных островов"),
    ("uk", "Їжа та ґанок: ще одне спостереження"),
    ("ar", "دراسة مقارنة في تاريخ المكتبات"),
    ("he", "תולדות הדפוס העברי"),
    ("fa", "پژوهشی دربارهٔ نسخه‌های خطی"),
    ("hi", "नदी घाटी का सामाजिक इतिहास"),
    ("bn", "বাংলা ভাষার ব্যাকরণ"),
    ("ta", "தமிழ் இலக்கிய வரலாறு"),
    ("th", "ประวัติศาสตร์เมืองท่า"),
    ("ka", "ქართული ხელნაწერები"),
    ("am", "የኢትዮጵያ ታሪክ"),
    ("zh_TW", "圖書館學與資訊科學之研究"),
    ("ja", "日本語の文法における時制の研究"),
    ("ko", "한국어 문법 연구"),
    ("vi", "Nghiên cứu lịch sử thư viện"),
    ("tr", "Ilıman iklim ve İstanbul’un ağaçları"),
    ("got", "𐌰𐍄𐍄𐌰 𐌿𐌽𐍃𐌰𐍂 — beyond the basic plane: 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 😀👩‍🔬"),
)

ODD: Final[tuple[str | None, ...]] = (
    "first line\nsecond line\r\nthird line",
    "a\ttab, and  two blanks",
    "  leading and trailing blanks  ",
    "\n",
    " ",
    "",
    None,
    "next line\u0085here, no-break\u00a0space, line\u2028separator, zero\u200bwidth, mark\ufeffinside",
    "control \u0001 characters \u000b of \u001f old \u007f imports",
    "no characters of Unicode: \ufffe \uffff \U0001ffff",
    "cafe\u0301 is not café to a byte comparison",
    "<b>markup</b> &amp; \"quotes\" 'and' ]]> <!-- comment --> <?instruction?>",
    "back\\slash \\N \\. \\t, percent %s %(x)s, braces {0} ${x}, null-like NULL",
    "\u202eright to left override\u202c",
    "a,comma;a semicolon|a pipe",
)
"""Values for `dc.description`: each breaks something that was written in a hurry."""


def words(random: Random, count: int) -> str:
    """`count` words, the first with a capital."""
    return " ".join(random.choices(WORDS, k=count)).capitalize()


def author(random: Random) -> str:
    """A name as `Family, Given`."""
    return f"{random.choice(FAMILY)}, {random.choice(GIVEN)}"


def abstract(random: Random, length: int) -> str:
    """Running text of at least `length` characters."""
    sentences: list[str] = []
    total = 0
    while total < length:
        sentences.append(words(random, 12) + ".")
        total += len(sentences[-1]) + 1
    return " ".join(sentences)
