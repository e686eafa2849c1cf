"""Accounts, logins and pseudonyms: hashed and private, ended by a new password, refused when damaged."""

import json

import pytest
from argon2 import PasswordHasher

from data import logins as login_store
from data.accounts import Accounts
from data.errors import UserError
from data.logins import Logins, form_key, is_form_key
from data.pseudonyms import Pseudonyms

PASSWORD = "correct horse"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def accounts(tmp_path):
    found = Accounts(tmp_path / "accounts.json", QUICK)
    found.add("ann", PASSWORD, "admin")
    return found


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def test_the_right_password_is_accepted_and_others_are_not(accounts):
    assert accounts.check("ann", PASSWORD).role == "admin"
    for name, password in (("ann", "wrong"), ("ann", ""), ("bob", PASSWORD), ("", ""), ("ann", "\ud800")):
        assert accounts.check(name, password) is None


@pytest.mark.faults(51)
def test_the_file_holds_no_password_and_nobody_else_can_read_it(accounts):
    text = accounts.path.read_text()
    assert PASSWORD not in text and "$argon2id$" in text
    assert accounts.path.stat().st_mode & 0o077 == 0


def test_a_change_by_another_process_is_seen_at_once(accounts):
    other = Accounts(accounts.path, QUICK)
    other.add("bob", PASSWORD, "rater")
    assert accounts.find("bob").role == "rater"
    other.add("bob", "another password", "admin")
    assert accounts.find("bob").role == "admin" and accounts.check("bob", PASSWORD) is None
    other.remove("bob")
    assert accounts.find("bob") is None


@pytest.mark.parametrize(
    "name, password, role",
    [
        ("", PASSWORD, "rater"),
        ("a b", PASSWORD, "rater"),
        ("a\n", PASSWORD, "rater"),
        ("x" * 61, PASSWORD, "rater"),
        ("bob", "short", "rater"),
        ("bob", "x" * 501, "rater"),
        ("bob", "half a \ud800 character", "rater"),
        ("bob", PASSWORD, "owner"),
    ],
)
def test_invalid_accounts_are_refused_and_nothing_is_stored(accounts, name, password, role):
    before = accounts.path.read_bytes()
    with pytest.raises(UserError):
        accounts.add(name, password, role)
    assert accounts.path.read_bytes() == before


def test_an_unknown_account_cannot_be_removed(accounts):
    with pytest.raises(UserError, match="ann"):
        accounts.remove("bob")


@pytest.mark.faults
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"accounts": [{"name": "x"}]}', '{"accounts": 3}', '{"accounts": [3]}',
     '{"accounts": [{"name": "x", "role": "owner", "password_hash": "y"}]}',
     '{"accounts": [{"name": 3, "role": "admin", "password_hash": "y"}]}'],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in(tmp_path, text):
    (tmp_path / "accounts.json").write_text(text)
    with pytest.raises(UserError, match="accounts.json"):
        Accounts(tmp_path / "accounts.json").check("x", "y")


def test_an_invalid_hash_lets_nobody_in(tmp_path):
    row = {"name": "x", "role": "admin", "password_hash": "y"}
    (tmp_path / "accounts.json").write_text(json.dumps({"accounts": [row]}))
    assert Accounts(tmp_path / "accounts.json").check("x", "y") is None


def test_a_login_survives_a_restart_and_its_token_is_in_no_file(accounts, tmp_path):
    path = tmp_path / "logins.json"
    token = Logins(path, accounts).begin(accounts.find("ann"))
    assert Logins(path, accounts).who(token) == accounts.find("ann")
    assert token not in path.read_text() and path.stat().st_mode & 0o077 == 0
    assert Logins(path, accounts).who("another token") is None
    assert Logins(path, accounts).who(None) is None


@pytest.mark.parametrize("how", ["logout", "time", "password", "removed"])
def test_a_login_ends(accounts, tmp_path, how):
    clock = Clock()
    logins = Logins(tmp_path / "logins.json", accounts, clock)
    token = logins.begin(accounts.find("ann"))
    assert logins.who(token)
    if how == "logout":
        logins.end(token)
        logins.end(token)
    elif how == "time":
        clock.now += login_store.LASTS_SECONDS + 1
    elif how == "password":
        accounts.add("ann", "another password", "admin")
    else:
        accounts.remove("ann")
    assert logins.who(token) is None
    assert Logins(tmp_path / "logins.json", accounts, clock).who(token) is None


def test_a_change_of_role_applies_to_existing_logins(accounts, tmp_path):
    accounts.add("bob", PASSWORD, "admin")
    logins = Logins(tmp_path / "logins.json", accounts)
    token = logins.begin(accounts.find("bob"))
    rows = json.loads(accounts.path.read_text())
    rows["accounts"][1]["role"] = "rater"
    accounts.path.write_text(json.dumps(rows))
    assert not logins.who(token).may("admin") and logins.who(token).may("rater")


def test_one_account_has_a_limited_number_of_logins(accounts, tmp_path):
    logins = Logins(tmp_path / "logins.json", accounts)
    tokens = [logins.begin(accounts.find("ann")) for _ in range(login_store.MOST_OF_ONE + 2)]
    assert [logins.who(token) is not None for token in tokens] == [False] * 2 + [
        True
    ] * login_store.MOST_OF_ONE


@pytest.mark.parametrize("text", ["{}", "[]", '{"logins": {"a": {}}}', '{"logins": []}x'])
def test_a_damaged_file_of_logins_is_named(accounts, tmp_path, text):
    (tmp_path / "logins.json").write_text(text)
    with pytest.raises(UserError, match="logins.json"):
        Logins(tmp_path / "logins.json", accounts)


def test_a_form_key_is_valid_for_one_login_only():
    assert is_form_key(form_key("one"), "one")
    assert not any(is_form_key(key, "one") for key in (form_key("two"), "", None, 3, "one"))


@pytest.mark.faults
def test_pseudonyms_are_the_same_within_a_workspace_and_differ_between_workspaces(tmp_path):
    here, again = Pseudonyms(tmp_path / "key"), Pseudonyms(tmp_path / "key")
    there = Pseudonyms(tmp_path / "other")
    names = {here.name("rater", "cookie:a"), here.name("rater", "cookie:b"), here.name("round", "cookie:a"),
             there.name("rater", "cookie:a")}  # fmt: skip
    assert len(names) == 4
    assert here.name("rater", "cookie:a") == again.name("rater", "cookie:a")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_row_under_pseudonyms_holds_no_identifier_at_any_depth(tmp_path):
    pseudonyms = Pseudonyms(tmp_path / "key")
    row = {
        "rater": pseudonyms.rater("cookie:abc"),
        "round": "r1",
        "order": "A>B",
        "answers": {"A": {"round": "r1", "text": "t"}},
    }
    hidden = pseudonyms.row(row)
    assert not any(text in json.dumps(hidden) for text in ("cookie", "abc", "r1"))
    assert hidden["rater"] == pseudonyms.name("rater", "cookie:abc")
    assert hidden["order"] == "A>B" and hidden["answers"]["A"]["text"] == "t"
    assert hidden["round"] == hidden["answers"]["A"]["round"]


def test_a_damaged_key_is_named(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(UserError, match="key"):
        Pseudonyms(tmp_path / "key")
