"""Markdown and attacks written by others, cut at every position."""

import json
from pathlib import Path

import pytest

from chat.markdown import LiveMarkdown, render
from tests.chat.test_markdown_checks import problems_of, text_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPEC, XSS = DATA / "commonmark" / "spec.json", DATA / "xss" / "xss-payload-list.txt"


def cut_everywhere(text):
    """Feeds by the character; returns what is wrong with anything that was shown."""
    writer, done, wrong, seen = LiveMarkdown(), "", [], set()
    for char in text:
        patch = writer.feed(char)
        done += patch.finished
        for html in {patch.finished, patch.live} - seen:
            seen.add(html)
            wrong += [(html, problem) for problem in problems_of(html)]
    if writer.close() != render(text):
        wrong.append((text, "ends otherwise than render"))
    if not render(text).startswith(done):
        wrong.append((text, "a finished block changed"))
    return wrong


@pytest.mark.skipif(not SPEC.exists(), reason="the CommonMark examples (../shared/data) are not here")
def test_every_cut_of_the_commonmark_examples_is_safe_and_ends_the_same():
    examples = [example["markdown"] for example in json.loads(SPEC.read_text())]
    assert len(examples) > 600
    assert [wrong for text in examples for wrong in cut_everywhere(text)] == []


@pytest.mark.skipif(not SPEC.exists(), reason="the CommonMark examples (../shared/data) are not here")
def test_joined_blocks_show_the_words_of_the_whole():
    text = "\n\n".join(example["markdown"] for example in json.loads(SPEC.read_text())[:200])
    writer = LiveMarkdown()
    parts = [writer.feed(text[at : at + 7]) for at in range(0, len(text), 7)]
    assert writer.close() == render(text)
    done = "".join(part.finished for part in parts)
    assert text_of(render(text)).startswith(text_of(done))


@pytest.mark.skipif(not XSS.exists(), reason="the script-injection list (../shared/data) is not here")
@pytest.mark.parametrize(
    "frame", ["{}", "[x]({})", "[{}](http://x.org)", "`{}`", "![{}]({})", "| {} |\n|---|\n"]
)
def test_no_payload_leaves_the_allow_list(frame):
    payloads = XSS.read_text(errors="replace").splitlines()
    assert len(payloads) > 6000
    htmls = (render(frame.replace("{}", payload)) for payload in payloads)
    assert [(html, found) for html in htmls if (found := problems_of(html))] == []


@pytest.mark.skipif(not XSS.exists(), reason="the script-injection list (../shared/data) is not here")
def test_no_cut_of_a_payload_leaves_the_allow_list():
    payloads = XSS.read_text(errors="replace").splitlines()[::40]
    assert [wrong for payload in payloads for wrong in cut_everywhere(payload[:300])] == []
