"""Sentences of the multilingual task: a needle, a question and ordinary sentences around them, in each language.

Written for this purpose; the answers are phrases with the letters that a damaged model gets wrong first: accents,
tones, scripts other than Latin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Language:
    """One language; `{place}`, `{value}` and `{number}` are filled in."""

    code: str
    filler: tuple[str, ...]
    needle: str
    question: str
    places: tuple[str, ...]
    values: tuple[str, ...]


LANGUAGES: Final = (
    Language(
        "vi",
        (
            "Chuyến phà số {number} chở cà phê đến cảng trước bình minh.",
            "Năm đó người ta trồng {number} cây dừa dọc theo con sông.",
            "Thư viện cũ có {number} cuốn sách về lịch sử vùng đồng bằng.",
        ),
        "Mật khẩu của {place} là «{value}».",
        "Mật khẩu của {place} là gì? Chỉ trả lời bằng mật khẩu.",
        ("Huế", "Đà Nẵng", "Cần Thơ", "Hà Nội", "Nha Trang", "Vũng Tàu"),
        ("hoa phượng đỏ", "ngọn đèn biển", "chiếc nón lá", "mưa rừng chiều", "thuyền thúng nhỏ"),
    ),
    Language(
        "de",
        (
            "Die Fähre Nummer {number} brachte vor Sonnenaufgang Kaffee in den Hafen.",
            "In jenem Jahr pflanzte man {number} Bäume längs des Flusses.",
            "Die alte Bücherei besitzt {number} Bände über die Geschichte der Gegend.",
        ),
        "Das Losungswort von {place} lautet «{value}».",
        "Wie lautet das Losungswort von {place}? Antworte nur mit dem Losungswort.",
        ("Lübeck", "Köln", "Görlitz", "Tübingen", "Würzburg"),
        ("grüne Straßenbahn", "großer Kürbis", "süße Äpfel", "müder Löwe", "schöne Brücke"),
    ),
    Language(
        "es",
        (
            "El barco número {number} llevó café al puerto antes del amanecer.",
            "Aquel año se plantaron {number} árboles a lo largo del río.",
            "La vieja biblioteca guarda {number} libros sobre la historia de la región.",
        ),
        "La contraseña de {place} es «{value}».",
        "¿Cuál es la contraseña de {place}? Responde solo con la contraseña.",
        ("Málaga", "Cádiz", "León", "Ávila", "Mérida"),
        ("niño pequeño", "pájaro azul", "mañana fría", "canción antigua", "árbol caído"),
    ),
    Language(
        "zh",
        (
            "第{number}号渡船在日出之前把咖啡运到港口。",
            "那一年人们沿着河边种了{number}棵树。",
            "旧图书馆里有{number}本关于本地历史的书。",
        ),
        "{place}的口令是《{value}》。",
        "{place}的口令是什么？只回答口令。",  # noqa: RUF001 - Chinese writes it so
        ("苏州", "大连", "昆明", "西安", "青岛"),
        ("红色灯笼", "安静的湖水", "山中小路", "秋天的茶", "石桥夜雨"),
    ),
    Language(
        "ja",
        (
            "第{number}便の渡し船は夜明け前に港へコーヒーを運んだ。",
            "その年、川沿いに{number}本の木が植えられた。",
            "古い図書館には土地の歴史の本が{number}冊ある。",
        ),
        "{place}の合言葉は「{value}」です。",
        "{place}の合言葉は何ですか。合言葉だけを答えてください。",
        ("長崎", "金沢", "函館", "松江", "仙台"),
        ("青い風鈴", "雪の灯り", "古い時計台", "静かな入り江", "桜もなか"),
    ),
    Language(
        "ar",
        (
            "نقلت العبّارة رقم {number} القهوة إلى الميناء قبل الفجر.",
            "في ذلك العام زُرعت {number} شجرة على طول النهر.",
            "في المكتبة القديمة {number} كتاب عن تاريخ المنطقة.",
        ),
        "كلمة السر في {place} هي «{value}».",
        "ما كلمة السر في {place}؟ أجب بكلمة السر فقط.",
        ("حلب", "فاس", "مسقط", "صنعاء", "تونس"),
        ("قمر أزرق", "باب خشبي", "مطر خفيف", "نخلة عالية", "سفينة بيضاء"),
    ),
)

ENGLISH_FILLER: Final = (
    "Ferry {number} brought coffee to the harbour before sunrise.",
    "That year {number} trees were planted along the river.",
    "The old library keeps {number} books on the history of the valley.",
    "Of the {number} lamps on the pier one was always dark.",
    "A train of {number} wagons waited for the signal until noon.",
)
"""Sentences around the questions of the tasks in English."""
