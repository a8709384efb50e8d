"""Replies as the makers document them."""

import json

SAFE_ANALYSIS = {
    "blocklistsMatch": [],
    "categoriesAnalysis": [
        {"category": "Hate", "severity": 0},
        {"category": "SelfHarm", "severity": 0},
        {"category": "Sexual", "severity": 0},
        {"category": "Violence", "severity": 0},
    ],
}
MODERATED = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
TOO_MANY = {"error": {"code": "TooManyRequests", "message": "Rate limit is exceeded."}}


def analysis(**severities):
    levels = [{"category": name, "severity": level} for name, level in severities.items()]
    return {"blocklistsMatch": [], "categoriesAnalysis": levels}


def shield(attacked):
    return {
        "userPromptAnalysis": {"attackDetected": attacked},
        "documentsAnalysis": [{"attackDetected": False}],
    }


def moderation(**scores):
    """Of categories with `_` for `-` and `__` for `/`; those named are flagged."""
    named = {name.replace("__", "/").replace("_", "-"): score for name, score in scores.items()}
    return {
        "id": "modr-1",
        "model": "omni-moderation-latest",
        "results": [
            {
                "flagged": bool(named),
                "categories": {name: name in named for name in MODERATED},
                "category_scores": {name: named.get(name, 0.0001) for name in MODERATED},
                "category_applied_input_types": {name: ["text"] for name in MODERATED},
            }
        ],
    }


def completion(text):
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "c", "object": "chat.completion", "choices": [choice]}


def encoded(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()
