"""What a browser would be handed, read by another parser than the one under test."""

import re
from html.parser import HTMLParser

import pytest

VOID = {"br", "hr"}
TAGS = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a"}
TAGS |= {"br", "hr", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"ol": {"start"}, "a": {"href", "rel", "target"}}


class _Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.problems: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS:
            self.problems.append(f"tag {tag}")
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, ()):
                self.problems.append(f"attribute {tag} {name}")
            if name == "href" and not re.match(r"(https?|mailto|tel):", value or "", re.IGNORECASE):
                self.problems.append(f"link to {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.problems.append(f"unbalanced {tag}")

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.problems.append("comment")

    def handle_decl(self, decl):
        self.problems.append("declaration")

    def handle_pi(self, data):
        self.problems.append("processing instruction")


def _read(html):
    checker = _Checker()
    checker.feed(html)
    checker.close()
    return checker


def problems_of(html):
    """Everything in the HTML that we do not allow; [] when it is safe and balanced."""
    checker = _read(html)
    raw = [f"raw {match}" for match in re.findall(r"<hx-\w+", html)]
    return checker.problems + [f"unclosed {tag}" for tag in checker.open] + raw


def text_of(html):
    return " ".join("".join(_read(html).text).split())


@pytest.mark.parametrize(
    ("html", "problems"),
    [
        ("<p>a <strong>b</strong></p>", []),
        ("<p>a <strong>b</p>", ["unbalanced p", "unclosed p"]),
        ("<p title=t>a</p>", ["attribute p title"]),
        ("<img src=x>", ["tag img", "attribute img src", "unclosed img"]),
        ("<a href='javascript:x'>a</a>", ["link to javascript:x"]),
        ("<p>&lt;hx-get&gt;</p>", []),
        ("<!-- x -->", ["comment"]),
    ],
)
def test_the_checker_sees_what_is_not_allowed(html, problems):
    assert problems_of(html) == problems
