"""What most parenting apps ship: a list of words. It stands beside our figures, to give them a meaning."""

WORDS = (
    "emergency", "911", "not breathing", "can't breathe", "cannot breathe", "choking", "unconscious",
    "unresponsive", "seizure", "convulsion", "turning blue", "blue lips", "severe bleeding", "heavy bleeding",
    "hemorrhage", "poisoned", "overdose", "suicide", "suicidal", "kill myself", "want to die", "end my life",
    "hurt my baby", "chest pain", "allergic reaction",
)  # fmt: skip


def finds(text: str) -> bool:
    low = text.lower()
    return any(word in low for word in WORDS)
