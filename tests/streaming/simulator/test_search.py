"""Questions as parents type them, and where the answer is."""

import pytest

from streaming.simulator.question import read_question

ASKED = [
    ("can i give my 8 month old honey", "honey-first-year"),
    ("is it ok for bub to have a bit of honey on his dummy??", "honey-first-year"),
    ("how often should a newborn poo", "baby-not-pooing-every-day baby-poo-colours wet-nappies-first-week"),
    ("bub hasn't pooed in 5 days", "baby-not-pooing-every-day constipation"),
    ("green poo is that normal", "baby-poo-colours"),
    ("my 6 week old has a temp of 38.2", "fever-in-the-first-three-months fever-under-three-months"),
    ("fever 39 in my 2 year old", "fever-over-six-months"),
    ("my boobs are rock hard and sore", "breast-engorgement mastitis"),
    ("red hot lump on boob and i feel like i have flu", "mastitis"),
    ("how do i get a good latch, it hurts", "getting-a-good-latch"),
    ("is my baby getting enough milk", "enough-milk-signs"),
    ("how long can pumped milk stay in the fridge", "storing-expressed-milk"),
    ("how do I make up a bottle of formula", "making-up-formula"),
    ("when do i start solids", "starting-solid-food"),
    ("peanut butter when?", "introducing-allergens"),
    ("can babies drink water", "water-for-babies"),
    ("when can she have cow's milk", "cows-milk-and-first-birthday"),
    ("he keeps spitting up after every feed", "reflux-in-babies"),
    ("she won't stop crying in the evening", "colic soothing-a-crying-baby development-crying-peak"),
    ("Tell me about baby sleep patterns", "baby-sleep-patterns"),
    ("how much should a newborn sleep", "sleep-newborn-hours"),
    ("can baby sleep on tummy", "sleep-on-the-back"),
    ("is it safe to co-sleep", "sleep-bed-sharing"),
    ("when should I stop swaddling", "sleep-swaddling"),
    ("4 month sleep regression help", "sleep-regression sleep-four-to-six-months"),
    ("can my baby nap in the car seat", "sleep-in-car-seats"),
    ("how warm should the nursery be", "sleep-room-temperature room-temperature-for-a-baby"),
    ("baby moving less today 34 weeks", "baby-movements-fewer"),
    ("when will i feel kicks", "baby-movements-first"),
    ("can i drink coffee while pregnant", "pregnancy-caffeine"),
    ("can i eat sushi im 20 weeks", "pregnancy-foods-to-avoid"),
    ("one glass of wine pregnant", "pregnancy-alcohol"),
    ("cant keep anything down, so nauseous, 9 weeks", "pregnancy-sickness"),
    ("really itchy hands and feet 32 weeks", "pregnancy-itching"),
    ("i think my waters broke", "waters-breaking"),
    ("are these braxton hicks or real contractions", "braxton-hicks-or-labour"),
    ("how long will i bleed after birth", "lochia-bleeding-after-birth"),
    ("c-section scar care", "caesarean-wound-care caesarean-first-weeks"),
    ("when can we have sex again after baby", "sex-after-birth"),
    ("my hair is falling out 4 months after birth", "hair-loss-after-birth"),
    ("belly button stump smells", "umbilical-cord-care"),
    ("newborn looks yellow", "newborn-jaundice"),
    ("flaky scalp on baby", "cradle-cap"),
    ("how do i cut his tiny nails", "baby-nails"),
    ("diaper rash", "nappy-rash"),
    ("rash that doesn't fade under a glass", "rashes-and-the-glass-test"),
    ("barking cough at night", "croup"),
    ("he fell off the bed and bumped his head", "head-bumps"),
    ("how many wet diapers should she have", "wet-nappies-first-week dehydration enough-milk-signs"),
    ("is tylenol ok for a baby", "medicines-ask-first"),
    ("teething signs", "teething development-first-teeth"),
    ("when do babies crawl", "development-crawling-and-walking"),
    ("tummy time how long", "development-tummy-time"),
    ("flat spot on head", "development-flat-head"),
    ("i can't stop crying since the birth", "baby-blues postnatal-depression"),
    ("i feel like a bad mum and cry all the time", "postnatal-depression baby-blues"),
    ("panic attacks", "postnatal-anxiety"),
    ("scary thoughts about hurting the baby", "intrusive-thoughts"),
    ("my husband seems depressed", "partners-and-fathers"),
    ("birth was traumatic, i have flashbacks", "birth-trauma"),
    ("i am so angry all the time", "anger-and-overwhelm"),
    ("can i take sertraline while breastfeeding", "mood-medicine-and-breastfeeding"),
    ("baby has a blocked nose", "colds-in-babies newborn-breathing-noises"),
    ("flu jab in pregnancy", "pregnancy-vaccines"),
    ("no wet nappy since this morning", "dehydration"),
    ("swollen face and bad headache 33 weeks", "pre-eclampsia-signs"),
    ("toddler tantrums in the supermarket", "development-tantrums"),
]


@pytest.mark.parametrize(("text", "expected"), ASKED)
def test_search_finds_the_passage(guidance, text, expected):
    best = [hit.passage.id for hit in guidance.search(read_question([text]))[:2]]
    assert set(best) & set(expected.split()) != set(), best


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["how much should a 3 month old sleep", "and at six months?"], "sleep-six-to-twelve-months"),
        (["Tell me about baby sleep patterns", "and at 6 months?"], "sleep-six-to-twelve-months"),
        (["how many night feeds at 2 months", "and at 8 months?"], "night-feeds-6-12-months"),
        (["my baby has a fever", "she is 8 weeks old"], "fever-under-three-months"),
        (["is coffee ok when pregnant?", "how about tea?"], "pregnancy-caffeine"),
        (["how much should a newborn sleep", "what about twins?"], "twin-pregnancy"),
        (["I'm pregnant with my first", "can i eat sushi"], "pregnancy-foods-to-avoid"),
    ],
)
def test_search_follows_the_conversation(guidance, turns, expected):
    assert guidance.search(read_question(turns))[0].passage.id == expected


@pytest.mark.parametrize(
    "text",
    [
        "best credit card",
        "recipe for lasagne",
        "tell me a joke",
        "what is the capital of France",
        "write me a poem about the sea",
        "how do i fix my car engine",
        "bitcoin price",
        "who won the football",
        "python code to sort a list",
        "qwertyuiop",
    ],
)
def test_search_has_nothing_on_other_subjects(guidance, text):
    assert [hit.passage.id for hit in guidance.search(read_question([text]))] == []
