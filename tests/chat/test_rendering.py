"""What a page shows of an answer beside its words."""

from chat.markdown import render
from chat.rendering import sources_of


def sources(text):
    return [(source.label, source.href) for source in sources_of(text, render(text))]


def test_links_are_sources_each_once():
    text = "See the [NHS](https://www.nhs.uk/baby/). And again [there](https://www.nhs.uk/baby/)."
    assert sources(text) == [("NHS", "https://www.nhs.uk/baby/")]


def test_bare_address_is_a_source_where_its_host_is_trusted():
    text = "*NHS, “Colic”: https://www.nhs.uk/conditions/colic/ (reviewed 2026).* Not https://example.com/x."
    assert sources(text) == [("nhs.uk/conditions/colic", "https://www.nhs.uk/conditions/colic/")]


def test_answer_without_addresses_has_no_sources():
    assert sources("Sleep well.") == []
