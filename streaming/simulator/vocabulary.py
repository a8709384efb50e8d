"""How parents write, as data: words that say nothing, and other words for the same thing."""

_SAYS_NOTHING = """
feel feels feeling felt mum mom mummy mommy mama
arent couldnt hadnt hasnt havent wasnt werent wouldnt theyre youre shes hes weve theres lots
a about after again all also always am an and any anything anyone are around as at away back bad be
because been before being best better between bit both but by can cannot cant child children come could
day days did didnt do does doesnt doing done dont down during each else enough ever every few for from
get gets getting give given gives giving go goes going good got great had happen happening happens has
have having he her here him his how i id if ill im in into is isnt it its itself ive just keep keeps kid
kind know last least less let like likely little ll long look lot made make makes many may maybe me mean
means mine more most much must my myself need needs never next nice no nor normal normally not nothing
now of off often ok okay old on once one only or other our out over own people perhaps please put quite
really right s safe safely same say says see seem seems shall she should shouldnt since so some someone
something sometimes still such sure t take taking tell than that the their them then there these they
thing things think this those through till time to today together tomorrow tonight too try trying until
up us use used using usually ve very want wants was way we well went were what whats when where whether
which while who why will with without wont wonder wondering worried worry would yes yesterday yet you
your baby babies bub bubba bubs bubba's infant infants kiddo lo son daughter boy girl dd ds twinkle
munchkin month months mo mos week weeks wk wks year years yr yrs hour hours minute minutes morning
evening hi hello hey hiya thanks thank cheers ta ty thx bye goodbye goodnight welcome advice explain help
question information info zero two three four five six seven eight nine ten eleven twelve first second
"""

STOP = frozenset(_SAYS_NOTHING.split())

SAME = (
    "poo poop pooping pooed pooped poos stool stools nappy faeces",
    "constipated constipation straining",
    "diarrhoea diarrhea runs",
    "wee pee peeing urine wet",
    "nappy nappies diaper diapers",
    "temp temperature fever feverish",
    "hot warm overheating overheat temperature",
    "nursery bedroom room",
    "newborn newborns",
    "boob boobs breast breasts tit tits",
    "breastfeed breastfeeding breastfed nursing bf ebf breastmilk",
    "formula bottle ff",
    "pump pumping express expressing expressed",
    "puke puking vomit vomiting sick sickness throwing",
    "reflux posset posseting spit spitting",
    "nausea nauseous queasy",
    "cot crib bassinet",
    "dummy pacifier soother",
    "weaning solids solid",
    "jab jabs shot shots vaccine vaccines vaccination vaccinations immunisation immunisations immunization",
    "paracetamol acetaminophen tylenol calpol medicine",
    "ibuprofen nurofen advil motrin medicine",
    "medication medicine medicines drug",
    "caesarean cesarean csection section",
    "tear tears stitches perineum perineal episiotomy",
    "piles haemorrhoids hemorrhoids",
    "bleed bleeding blood lochia",
    "depressed depression low hopeless ppd pnd",
    "anxious anxiety panic panicking worrying",
    "sad crying tearful cry blues",
    "rage angry anger furious",
    "exhausted tired tiredness exhaustion fatigue shattered knackered",
    "partner husband wife dad father",
    "midwife midwives",
    "due labour labor contractions",
    "waters water",
    "bump belly tummy stomach abdomen",
    "kick kicks kicking movement movements moving",
    "heartburn indigestion reflux",
    "swollen swelling swell puffy",
    "itch itchy itching",
    "rash spots spotty",
    "snot snotty runny blocked stuffy nose cold",
    "cough coughing coughs",
    "breath breathing breathe breaths",
    "jaundice yellow",
    "teeth tooth teething teethe gums",
    "crawl crawling",
    "walk walking steps",
    "talk talking speech words",
    "roll rolling rolls",
    "wind gas gassy burp burping",
    "colic colicky crying",
    "bath bathe bathing wash",
    "cord umbilical navel",
    "nap naps napping",
    "wake wakes waking wakeful",
    "sleep sleeps sleeping asleep slept",
    "swaddle swaddling wrap",
    "cosleep cosleeping bedsharing",
    "bed sharing",
    "seat carseat",
    "sling carrier babywearing",
    "peanut peanuts nut nuts allergy allergic allergen",
    "choke choking gagging gag",
    "caffeine coffee tea",
    "alcohol wine beer drink drinking drunk",
    "smoke smoking cigarettes vape vaping nicotine",
    "exercise workout gym running sport",
    "sex intimacy intercourse",
    "contraception pill pregnant",
    "vitamin vitamins supplement supplements folic iron",
    "sushi fish tuna",
    "cheese brie",
    "ear ears earache",
    "eye eyes",
    "thrush candida yeast",
    "nipple nipples",
    "mastitis engorged engorgement lump",
    "latch latching latched attachment",
    "supply milk",
    "screen screens tv television tablet phone",
    "premature preterm early",
    "twin twins multiples",
    "dizzy faint fainting dizziness",
    "seizure convulsion fit fits",
    "dehydrated dehydration",
    "bruise fall fell fallen dropped head",
)
"""Each line holds words that may stand for one another. One word may be in several."""

