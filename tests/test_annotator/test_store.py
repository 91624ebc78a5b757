import multiprocessing
import os
import signal
import sqlite3

import pytest

from mmktn.annotator.store import MAIN, MAX_SECONDS, LeaseError, NothingToUndoError, Store
from mmktn.utils.user_error import UserError
from tests.test_annotator.conftest import ANN, BEN


@pytest.fixture
def store(tmp_path, clock):
    store = Store(tmp_path / "s.sqlite", durable=False, clock=clock)
    store.add_photos(["a.jpg", "b.jpg"])
    yield store
    store.close()


@pytest.fixture
def person(store):
    person = store.add_person(1)
    store.lease(ANN, person, MAIN)
    return person


def test_what_was_written_is_there_with_who_when_and_how_long(store, person, clock):
    clock.now += 1.0
    store.write(ANN, person, MAIN, [("click", "3", {"I": 2})], seconds=4.5)
    (entry,) = store.entries(person)
    assert (entry.kind, entry.key, entry.value) == ("click", "3", {"I": 2})
    assert (entry.annotator, entry.at, entry.seconds) == ("Ann", 1_000_001.0, 4.5)
    assert store.seconds_of(person, MAIN) == {"Ann": 4.5}


def test_a_pause_does_not_count_as_work(store, person):
    store.write(ANN, person, MAIN, [("click", "1", 1)], seconds=1e6)
    assert store.time_spent() == [
        {"annotator": "Ann", "kind": "click", "changes": 1, "seconds": MAX_SECONDS}
    ]


def test_undo_takes_back_whole_actions_and_the_journal_keeps_all(store, person):
    store.write(ANN, person, MAIN, [("box", "", [1]), ("parts", "", [2])])
    store.write(ANN, person, MAIN, [("box", "", [3])])
    store.undo(ANN, person, MAIN)
    assert store.value(person, MAIN, "box") == [1]
    store.undo(ANN, person, MAIN)
    assert store.entries(person) == []
    with pytest.raises(NothingToUndoError):
        store.undo(ANN, person, MAIN)
    assert [row["undo"] for row in store.journal(person)] == [0, 0, 0, 1, 1, 1]


def test_undo_never_takes_back_what_somebody_else_did(store, person, clock):
    store.write(ANN, person, MAIN, [("click", "1", "Ann's")])
    store.release(ANN, person, MAIN)
    store.lease(BEN, person, MAIN)
    store.write(BEN, person, MAIN, [("click", "1", "Ben's")])
    store.release(BEN, person, MAIN)
    store.lease(ANN, person, MAIN)
    with pytest.raises(NothingToUndoError):
        store.undo(ANN, person, MAIN)
    assert store.value(person, MAIN, "click", "1") == "Ben's"


def test_a_person_is_one_annotators_until_the_lease_ends(store, person, clock):
    with pytest.raises(LeaseError, match="Ann is at work"):
        store.lease(BEN, person, MAIN)
    with pytest.raises(LeaseError, match="Ann is at work"):
        store.write(BEN, person, MAIN, [("box", "", [0])])
    store.lease(BEN, person, "second")  # another layer is free
    clock.now += 601
    store.lease(BEN, person, MAIN)
    with pytest.raises(LeaseError, match="Ben is at work"):
        store.write(ANN, person, MAIN, [("box", "", [0])])


def test_writing_renews_the_lease(store, person, clock):
    for _ in range(4):
        clock.now += 400
        store.write(ANN, person, MAIN, [("box", "", [clock.now])])
    assert store.leases() == {(person, MAIN): "Ann"}


def test_a_second_tab_takes_over_and_the_first_is_told(store, person):
    other = type(ANN)("Ann", "another tab")
    store.lease(other, person, MAIN)
    with pytest.raises(LeaseError, match="another tab"):
        store.write(ANN, person, MAIN, [("box", "", [0])])
    store.write(other, person, MAIN, [("box", "", [0])])


def test_a_tab_that_was_taken_over_does_not_take_back(store, person, clock):
    other = type(ANN)("Ann", "another tab")
    clock.now += 400
    store.renew(ANN, person, MAIN)
    clock.now += 400
    store.lease(other, person, MAIN)
    with pytest.raises(LeaseError, match="another tab"):
        store.renew(ANN, person, MAIN)
    store.write(other, person, MAIN, [("box", "", [0])])


def test_a_request_that_comes_twice_makes_one_person(store):
    assert store.add_person(1, ticket="t") == store.add_person(1, ticket="t")
    assert store.add_person(1, ticket="u") != store.add_person(1, ticket="t")


def test_a_failed_action_leaves_nothing(store, person):
    with pytest.raises(ValueError, match="JSON"):
        store.write(ANN, person, MAIN, [("box", "", [1]), ("click", "1", float("nan"))])
    assert store.entries(person) == []
    assert store.journal(person) == []


def _add_two_one_of_whom_is_missing(store):
    with store.transaction():
        for person in (store.add_person(1), 99):
            store.write("import", person, MAIN, [("box", "", [1])])


def test_a_transaction_is_saved_as_a_whole(store):
    with pytest.raises(KeyError):
        _add_two_one_of_whom_is_missing(store)
    assert store.people() == []
    assert store.entries() == []


def test_removed_people_are_gone_but_kept_in_the_file(store, person):
    store.write(ANN, person, MAIN, [("box", "", [1])])
    store.remove_person(ANN, person)
    assert store.people() == []
    with pytest.raises(KeyError):
        store.write(ANN, person, MAIN, [("box", "", [2])])
    assert store.value(person, MAIN, "box") == [1]


def _write_and_die(path):
    store = Store(path)
    store.lease(ANN, 1, MAIN)
    for number in range(50):
        store.write(ANN, 1, MAIN, [("click", str(number), number)])
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_loses_nothing_that_was_acknowledged(store, person):
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(store.path,))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert len(Store(store.path).entries(1)) == 50


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "x.sqlite"
    file.write_text("no database, but a longer text than a header of one hundred bytes has" * 3)
    with pytest.raises(UserError, match=r"x\.sqlite: not a project"):
        Store(file)
    Store(tmp_path / "y.sqlite").set_meta("version", 99)
    with pytest.raises(UserError, match="version 99"):
        Store(tmp_path / "y.sqlite")


def test_it_is_a_write_ahead_log(store):
    with sqlite3.connect(store.path) as base:
        assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_is_one_line_and_what_was_saved_stays(store, person):
    """SQLite's own limit of pages stands in for the disk."""
    store.write(ANN, person, MAIN, [("parts", "", "small")])
    (pages,) = store._base.execute("PRAGMA page_count").fetchone()
    store._base.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UserError, match=r"s\.sqlite: the change was not saved .*full"):
        store.write(ANN, person, MAIN, [("parts", "", "x" * 100_000)])
    assert store.value(person, MAIN, "parts") == "small"
    store._base.execute("PRAGMA max_page_count = 100000")
    store.write(ANN, person, MAIN, [("parts", "", "y" * 100_000)])
    assert len(store.value(person, MAIN, "parts")) == 100_000
