"""Which earlier exchanges go into a prompt: the latest that fit, whole, in order."""

from hypothesis import given
from hypothesis import strategies as st

from chat.context import TOKENS_PER_MESSAGE, Exchange, build_prompt, estimate_tokens

texts = st.text(max_size=60)
exchanges = st.lists(st.builds(Exchange, texts, texts), max_size=8)
budgets = st.integers(min_value=-50, max_value=400)


def cost(text):
    return estimate_tokens(text) + TOKENS_PER_MESSAGE


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