PHRASES = {
    "hasn't pooed": "nopoo",
    "hasn't pooped": "nopoo",
    "hasnt pooed": "nopoo",
    "hasnt pooped": "nopoo",
    "not pooing": "nopoo",
    "not pooped": "nopoo",
    "i cry": "lowmood",
    "i'm crying": "lowmood",
    "im crying": "lowmood",
    "cry all the time": "lowmood",
    "bad mum": "lowmood",
    "bad mom": "lowmood",
    "bad mother": "lowmood",
    "i keep crying": "lowmood",
    "i can't stop crying": "lowmood",
    "i cant stop crying": "lowmood",
    "threw up": "vomiting",
    "throw up": "vomiting",
    "throwing up": "vomiting",
    "spit up": "reflux",
    "spitting up": "reflux",
    "c section": "caesarean",
    "c-section": "caesarean",
    "car seat": "carseat",
    "co sleep": "cosleep",
    "co-sleep": "cosleep",
    "co-sleeping": "cosleeping",
    "co sleeping": "cosleeping",
    "make up": "makeup",
    "making up": "makeup",
    "mix up": "makeup",
    "baby brain": "forgetful",
    "number two": "poo",
    "belly button": "navel",
    "broke water": "waters",
    "water broke": "waters",
    "water has broken": "waters",
    "through the night": "night",
    "tummy time": "tummytime",
}

EXPANDED = {
    "lowmood": ("baby blues", "low mood", "postnatal depression"),
    "nopoo": ("no poo", "not pooing", "hasn t pooed", "not pooped", "constipation"),
    "makeup": ("making up", "make up"),
    "carseat": ("car seat",),
    "tummytime": ("tummy time",),
    "navel": ("umbilical cord",),
    "waters": ("waters break", "waters breaking"),
    "cosleep": ("bed sharing", "share a bed"),
    "cosleeping": ("bed sharing", "share a bed"),
}
"""Words that guidance writes as several."""

FOREIGN = {
    "Esta demostración responde solo en inglés.": (
        "el los las que qué cómo mi bebé puedo está tiene para por una cuándo embarazada años meses "
        "hijo hija es con del no"
    ),
    "Cette démonstration ne répond qu'en anglais.": (
        "le les des est que mon ma bébé puis je une dans quand pour comment enceinte ans mois avec dort pas"
    ),
    "Diese Demonstration antwortet nur auf Englisch.": (
        "der die das ist ich mein meine wie wann kann darf und nicht mit für schwanger monate jahre "
        "schläft ein eine"
    ),
    "Esta demonstração responde apenas em inglês.": (
        "os minha meu bebê posso como uma quando não está grávida anos meses com para filho filha "
        "ele ela é dormir"
    ),
}
"""What to say to whom writes in another language, and the words by which it is known."""

SCRIPTS = (
    ("\u0600", "\u06ff", "هذا العرض التوضيحي يجيب بالإنجليزية فقط."),
    ("\u0900", "\u097f", "यह डेमो केवल अंग्रेज़ी में उत्तर देता है।"),
    ("\u4e00", "\u9fff", "此演示仅以英文回答。"),
)
"""The same for languages known by their script: first and last letter, sentence."""
