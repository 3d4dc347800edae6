"""Guests: who knows the password gets in, guessing gets slow, sessions are one's own and end."""

from __future__ import annotations

import threading

import pytest

from appliance.access.addresses import is_local, own_addresses
from appliance.access.password import Password
from appliance.access.sharing import IDLE, MOST, Sharing
from appliance.access.tries import Tries
from appliance.errors import PasswordRefused

RIGHT = "Schnee am Höhenweg"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def password() -> Password:
    return Password(RIGHT)


@pytest.fixture
def sharing(password: Password, clock: Clock) -> Sharing:
    return Sharing(password, ["192.168.1.7", "10.0.0.2"], 8766, clock)


@pytest.mark.parametrize("short", ["", "1234567", " " * 12])
def test_a_short_password_is_refused(short: str) -> None:
    with pytest.raises(PasswordRefused, match="at least 8"):
        Password(short)


def test_the_password_is_compared_whole_and_not_kept(password: Password) -> None:
    assert password.fits(RIGHT)
    assert password.fits("Schnee am Ho\u0308henweg"), "a phone may send the same letter in two parts"
    for wrong in ("", RIGHT[:-1], RIGHT + "x", RIGHT.upper(), "x" * 5000, "\ud800"):
        assert not password.fits(wrong)
    assert RIGHT not in repr(vars(password))


def test_a_session_is_of_its_address_alone(sharing: Sharing) -> None:
    token = sharing.enter("192.168.1.20", RIGHT)
    guest = sharing.guest(token, "192.168.1.20")
    assert guest is not None
    assert guest.client == "guest 192.168.1.20"
    for other in ("", token[:-1], token + "x", "\ud800"):
        assert sharing.guest(other, "192.168.1.20") is None
    assert sharing.guest(token, "192.168.1.21") is None, "a cookie that was overheard"
    assert [one.address for one in sharing.guests()] == ["192.168.1.20"]
    assert token not in repr(vars(sharing))


def test_guessing_gets_slow_for_one_address_and_not_for_the_others(sharing: Sharing, clock: Clock) -> None:
    for _ in range(5):
        with pytest.raises(PasswordRefused, match="not the password"):
            sharing.enter("192.168.1.66", "guess")
    with pytest.raises(PasswordRefused, match="Try again in 1 second"):
        sharing.enter("192.168.1.66", RIGHT)
    assert sharing.enter("192.168.1.20", RIGHT)
    clock.now += 1.5
    with pytest.raises(PasswordRefused, match="not the password"):
        sharing.enter("192.168.1.66", "guess")
    with pytest.raises(PasswordRefused, match="Try again in 2 seconds"):
        sharing.enter("192.168.1.66", RIGHT)
    clock.now += 3
    assert sharing.enter("192.168.1.66", RIGHT)


def test_guessing_from_many_addresses_gets_slow_too(sharing: Sharing) -> None:
    for number in range(50):
        with pytest.raises(PasswordRefused, match="not the password"):
            sharing.enter(f"10.0.0.{number}", "guess")
    with pytest.raises(PasswordRefused, match="too many"):
        sharing.enter("10.0.1.1", RIGHT)


def test_tries_at_the_same_time_are_counted(password: Password, clock: Clock) -> None:
    sharing = Sharing(password, ["192.168.1.7"], 8766, clock)
    said: list[str] = []

    def guess() -> None:
        with pytest.raises(PasswordRefused) as refused:
            sharing.enter("192.168.1.66", "guess")
        said.append(str(refused.value))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(PasswordRefused, match="too many"):
        sharing.enter("192.168.1.66", RIGHT)
    assert sum("not the password" in one for one in said) < 20


def test_sessions_end_and_are_not_without_number(sharing: Sharing, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Password, "fits", lambda *_: True)
    first = sharing.enter("10.0.0.1", RIGHT)
    for number in range(MOST):
        clock.now += 1
        sharing.enter(f"10.0.2.{number}", RIGHT)
    assert len(sharing.guests()) == MOST
    assert sharing.guest(first, "10.0.0.1") is None, "who was away longest makes room"
    clock.now += IDLE + MOST
    assert sharing.guests() == ()


def test_wrong_tries_are_forgotten_in_the_end_and_hold_no_memory(clock: Clock) -> None:
    tries = Tries(free=2, longest=8, clock=clock)
    for _ in range(40):
        tries.wrong("one")
    assert tries.wait("one") == 8
    clock.now += 1000
    assert tries.wait("one") == 0
    for number in range(5000):
        tries.wrong(str(number))
    assert len(tries._wrong) <= 1000


def test_hosts_are_this_machines_own_with_the_port_unless_browsers_leave_it_out(password: Password) -> None:
    assert Sharing(password, ["192.168.1.7"], 8766).hosts == {"192.168.1.7:8766"}
    assert Sharing(password, ["192.168.1.7"], 80).hosts == {"192.168.1.7"}
    assert Sharing(password, ["192.168.1.7"], 80).urls == ("http://192.168.1.7",)


@pytest.mark.parametrize("address", ["192.168.1.7", "10.1.2.3", "172.16.0.1", "172.31.9.9", "169.254.3.4"])
def test_addresses_of_a_local_network(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "8.8.8.8", "172.32.0.1", "0.0.0.0", "224.0.0.1", "::1", "", "localhost", "192.168.1"])
def test_addresses_of_none(address: str) -> None:
    assert not is_local(address)


def test_the_machines_own_addresses_are_found_and_are_its_own() -> None:
    for address in own_addresses():
        assert is_local(address)
