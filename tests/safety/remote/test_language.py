"""A card of an engine is in the language of the question."""

import pytest

from safety.remote.language import language_of_text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I don't want to be here anymore", "en"),
        ("Ya no quiero estar aquí, mi bebé no para", "es"),
        ("Je ne veux plus être là", "fr"),
        ("Eu não quero mais estar aqui com o meu bebê", "pt"),
        ("Ich kann nicht mehr, das Baby schreit", "de"),
        ("Mujhe ab nahi rehna hai", "hi"),
        ("मुझे अब नहीं रहना", "hi"),
        ("我不想在这里了", "zh"),
        ("我不想活在這裡了", "zh-Hant"),
        ("لا أريد أن أبقى هنا", "ar"),
        ("Paracetamol?", None),
        ("", None),
        ("que me", None),  # as many words of Spanish as of French and Portuguese
    ],
)
def test_language_of_text(text, language):
    assert language_of_text(text) == language
