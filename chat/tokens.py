"""How many tokens a text has: by the model's own tokenizer where that is at hand, else by an estimate. Pure.

The tokenizer is the optional package tiktoken with the vocabulary `o200k_base`. It would fetch that from the
network at its first use; an answer must not wait for that, so it is used only where it lies on this machine
already (`TIKTOKEN_CACHE_DIR`, see docs/models.md).
"""

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

VOCABULARY = "o200k_base"
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
_CHECKSUM = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

TOKENS_PER_MESSAGE = 4
"""What the chat format itself costs around each message, as OpenAI's cookbook counts it."""

MOST_KEPT = 20_000
_counted: dict[bytes, int] = {}

_WEIGHTS = (
    (re.compile(r"[\x80-\u024f]"), 0.7),  # accents break a word up
    (re.compile(r"[\u0600-\u06ff]"), 0.4),
    (re.compile(r"[\u0900-\u097f]"), 0.36),
    (re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"), 0.86),
)
"""Tokens per character of a script, as `o200k_base` counts our own cards and prompts; docs/models.md says
how.
"""
_ASCII = 0.25


def count_tokens(text: str) -> int:
    """Of one text, without what the chat format adds. The latest are remembered, so that a long conversation
    is not counted anew at each of its turns; by their digests, since what people say is remembered nowhere
    else.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    known = _counted.get(digest)
    if known is not None:
        return known
    encode = _tokenizer()
    count = len(encode(text)) if encode else estimate(text)
    if len(_counted) >= MOST_KEPT:
        _counted.clear()
    _counted[digest] = count
    return count


def message_cost(text: str) -> int:
    return count_tokens(text) + TOKENS_PER_MESSAGE


def estimate(text: str) -> int:
    """By script: Latin letters four to a token, Chinese ones hardly more than one."""
    if text.isascii():
        return int(len(text) * _ASCII) + 1
    plain = sum(map(str.isascii, text))
    weighed, seen = plain * _ASCII, plain
    for letters, weight in _WEIGHTS:
        number = len(letters.findall(text))
        weighed, seen = weighed + number * weight, seen + number
    return int(weighed + (len(text) - seen)) + 1  # of what is left, such as emoji, one token each


@cache
def _tokenizer() -> Callable[[str], list[int]] | None:
    """None where the package or its vocabulary is missing; said once in the log."""
    try:
        import tiktoken
    except ImportError:
        return None
    if not _is_here():
        logger.info(
            "tiktoken is installed, its vocabulary %s is not on this machine: tokens are estimated. "
            "docs/models.md says how to bring it here.",
            VOCABULARY,
        )
        return None
    logger.info("Tokens are counted with %s", VOCABULARY)
    encoding = tiktoken.get_encoding(VOCABULARY)
    # Words such as <|endoftext|> in a message are text.
    return lambda text: encoding.encode(text, disallowed_special=())


def _is_here() -> bool:
    """Whole and unchanged: else tiktoken would fetch it again."""
    names = ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR")
    given = next((os.environ[name] for name in names if name in os.environ), None)
    folder = Path(given) if given is not None else Path(tempfile.gettempdir()) / "data-gym-cache"
    file = folder / hashlib.sha1(_ADDRESS.encode(), usedforsecurity=False).hexdigest()
    if given == "" or not file.is_file():
        return False
    return hashlib.sha256(file.read_bytes()).hexdigest() == _CHECKSUM
