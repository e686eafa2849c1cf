"""Several people who rate on one device: each is a rater of their own."""

from types import SimpleNamespace

import pytest

from ui.access import rater_of


def on_page(username=None, **cookies):
    return SimpleNamespace(username=username, cookies=cookies, session_hash="s")


def test_a_name_makes_a_rater_of_its_own_on_this_device():
    assert rater_of(on_page(rater="1f")) == "cookie:1f"
    assert rater_of(on_page(rater="1f", rater_name="Ann%20%E6%9D%8E")) == "cookie:1f:Ann \u674e"
    assert rater_of(on_page(rater="2e", rater_name="Ann")) != rater_of(on_page(rater="1f", rater_name="Ann"))


def test_a_login_is_stronger_than_a_name():
    assert rater_of(on_page("rob", rater="1f", rater_name="ann")) == "user:rob"


@pytest.mark.parametrize(("name", "kept"), [("%20", ""), ("a%0Ab", ""), ("x" * 100, ":" + "x" * 40)])
def test_a_name_that_cannot_be_used_is_left_out_or_cut(name, kept):
    assert rater_of(on_page(rater="1f", rater_name=name)) == f"cookie:1f{kept}"
