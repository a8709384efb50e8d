"""Opening a turn: the question is taken in, in its place in the conversation. Sync."""

import uuid

from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, quota
from chat.consent import must_tell_ai
from chat.engine import engine
from chat.errors import Conflict, Invalid, not_found
from chat.models import Conversation, Generation, Message, Person, Role, Status
from chat.models.conversation import TITLE_CHARS
from chat.places import Place, place_of
from chat.profile import Known, known_of
from chat.safeguards import profile_of, sanitize_message
from chat.statements import exists, insert
from chat.turns.branches import hide_from, last_shown, show_branch
from chat.turns.brief import Ask, Turn, turn_of
from chat.turns.preparing import Reader, add_answer
from safety.sanitize import sanitize_input


class StillAnswering(Exception):
    """An answer is being written in this conversation: stop `streams` first, so that what it said so far is
    part of what the new one knows.
    """

    def __init__(self, streams: list[uuid.UUID]) -> None:
        super().__init__(streams)
        self.streams = streams


def open_turn(person: Person, ask: Ask, *, alone: bool = True) -> Turn:
    """Save the question and an empty answer, judge the question, and prepare the prompt.

    Raises `NotFound` for another's conversation, `MessageTooLarge`, `Invalid` and `QuotaExceeded`;
    `StillAnswering` unless it need not be `alone`; and `IntegrityError` where the same client message id
    came in at the same moment: then `repeated_turn` finds the other one.
    """
    text = sanitize_message(ask.message)
    _check_model(ask.model)
    conversation = _conversation(person, ask, text.display, alone=alone)
    question = insert(
        Message(
            conversation=conversation,
            role=Role.USER,
            author=person,
            follows_id=_place_in(conversation, person, ask),
            tells_ai=ask.conversation is None or must_tell_ai(person, timezone.now()),
            content=text.display,
            client_message_id=ask.client_message_id,
        )
    )
    if question.tells_ai:
        person.told_ai_at = question.created_at
        person.save(update_fields=["told_ai_at"])
    _note_timezone(person, ask.timezone)  # after the conversation, which others lock first, too
    is_first = ask.conversation is None
    model = ask.model or engine().default_model
    place = place_of(person, country=ask.country, timezone=ask.timezone, accept_language=ask.accept_language)
    known = _known(person, conversation)
    reader = Reader(ask.language or "", place, ask.profile or known.safety, known.lines)
    return add_answer(person, question, text, model, reader, is_first=is_first)


def repeated_turn(person: Person, ask: Ask) -> Turn | None:
    """The turn that this message opened when it was sent before, by its client message id.

    Raises `Conflict` where that id was used for another text or in another conversation.
    """
    sent = {"author": person.pk, "client_message_id": ask.client_message_id}
    if ask.client_message_id is None or not exists(Message, sent):
        return None
    question = Message.objects.select_related("conversation").get(**sent)
    elsewhere = ask.conversation not in (None, question.conversation.uuid)
    if elsewhere or question.content != sanitize_message(ask.message).display:
        raise Conflict(
            _("This clientMessageId was used for another message. Use a new one for each message.")
        )
    latest = question.answers.select_related("generation", "conversation", "question").latest("pk")
    return turn_of(latest.generation)


def reopen_turn(
    person: Person, answer_uuid: uuid.UUID, *, model: str | None = None, alone: bool = True
) -> Turn:
    """Another answer to the same question, by `model` where one is named. The old one stays, as a version.

    Raises `NotFound`; `Conflict` where the answer is running or another version of it is shown, as after a
    second tap; `Invalid`, `QuotaExceeded` and `StillAnswering` as `open_turn` does.
    """
    _check_model(model)
    old = access.answer(person, answer_uuid)
    question = old.question
    assert question is not None  # the database says so: message_question_or_answer
    if not old.is_shown or old.status == Status.STREAMING:
        raise Conflict(_("This answer is still being written, or another version of it is shown by now."))
    if alone:
        _check_nothing_running(old.conversation)
    hide_from(old)
    text, before = sanitize_input(question.content), old.generation
    known = before.model if before.model in engine().models else engine().default_model
    return add_answer(person, question, text, model or known, _reader_before(person, before))


def _reader_before(person: Person, before: Generation) -> Reader:
    """As the earlier try had them; but a country that the person has chosen since ends all guessing, and of a
    profile that this conversation may not use any more nothing is known.
    """
    place = Place(before.country, before.country_guessed)
    if person.country and (place.guessed or not place.country):
        place = Place(person.country)
    if before.used and not before.message.conversation.uses_profile:
        return Reader(before.language, place, None)
    return Reader(before.language, place, profile_of(before.profile), tuple(before.used))


def _known(person: Person, conversation: Conversation) -> Known:
    if not conversation.uses_profile:
        return Known()
    return known_of(person, quota.today_of(person))


def _check_model(model: str | None) -> None:
    known = engine().models
    if model is not None and model not in known:
        raise Invalid(
            _("There is no model of this name. /api/v1/models lists those there are."),
            errors=[{"loc": ["body", "model"], "msg": f"must be one of: {', '.join(known)}"}],
        )


def _note_timezone(person: Person, name: str | None) -> None:
    """Where an account's browser says that it is now; a name that no clock knows is passed over."""
    if name and not person.is_guest and name != person.timezone and quota.is_timezone(name):
        person.timezone = name
        person.save(update_fields=["timezone"])


def _conversation(person: Person, ask: Ask, text: str, *, alone: bool) -> Conversation:
    now = timezone.now()
    if ask.conversation is None:
        uses_profile = not ask.without_profile
        return insert(
            Conversation(owner=person, title=_title(text), updated_at=now, uses_profile=uses_profile)
        )
    found = access.conversation(person, ask.conversation)
    found.updated_at = now
    # Also locks the row: of two messages at the same moment, the second sees the answer of the first.
    found.save(update_fields=["updated_at"])
    if alone:
        _check_nothing_running(found)
    return found


def _place_in(conversation: Conversation, person: Person, ask: Ask) -> int | None:
    """The answer that the question follows: the last one, or the one before the question that it edits."""
    if ask.edits is None:
        last = None if ask.conversation is None else last_shown(conversation)
        return last.pk if last else None
    edited = show_branch(person, ask.edits)
    if edited.conversation_id != conversation.pk or edited.role != Role.USER:
        raise not_found()
    hide_from(edited)
    return edited.follows_id


def _check_nothing_running(conversation: Conversation) -> None:
    if running := conversation.running_streams():
        raise StillAnswering(running)


def _title(text: str) -> str:
    """The first line, cut at a word."""
    line = text.strip().splitlines()[0].strip()
    if len(line) <= TITLE_CHARS:
        return line
    return line[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip() + "…"
