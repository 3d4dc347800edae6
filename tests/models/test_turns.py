from __future__ import annotations

import threading

from appliance.models.turns import Turns


def order(turns: Turns, *joined: tuple[int, str]) -> list[int]:
    """Who is served, one after the other."""
    for number, client in joined:
        turns.join(number, client)
    served = []
    while turns.waiting():
        number = next(number for number, _ in joined if number not in served and is_next(turns, number))
        assert list(turns.until(number, threading.Event())) == []
        served.append(number)
        turns.leave(number)
    return served


def is_next(turns: Turns, number: int) -> bool:
    return turns._order[0] == number


def test_one_client_is_served_in_the_order_of_arrival() -> None:
    assert order(Turns(), (1, "page"), (2, "page"), (3, "page")) == [1, 2, 3]


def test_clients_take_turns_however_many_requests_one_has() -> None:
    assert order(Turns(), (1, "script"), (2, "script"), (3, "script"), (4, "page"), (5, "llm")) == [4, 1, 5, 2, 3]


def test_who_was_served_last_waits_for_those_who_were_not() -> None:
    turns = Turns()
    assert order(turns, (1, "script")) == [1]
    assert order(turns, (2, "script"), (3, "page")) == [3, 2]


def test_each_is_told_its_place_and_again_when_it_changes() -> None:
    turns = Turns()
    for number, client in ((1, "a"), (2, "b"), (3, "b")):
        turns.join(number, client)
    assert list(turns.until(1, threading.Event())) == []
    assert turns.waiting() == (("b", 1), ("b", 2))
    places = turns.until(3, threading.Event())
    assert next(places) == 2
    turns.leave(2)
    assert next(places) == 1
    turns.leave(1)
    assert list(places) == []
    assert len(turns) == 1


def test_one_who_cancels_waits_no_more() -> None:
    turns = Turns()
    turns.join(1, "a")
    turns.join(2, "b")
    list(turns.until(1, threading.Event()))
    cancel = threading.Event()
    cancel.set()
    assert list(turns.until(2, cancel)) == []
    turns.leave(2)
    assert turns.waiting() == ()
    turns.leave(2)
    turns.leave(1)
    assert len(turns) == 0


def test_the_page_has_every_second_turn_and_keeps_nobody_from_the_others() -> None:
    turns = Turns()
    programs = [(number, f"program {number}") for number in range(1, 51)]
    assert order(turns, *programs, (51, "page"), (52, "page"), (53, "page"))[:7] == [51, 1, 52, 2, 53, 3, 4]
