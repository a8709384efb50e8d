"""In which language a question seems to be written: for the card of an engine, which does not say. Pure."""

import re
from collections import Counter

from safety.languages import is_traditional

_SCRIPTS = {
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
}
_LETTERS = 3
"""Of a script, from which on the text counts as written in it."""
_WORDS = {
    "en": "the and i my you is was not to of it that with for what do how am want don't can't anymore",
    "es": "el los las y que no mi es está estoy yo quiero ya más con para por una qué cómo pero puedo me",
    "fr": "le les et je ne pas mon ma est suis veux plus avec pour une que quoi comment mais peux j'ai me",
    "pt": "o os as e que não meu minha é está estou eu quero mais com para por uma como mas posso já me",
    "de": "der die das und ich nicht mein meine ist bin will mehr mit für eine was wie aber kann habe",
    "hi": "main mujhe mera meri hai hoon nahi nahin aur ka ki ke ko kya kaise chahta chahti raha rahi",
}
_LANGUAGES_OF = {
    word: [name for name, words in _WORDS.items() if word in words.split()]
    for word in " ".join(_WORDS.values()).split()
}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def language_of_text(text: str) -> str | None:
    """By its script, or by the small words that most sentences have. None where that is not clear."""
    for name, letter in _SCRIPTS.items():
        if len(letter.findall(text)) >= _LETTERS:
            return "zh-Hant" if name == "zh" and is_traditional(text) else name
    words = _WORD.findall(text.lower().replace("’", "'"))
    ranked = Counter(name for word in words for name in _LANGUAGES_OF.get(word, ())).most_common(2)
    counts = [count for _name, count in ranked] + [0, 0]
    return ranked[0][0] if counts[0] >= 2 and counts[0] > counts[1] else None
