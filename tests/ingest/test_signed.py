"""What every collector of signed posts owes: a right answer, nothing lost, nothing believed that is not proven."""

import gzip

import pytest

from core.errors import Unavailable
from tests.ingest.signed import CASES, Case, collecting, post

each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each
def test_what_is_signed_is_taken(case: Case) -> None:
    to = collecting()

    answer = post(to, case.path, case.known())

    assert answer.status_code == 200
    assert tuple(event["type"] for event in to.events) == case.kinds
    assert not to.quarantined


@each
def test_what_is_altered_is_refused(case: Case) -> None:
    to = collecting()
    content, headers = case.known()

    for altered in (content.replace(b"a", b"b").replace(b"E1", b"E2").replace(b"0", b"1"), content[:-3] + b"{}", b""):
        assert post(to, case.path, (altered, headers)).status_code == 403
    assert post(to, case.path, (b"{}", {})).status_code == 403
    assert post(to, case.path, (b"\xff\xfe", headers)).status_code == 403
    assert not to.events
    assert not to.quarantined


@each
def test_nobody_knows_an_account_that_is_not_there(case: Case) -> None:
    assert post(collecting(), case.path + "x", case.known()).status_code == 404


@each
def test_what_comes_again_is_the_same_event(case: Case) -> None:
    to = collecting()
    request = case.known()

    post(to, case.path, request)
    post(to, case.path, request)
    post(to, case.path, case.known())

    assert len(to.events) == 3
    assert len({event["id"] for event in to.events}) == 1


@each
def test_what_we_have_no_word_for_is_kept(case: Case) -> None:
    to = collecting()

    assert post(to, case.path, case.unknown()).status_code == 200
    assert [event["type"] for event in to.events] == ["track"]


@each
def test_while_the_log_is_down_the_platform_is_told_to_come_again(case: Case) -> None:
    to = collecting()
    to.log.failures.append(Unavailable("the log is down"))
    request = case.known()

    assert post(to, case.path, request).status_code == 503
    assert post(to, case.path, request).status_code == 200
    assert len(to.events) == 1


@each
def test_what_is_too_large_is_refused_before_it_is_unpacked(case: Case) -> None:
    to = collecting()
    _, headers = case.known()
    bomb = gzip.compress(bytes(64 << 20))

    assert post(to, case.path, (bytes(2 << 20), headers)).status_code == 413
    assert post(to, case.path, (bomb, {**headers, "Content-Encoding": "gzip"})).status_code == 413
    assert not to.events
