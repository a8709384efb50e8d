"""Which earlier exchanges go into a prompt: the latest that fit, whole, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import tokens
from chat.context import Earlier, Exchange, build_prompt, estimate_tokens, fit
from chat.tokens import TOKENS_PER_MESSAGE, count_tokens, estimate

texts = st.text(max_size=60)
exchanges = st.lists(st.builds(Exchange, texts, texts), max_size=8)
budgets = st.integers(min_value=-50, max_value=400)


def cost(text):
    return count_tokens(text) + TOKENS_PER_MESSAGE


def test_prompt_is_system_history_and_question_in_order():
    history = [Exchange("One?", "First."), Exchange("Two?", "Second.")]
    assert build_prompt("Be kind.", history, "Three?", budget=1000) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "First."},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "Second."},
        {"role": "user", "content": "Three?"},
    ]


def test_budget_is_kept_to_the_token():
    history = [Exchange("One?", "First.")]
    needed = sum(cost(text) for text in ("s", "One?", "First.", "Two?"))
    assert len(build_prompt("s", history, "Two?", budget=needed)) == 4
    assert len(build_prompt("s", history, "Two?", budget=needed - 1)) == 2


def test_history_has_no_gaps():
    history = [Exchange("short?", "short."), Exchange("long? " * 50, "long. "), Exchange("last?", "last.")]
    prompt = build_prompt("s", history, "q", budget=60)
    assert [message["content"] for message in prompt] == ["s", "last?", "last.", "q"]


def test_estimate_counts_bytes():
    assert (estimate_tokens(""), estimate_tokens("abcd"), estimate_tokens("赤ちゃん")) == (1, 2, 4)


@given(texts, exchanges, texts, budgets)
def test_kept_history_is_the_end_of_the_history(system, history, question, budget):
    prompt = build_prompt(system, history, question, budget=budget)
    kept = [
        Exchange(asked["content"], told["content"])
        for asked, told in zip(prompt[1:-1:2], prompt[2:-1:2], strict=True)
    ]
    assert kept == history[len(history) - len(kept) :]
    assert (prompt[0]["content"], prompt[-1]["content"]) == (system, question)
    assert [m["role"] for m in prompt] == ["system", *["user", "assistant"] * len(kept), "user"]


@given(texts, exchanges, texts, budgets)
def test_history_never_takes_more_than_its_budget(system, history, question, budget):
    prompt = build_prompt(system, history, question, budget=budget)
    if len(prompt) > 2:
        assert sum(cost(message["content"]) for message in prompt) <= budget


@given(texts, exchanges, texts, budgets)
def test_one_more_exchange_would_not_have_fitted(system, history, question, budget):
    prompt = build_prompt(system, history, question, budget=budget)
    kept = (len(prompt) - 2) // 2
    if kept < len(history):
        left_out = history[len(history) - kept - 1]
        spent = sum(cost(message["content"]) for message in prompt)
        assert spent + cost(left_out.question) + cost(left_out.answer) > budget


# --- Summaries ----------------------------------------------------------------------------------------------

HISTORY = [Exchange(f"Question {n}?", f"Answer {n}. " * 10, 2 * n, 2 * n + 1) for n in range(1, 5)]
SUMMARY = Earlier("Earlier: one and two.", until=5)


def test_summary_stands_for_what_it_covers():
    context = fit("s", HISTORY, "Now?", budget=120, summary=SUMMARY)
    assert context.messages == [
        {"role": "system", "content": "s"},
        {"role": "system", "content": SUMMARY.text},
        {"role": "user", "content": "Question 3?"},
        {"role": "assistant", "content": HISTORY[2].answer},
        {"role": "user", "content": "Question 4?"},
        {"role": "assistant", "content": HISTORY[3].answer},
        {"role": "user", "content": "Now?"},
    ]
    assert context.dropped == ()


def test_summary_is_not_needed_where_all_fits():
    context = fit("s", HISTORY, "Now?", budget=1000, summary=SUMMARY)
    assert (context.earlier, context.kept) == (None, tuple(HISTORY))


def test_what_neither_has_is_said():
    assert fit("s", HISTORY, "Now?", budget=60, summary=SUMMARY).dropped == (HISTORY[2],)
    assert fit("s", HISTORY, "Now?", budget=60).dropped == tuple(HISTORY[:3])


def test_sent_keeps_history_by_number():
    assert fit("s", HISTORY, "Now?", budget=60, summary=SUMMARY).sent(99) == [
        {"role": "system", "content": "s"},
        {"role": "system", "content": SUMMARY.text},
        {"role": "user", "message": 8},
        {"role": "assistant", "message": 9},
        {"role": "user", "message": 99},
    ]


# --- Counting -----------------------------------------------------------------------------------------------

COUNTED = {
    "en": ("Babies sleep on the back, on a firm flat surface. No honey before 12 months.", 20),
    "de": ("Babys schlafen auf dem Rücken, auf einer festen, ebenen Unterlage.", 16),
    "zh": ("宝宝要仰卧睡在坚实平整的床面上。12 个月以前不吃蜂蜜，6 个月以前不喝水。", 33),
    "ar": ("ينام الرضّع على الظهر، على سطح صلب ومستوٍ. لا عسل قبل 12 شهرًا، ولا ماء قبل 6 أشهر.", 34),
    "hi": ("शिशु पीठ के बल, सख़्त और समतल सतह पर सोते हैं। 12 महीने से पहले शहद नहीं।", 33),
}
"""Sentences with what the vocabulary o200k_base makes of them."""


@pytest.mark.parametrize("language", COUNTED)
def test_estimate_is_near_what_a_tokenizer_counts(language):
    text, counted = COUNTED[language]
    assert abs(estimate(text) - counted) <= 0.3 * counted


@given(st.text(max_size=200))
def test_estimate_grows_with_the_text(text):
    assert 1 <= estimate(text) <= estimate(text + "a") <= len(text) + 2


def test_tokenizer_without_its_vocabulary_is_not_asked(tmp_path, monkeypatch):
    """It would fetch it from the network, in the middle of an answer."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tokens._is_here() is False
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_text("something else")
    assert tokens._is_here() is False
