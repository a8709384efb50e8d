import pytest

from streaming.simulator.question import Moment, foreign_notice, leads_on, moment_of, read_question


def words(*turns):
    return [term.word for term in read_question(turns).terms]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("my 4 month old", Moment(age_months=4)),
        ("at six months", Moment(age_months=6)),
        ("18mo", Moment(age_months=18)),
        ("a two-year-old", Moment(age_months=24)),
        ("a year old", Moment(age_months=12)),
        ("our newborn", Moment(age_months=0)),
        ("toddler", Moment(age_months=18)),
        ("28 weeks pregnant", Moment(week=28)),
        ("30 weeks", Moment(week=30)),
        ("30 weeks old", Moment(age_months=30 * 12 / 52)),
        ("week 9 of pregnancy", Moment(week=9)),
        ("6 weeks", Moment(age_months=6 * 12 / 52)),
        ("how many feeds a day", Moment()),
        ("bleeding for 6 weeks", Moment()),
        ("not pooed in 5 days", Moment()),
        ("two weeks ago", Moment()),
        ("hello", Moment()),
    ],
)
def test_moment_is_read(text, moment):
    assert moment_of(text) == moment


def test_few_weeks_are_a_pregnancy_when_someone_is_pregnant():
    assert read_question(["I'm pregnant and feel sick", "I am at 9 weeks"]).moment == Moment(week=9)


def test_words_that_say_nothing_are_left_out():
    assert words("Can I give my baby's milk to her at night? She won't drink") == ["milk", "night", "drink"]


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("poo", "stools"),
        ("temp", "fever"),
        ("boob", "breast"),
        ("crib", "cot"),
        ("calpol", "paracetamol"),
        ("wee", "urine"),
        ("jabs", "vaccines"),
    ],
)
def test_words_of_parents_stand_for_those_of_guidance(word, other):
    [term] = read_question([f"bub {word}?"]).terms
    assert other in term.others


@pytest.mark.parametrize(
    ("text", "follows"),
    [
        ("and at six months?", True),
        ("what about twins?", True),
        ("6 months", True),
        ("is it safe?", True),
        ("why?", True),
        ("tell me more about that", True),
        ("can babies drink water", False),
        ("and when do I start giving solids with a spoon and cup", False),
    ],
)
def test_turn_that_leads_on_is_known(text, follows):
    assert leads_on(text) is follows


def test_follow_up_brings_the_earlier_words():
    assert words("how much should she sleep", "what about naps?") == ["naps", "sleep"]


def test_follow_up_reaches_back_past_other_follow_ups():
    turns = ["is honey ok?", "can newborns swim?", "and at 3 months?", "and at 6?"]
    assert words(*turns) == ["newborns", "swim"]


def test_new_question_leaves_the_old_one():
    assert words("how much should she sleep", "can babies drink water") == ["drink", "water"]


def test_time_alone_is_told_from_a_question():
    assert read_question(["sleep at 3 months", "and at six months?"]).only_when is True
    assert read_question(["sleep at 3 months", "naps at six months?"]).only_when is False
    assert read_question(["at six months?"]).only_when is False


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("¿Cuándo puede mi bebé comer miel? ¿y el agua?", "Esta demostración responde solo en inglés."),
        ("Quand est-ce que mon bébé dort ?", "Cette démonstration ne répond qu'en anglais."),
        ("Wann darf mein Baby Honig essen?", "Diese Demonstration antwortet nur auf Englisch."),
        ("Quando posso dar mel para meu bebê?", "Esta demonstração responde apenas em inglês."),
        ("宝宝可以吃蜂蜜吗", "此演示仅以英文回答。"),
        ("هل يمكن لطفلي أكل العسل", "هذا العرض التوضيحي يجيب بالإنجليزية فقط."),
        ("क्या बच्चा शहद खा सकता है", "यह डेमो केवल अंग्रेज़ी में उत्तर देता है।"),
        ("можно ли мёд", ""),
        ("can my baby have honey", None),
        ("is des­itin fine", None),
        ("", None),
    ],
)
def test_other_languages_are_known(text, notice):
    assert foreign_notice(text) == notice
