"""What follows an answer in the background: a title for the conversation, a summary of its older part."""

from functools import partial

from chat.charge import Payer
from chat.engine import engine
from chat.summaries import Long, sum_up
from chat.titles import Untitled, give_title
from chat.turns.brief import Brief
from streaming.events import Outcome, Transcript


def begin_asides(brief: Brief, transcript: Transcript) -> None:
    """Returns at once. Nothing begins while the server is being shut down, or after an answer that failed."""
    if engine().draining or brief.replay is not None or transcript.outcome is not Outcome.COMPLETE:
        return
    asides, conversation = engine().asides, brief.conversation_pk
    if brief.wants_title:
        asides.start(("title", conversation), partial(give_title, _untitled(brief, transcript.text)))
    if brief.is_long:
        asides.start(("summary", conversation), partial(sum_up, _long(brief)))


def _untitled(brief: Brief, answer: str) -> Untitled:
    return Untitled(
        conversation_pk=brief.conversation_pk,
        question=brief.prompt[-1]["content"],
        answer=answer,
        model=brief.model,
        language=brief.spoken,
        country=brief.country,
        payer=_payer(brief),
    )


def _long(brief: Brief) -> Long:
    return Long(
        conversation_pk=brief.conversation_pk,
        answer_pk=brief.answer_pk,
        fixed=brief.prompt[0]["content"],
        model=brief.model,
        language=brief.spoken,
        country=brief.country,
        payer=_payer(brief),
    )


def _payer(brief: Brief) -> Payer:
    allowance = brief.allowance
    is_limited = allowance is not None and allowance.tokens is not None
    return Payer(brief.person_pk, allowance.day if allowance and is_limited else None)
