from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.markup import Html, clip, join, name, tag, text


class Reader(HTMLParser):
    """What a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@given(st.text())
def test_no_text_becomes_a_tag_or_an_attribute(hostile: str) -> None:
    reader = read(tag("p", hostile, title=hostile))
    (found,) = reader.tags
    assert found[0] == "p"
    assert [key for key, _ in found[1]] == ["title"]


@given(
    st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc"])
    )
)
def test_ordinary_text_arrives_unchanged(words: str) -> None:
    assert unescape(text(words)) == words


@given(st.text())
def test_nothing_invisible_reorders_the_page(hostile: str) -> None:
    shown = join(["before \u202e", name(hostile), "\u2066 after\x00"])
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x00"
    )
    shown.encode()


def test_html_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "<"), Html("&amp;")) == "<p><b>&lt;</b>&amp;</p>"


def test_attributes_that_are_not_set_are_left_out() -> None:
    assert tag("td", class_=None, hidden=True, aria_label='a"b', colspan=False) == (
        '<td hidden aria-label="a&quot;b"></td>'
    )


def test_a_void_element_has_no_end_and_an_svg_shape_has_one() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("rect") == "<rect></rect>"


def test_a_name_is_cut_and_an_empty_one_is_visible() -> None:
    assert len(read(name("x" * 300)).words) == 160
    assert read(name("")).words == "(no name)"
    assert clip("abcd", 4) == "abcd"
