"""One turn of a conversation: opened in one transaction, answered by a producer, closed in another.

The sole writer of Message and Generation. It knows no door: whoever follows an answer reads the log.

    opening   the question taken in, in its place in the conversation
    preparing the question judged, the prompt put together, an empty answer saved
    running   the answer written to the log, by a task that no request owns; stopping it
    closing   what was shown saved, before anybody is told that it has ended
    deletion  conversations taken away, and back
    asides    title and summary, in the background, when it has ended
    branches  versions of questions and answers, and which of them are shown
    recovery  checkpoints while answers run, and the sweep that ends what a dead process left
"""

from chat.turns.branches import branch_of, show_branch
from chat.turns.brief import Ask, Turn, turn_of
from chat.turns.opening import StillAnswering, open_turn, reopen_turn, repeated_turn
from chat.turns.recovery import sweep
from chat.turns.running import run_turn, stop_turn

__all__ = [
    "Ask",
    "StillAnswering",
    "Turn",
    "branch_of",
    "open_turn",
    "reopen_turn",
    "repeated_turn",
    "run_turn",
    "show_branch",
    "stop_turn",
    "sweep",
    "turn_of",
]
