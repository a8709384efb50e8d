"""The dialect, and what an answer looks like while it is being written."""

import random
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.markdown import LiveMarkdown, Patch, render
from tests.chat.test_markdown_checks import problems_of, text_of


def live(text):
    return LiveMarkdown().feed(text).live


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hello", "<p>Hello</p>\n"),
        ("# A\n\n### B\n\n##### C", "<h3>A</h3>\n<h3>B</h3>\n<h5>C</h5>\n"),
        ("3. c\n4. d", '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>\n'),
        ("a ~~b~~ **c** *d*", "<p>a <s>b</s> <strong>c</strong> <em>d</em></p>\n"),
        ("![a *b* <c>](http://x.org/y.png)", "<p>a b &lt;c&gt;</p>\n"),
        ("<b onclick=x>b</b>", "<p>&lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
        ("[a](javascript:alert(1)) [b](/c) [d](data:x,y)", "<p>a b d</p>\n"),
        (
            '[a](https://nhs.uk "t")',
            '<p><a href="https://nhs.uk" target="_blank" rel="noopener noreferrer nofollow">a</a></p>\n',
        ),
        (
            "[a](https://x.org) <https://x.org> <tel:999> <a@nhs.uk>",
            "<p>a https://x.org tel:999 a@nhs.uk</p>\n",
        ),
        ("[a]\n\n[a]: http://x.org", "<p>[a]</p>\n<p>[a]: http://x.org</p>\n"),
    ],
)
def test_render_speaks_our_dialect(text, html):
    assert render(text) == html


def test_render_keeps_table_cells_without_attributes():
    assert "<th>b</th>" in render("| a | b |\n|---|--:|\n| 1 | 2 |\n")


@pytest.mark.parametrize("text", ["<hx-get foo>", "[a](http://x/<hx-z>)", "`<hx-partial hx-target=body>`"])
def test_render_escapes_what_htmx_would_take_for_its_own(text):
    assert "<hx-" not in render(text)


@pytest.mark.parametrize(
    ("cut", "shown"),
    [
        ("so **very im", "<p>so <strong>very im</strong></p>"),
        ("so **very im*", "<p>so <strong>very im</strong></p>"),
        ("so **", "<p>so</p>"),
        ("**a *b", "<p><strong>a <em>b</em></strong></p>"),
        ("这是**重要", "<p>这是<strong>重要</strong></p>"),
        ("2*3 is", "<p>2*3 is</p>"),
        ("~~old", "<p><s>old</s></p>"),
        ("run `make", "<p>run <code>make</code></p>"),
        ("run ``a`b`", "<p>run <code>a`b</code></p>"),
        ("run `", "<p>run</p>"),
        ("see [the **page", "<p>see the <strong>page</strong></p>"),
        ("see [the page]", "<p>see the page</p>"),
        ("see [the page](http://exam", "<p>see the page</p>"),
        ('see [the page](http://exam.org "Ti', "<p>see the page</p>"),
        ("see ![the picture](http://exam", "<p>see the picture</p>"),
        ("see <https://exam", "<p>see https://exam</p>"),
        ("one [1] and", "<p>one [1] and</p>"),
        ("a \\", "<p>a</p>"),
        ("a\n-", "<p>a</p>"),
        ("a\n2", "<p>a</p>"),
        ("a\n\n##", "<p>a</p>"),
        ("- a\n-", "<ul>\n<li>a</li>\n</ul>"),
        ("```py\nx = 1\n``", "<pre><code>x = 1\n</code></pre>"),
        ("| a | b", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n</table>"),
        ("| a | b |\n|--", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n</table>"),
    ],
)
def test_live_hides_marks_that_wait_for_their_partner(cut, shown):
    assert live(cut).strip() == shown


def test_feed_hands_out_each_finished_block_once():
    writer = LiveMarkdown()
    assert writer.feed("One\n\nTw") == Patch("", "<p>One</p>\n<p>Tw</p>\n")
    assert writer.feed("o\n") == Patch("<p>One</p>\n", "<p>Two</p>\n")
    assert writer.close() == "<p>One</p>\n<p>Two</p>\n"


# Pieces that meet badly.
MARKS = [
    *"*_`~[]()!<>|#-=+\\ \n\t1.&;",
    "**",
    "```",
    "\n\n",
    "\r\n",
    "\r",
    "- ",
    "1. ",
    "> ",
    "    ",
    "---\n",
]
ROWS = ["| a | b |\n", "|---|---|\n", "[x](http://y.z", "word", "é", "重要", "\u2028", "\0", "<hx-get "]
PIECES = st.sampled_from(MARKS + ROWS)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@given(TEXTS, st.randoms(use_true_random=False))
@example("p\n# a | b\n---|---\n", random.Random(1))
def test_live_depends_on_the_text_and_not_on_its_chunks(text, chance):
    by_char, by_chunk = LiveMarkdown(), LiveMarkdown()
    done_by_char = done_by_chunk = ""
    start = 0
    while start < len(text):
        end = chance.randint(start + 1, len(text))
        for char in text[start:end]:
            patch = by_char.feed(char)
            done_by_char += patch.finished
        chunk = by_chunk.feed(text[start:end])
        done_by_chunk += chunk.finished
        assert (done_by_chunk, chunk.live) == (done_by_char, patch.live)
        assert problems_of(done_by_chunk) == problems_of(chunk.live) == []
        start = end
    assert by_char.close() == by_chunk.close() == render(text)


def test_a_reader_sees_all_the_words_at_the_end():
    text = "# Sleep\n\nA **calm** [room](https://x.org).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    writer = LiveMarkdown()
    patches = [writer.feed(char) for char in text]
    assert text_of("".join(patch.finished for patch in patches) + patches[-1].live) == text_of(render(text))


def test_a_long_block_is_drawn_in_proportion_to_its_length():
    def drawn(length):
        text, writer = "- a short line\n" * length, LiveMarkdown()
        return sum(map(len, {writer.feed(text[at : at + 16]).live for at in range(0, len(text), 16)}))

    assert drawn(800) < 2.5 * drawn(400)


def test_feeding_a_long_answer_is_quick():
    text = "".join(
        f"{n}. Item **number {n}** of a long list, with some words in it.\n" for n in range(1, 150)
    )
    writer, start = LiveMarkdown(), time.process_time()
    for word in re.findall(r"\S+\s*", text):
        writer.feed(word)
    assert writer.close() == render(text)
    assert time.process_time() - start < 6  # 1 s where nothing else runs
