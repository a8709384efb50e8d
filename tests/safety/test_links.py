"""Links in an answer: only hosts that we know, however the address is written."""

import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown import LiveMarkdown, render
from safety.output import guarded
from safety.rules.links import _trusted_hosts, is_trusted

HOSTS = sorted(_trusted_hosts())


def stopped(text):
    hit = guarded(text)[1]
    return hit and (hit.rule_id, hit.card)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.nhs.uk/baby/", "http://nhs.uk", "https://111.nhs.uk/", "HTTPS://NHS.UK/x", "www.nhs.uk",
        "https://www.nhs.uk:443/x?y=z#a", "https://www.nhs.uk.", "https://www.nhs.uk/a_(b)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["See {} today.", "[here]({})", "<{}>", "**{}**", "({})"])
def test_trusted_link_passes(url, around):
    text = around.format(url)
    assert guarded(text) == (text, None)


UNTRUSTED = [
    "https://evil.example/", "HTTP://EVIL.EXAMPLE", "www.evil.example", "https://nhs.uk.evil.example/",
    "https://nhs.uk@evil.example/", "https://nhs.uk:443@evil.example/", "https://evil.example/nhs.uk",
    "https://evil.example?nhs.uk", "https://evil.example#.nhs.uk", "https://notnhs.uk/", "https://xn--nhs-uk.example",
    "https://evil.example:443/www.nhs.uk", "https://203.0.113.7/", "https://[2001:db8::1]/",
]  # fmt: skip


@pytest.mark.parametrize("url", UNTRUSTED)
@pytest.mark.parametrize("around", ["See {} today.", "[here]({})", "<{}>", "看{}", "_{}_"])
def test_untrusted_link_is_withheld(url, around):
    text = around.format(url)
    assert (stopped(text), guarded(text)[0]) == (("untrusted_link", "correct_link"), text[: text.index(url)])


SLY = [
    r"https://evil.example\@nhs.uk/",  # what follows a backslash is a path to a browser
    r"https://evil.example\.nhs.uk/",
    r"[here](http:\/\/evil.example)",  # as markdown reads it
    "[here](http:&#47;&#47;evil.example)",
    "[here](http&colon;//evil.example)",
    "[here](&#104;ttp://evil.example)",
    "[here](http:evil.example)",  # a browser adds the slashes
    "[here](http:/evil.example)",
    "[here](https:///evil.example)",
]


@pytest.mark.parametrize("text", SLY)
def test_address_written_in_another_way_leads_nowhere(text):
    """Stopped, or shown as plain text."""
    assert stopped(text) is not None or "href" not in render(text)


@pytest.mark.parametrize("text", SLY)
def test_address_cut_anywhere_while_written_leads_nowhere(text):
    assert [cut for cut in range(len(text)) if "href" in LiveMarkdown().feed(text[:cut]).live] == []


@pytest.mark.parametrize(
    "href",
    [
        *UNTRUSTED, "", "/", "//evil.example", "www.nhs.uk", "nhs.uk", "tel:999", "mailto:a@nhs.uk",
        "http:nhs.uk",
        "https://nhs.uk\\@evil.example", "https://evil.example%5C.nhs.uk", "https://a@nhs.uk/",
        "https://nhs.uk:x/",
        "javascript:alert(1)//https://nhs.uk/", " https://nhs.uk/", "https://nhs.uk\n.evil.example",
        "https://nhs.uk\u3002evil.example",
    ],
)  # fmt: skip
def test_href_is_trusted_only_when_written_plainly(href):
    assert not is_trusted(href)
    assert is_trusted("https://www.nhs.uk/a_(b)?c#d")


def test_long_address_takes_linear_time():
    def seconds(times):
        start = time.process_time()
        is_trusted("https://" + "a.-:@" * times)
        guarded("http:" + "a.-:@*_" * times)
        return time.process_time() - start

    seconds(10)
    assert seconds(40_000) < 0.5 + 20 * seconds(4_000)


@given(st.sampled_from(HOSTS), st.text("abcxyz.-@/:?#\\%0", max_size=12), st.text("abcxyz.-@:\\", max_size=8))
@settings(max_examples=200, deadline=None)
def test_only_what_a_browser_would_open_there_counts(host, before, after):
    """Read as browsers do: a backslash is a slash, what stands before the last @ is a name."""
    url = f"https://{before}{host}{after}"
    authority = url[8:].replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
    opened = authority.rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    is_ours = any(opened == known or opened.endswith(f".{known}") for known in HOSTS)
    if not is_ours and regex.fullmatch(r"[a-z0-9.-]+", opened):  # nothing else can be opened
        assert stopped(f"See {url} today.") is not None


def test_trusted_hosts_are_plain_names():
    assert [host for host in HOSTS if host != host.lower().strip(". /") or "." not in host] == []
