"""Which models are loaded: as many as fit, the busy ones always, none that can't fit; with real models in real processes.

What the machine says of its memory is the one thing that is made up here: `room` lets that many models of the starter's size be loaded.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import BadParameter, BadRequest, GeneratorFailed, HaversackError, ModelAltered, ModelTooLarge, NoSuchModel
from appliance.machine.facts import Memory
from appliance.machine.words import gigabytes
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, GeneratorEvent, Message, Piece, Waiting
from appliance.models.request import Request
from appliance.models.writes import Writes, prompt_tokens
from appliance.shelf import speed as speeds
from appliance.shelf.handle import Handle, check_context
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.speed import measure, measure_when_idle, measured_here
from tests.shelf.conftest import STARTER, Add, prepared

LONG = [Message("user", "Tell a long story about a river, a boat and a bridge.")]
SHORT = [Message("user", "Say hello.")]
MODEL = 640_000_000
"""Bytes: a little more than each of the models needs."""


def ask(writes: Writes, messages: list[Message] = SHORT, tokens: int = 8, cancel: threading.Event | None = None) -> list[GeneratorEvent]:
    return list(writes.generate(Request(messages, tokens), cancel or threading.Event()))


def end(events: list[GeneratorEvent]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def text(events: list[GeneratorEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


def soon(what: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.fixture
def room(shelf: ModelShelf) -> Iterator[Callable[[int], Loaded]]:
    """`room(2)`: a Loaded on a machine where two models fit; what those that are loaded hold is available no more."""
    opened: list[Loaded] = []

    def make(models: int) -> Loaded:
        loaded: Loaded

        def memory() -> Memory:
            return Memory(64_000_000_000, models * MODEL - sum(slot.held for slot in loaded._slots.values()))

        loaded = Loaded(shelf, 2, memory=memory)
        opened.append(loaded)
        return loaded

    yield make
    for one in opened:
        one.close()


def test_models_that_fit_are_loaded_beside_each_other(loaded: Loaded, add: Add) -> None:
    add("second")
    first, second = loaded.generator(), loaded.generator("second:latest")
    assert {name: state.state for name, state in loaded.states().items()} == {STARTER: "idle", "second": "idle"}
    assert end(ask(first)).completion_tokens > 0
    assert end(ask(second)).completion_tokens > 0
    states = loaded.states()
    assert [states[name].state for name in (STARTER, "second")] == ["ready", "ready"]
    assert states["second"].resident_bytes > 50_000_000
    assert first.pid != second.pid
    assert (first.ready, second.ready, first.waiting) == (True, True, 0)
    assert (first.name, second.name) == ("SmolLM2 135M Instruct", "SmolLM2 135M Second")


def test_it_says_what_the_generator_itself_says(loaded: Loaded) -> None:
    handle = loaded.generator()
    with handle.hold("page", threading.Event()) as held:
        assert list(held.wait()) == []
        assert prompt_tokens(held, SHORT) == held.count_tokens([SHORT])[0] > 3
    assert text(ask(handle, LONG, 12)) == text(ask(loaded.generator(), LONG, 12)) != ""
    handle.close()
    assert handle.ready


def test_purposes_choose_the_model(loaded: Loaded, shelf: ModelShelf, add: Add) -> None:
    add("second")
    shelf.use("second", "summarising")
    assert loaded.generator(purpose="summarising").model.name == "second"
    assert loaded.generator(purpose="translating").model.name == STARTER
    assert loaded.generator(purpose="rewriting").model.name == STARTER
    with pytest.raises(BadRequest):
        loaded.generator(purpose="dancing")
    with pytest.raises(NoSuchModel):
        loaded.generator("third")


def test_the_one_that_was_used_longest_ago_goes_first(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(2)
    for name in ("second", "third"):
        add(name)
    handles = {name: loaded.generator(name) for name in (STARTER, "second", "third")}
    for name in (STARTER, "second", STARTER):
        ask(handles[name])
    gone = handles["second"].pid
    ask(handles["third"])
    assert {name: state.state for name, state in loaded.states().items()} == {STARTER: "ready", "second": "idle", "third": "ready"}
    assert gone
    soon(lambda: not alive(gone))
    assert end(ask(handles["second"])).completion_tokens > 0  # the handle goes on, its model is loaded again
    assert loaded.states()[STARTER].state == "idle"


def test_a_busy_one_is_never_unloaded_and_who_waits_is_told(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    first, second = loaded.generator(), loaded.generator("second")
    answer = first.generate(Request(LONG, 120), threading.Event())
    while not isinstance(next(answer), Piece):
        continue
    pid = first.pid
    with ThreadPoolExecutor(2) as pool:
        waits = pool.submit(ask, second)
        soon(lambda: bool(loaded._line))
        after = pool.submit(ask, first, SHORT, 4)  # comes later, and must not keep the second from its turn for good
        time.sleep(0.3)
        assert not waits.done()
        assert loaded.states()[STARTER].state == "busy"
        rest = list(answer)
        assert end(rest).completion_tokens > 60
        assert first.pid in (pid, None)
        events = waits.result(30)
        assert events[0] == Waiting(1)
        assert end(events).completion_tokens > 0
        assert end(after.result(30)).completion_tokens > 0
    assert [state.state for state in loaded.states().values()] == ["ready", "idle"]


def test_who_waits_for_memory_can_give_up(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    answer = loaded.generator().generate(Request(LONG, 400), threading.Event())
    while not isinstance(next(answer), Piece):
        continue
    cancel = threading.Event()
    events = loaded.generator("second").generate(Request(SHORT, 4), cancel)
    assert next(events) == Waiting(1)
    cancel.set()
    assert next(events) == Done(0, 0, 0, "cancelled")
    assert loaded._line == []
    answer.close()  # type: ignore[attr-defined]
    assert end(ask(loaded.generator("second"))).completion_tokens > 0


def test_who_holds_a_model_counts_and_writes_with_it_and_waits_once(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    cancel = threading.Event()
    with loaded.generator().hold("page", cancel) as held:
        assert list(held.wait()) == []
        with loaded.generator("second").hold("page", cancel) as other:
            waits = other.wait()
            assert next(waits) == Waiting(1)
            counted = prompt_tokens(held, SHORT)
            assert end(list(held.generate(Request(SHORT, 4), threading.Event()))).prompt_tokens == counted
            cancel.set()
            assert list(waits) == []  # whoever gave up loads nothing, now or later
            assert list(other.generate(Request(SHORT, 4), cancel)) == [Done(0, 0, 0, "cancelled")]
    assert loaded._line == []
    assert [state.state for state in loaded.states().values()] == ["ready", "idle"]


def test_who_waits_for_memory_is_told_of_all_who_go_first(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    cancel = threading.Event()
    first, second = loaded.generator(), loaded.generator("second")
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, first, LONG, 400, cancel) for _ in range(3)]
        soon(lambda: first.waiting == 3)
        with second.hold("page", cancel) as held:
            waits = held.wait()
            assert next(waits) == Waiting(3)
            assert loaded.queue()[-1] == ("page", 3)
            cancel.set()
            assert list(waits) == []
        assert [end(one.result(30)).reason for one in asked] == ["cancelled"] * 3


def test_what_can_not_fit_says_so_before_it_is_loaded(shelf: ModelShelf, add: Add) -> None:
    with closing(Loaded(shelf, 2, memory=lambda: Memory(4_000_000_000, 20_000_000))) as loaded:
        # The only one there is: it is tried, and swaps as it will.
        assert end(ask(loaded.generator())).completion_tokens > 0
        add("second")
        with pytest.raises(ModelTooLarge) as raised:
            loaded.generator("second")
        told = str(raised.value)
        free = gigabytes(loaded._free() or 0)
        assert told.startswith(f"SmolLM2 135M Second needs 0.6 GB of memory with 2048 tokens of context, and {free} are free here.")
        assert loaded.misfit(shelf.find("second")).startswith(f"It needs 0.6 GB of memory with 2048 tokens of context, and {free} are free")
        assert loaded.misfit(shelf.find(STARTER)) == ""  # it is loaded


def test_a_context_that_can_not_fit_says_so(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    with pytest.raises(ModelTooLarge, match="with 8192 tokens of context"):
        loaded.generator("second", parameters=Parameters(context=8192))
    assert loaded.fit_together([loaded.shelf.find(STARTER)])
    assert not loaded.fit_together(loaded.shelf.all())
    assert room(2).fit_together([loaded.shelf.find(STARTER)] * 3)


def test_where_the_memory_is_not_known_nothing_is_refused(shelf: ModelShelf, add: Add) -> None:
    add("second")
    with closing(Loaded(shelf, 2, memory=Memory)) as loaded:
        for name in (STARTER, "second"):
            assert end(ask(loaded.generator(name))).completion_tokens > 0
        assert [state.state for state in loaded.states().values()] == ["ready", "ready"]


def test_another_context_or_other_threads_mean_a_reload_and_only_then(loaded: Loaded) -> None:
    plain = loaded.generator()
    ask(plain)
    first = plain.pid
    wide = loaded.generator(parameters=Parameters(context=4096))
    assert (wide.settings.context, plain.settings.context) == (4096, 2048)
    ask(wide)
    second = wide.pid
    assert second != first
    assert loaded.states()[STARTER].context == 4096
    ask(plain)  # what is loaded is enough for it
    assert plain.pid == second
    one = loaded.generator(parameters=Parameters(threads=1))
    ask(one)
    assert one.pid != second
    assert (loaded.states()[STARTER].threads, loaded.states()[STARTER].context) == (1, 2048)
    small = loaded.generator(parameters=Parameters(context=256, temperature=0.5))
    assert (small.settings.context, small.settings.max_tokens, small.settings.evidence_tokens) == (256, 128, 128)
    ask(small)
    assert loaded.states()[STARTER].context == 256
    ask(plain)
    assert loaded.states()[STARTER].context == 2048


def test_a_context_that_was_told_for_another_model_is_bounded_and_one_that_is_asked_for_is_refused(loaded: Loaded) -> None:
    assert loaded.generator(parameters=Parameters(context=16384)).settings.context == 8192
    check_context(loaded.shelf.find(STARTER), 8192)
    with pytest.raises(BadParameter, match="at most 8192 tokens"):
        check_context(loaded.shelf.find(STARTER), 8193)


def test_fewer_threads_hold_for_who_tells_none_and_cost_no_loading(shelf: ModelShelf) -> None:
    saved: list[int] = []
    with closing(Loaded(shelf, 2, saving=lambda: saved[-1] if saved else None)) as loaded:
        plain, one = loaded.generator(), loaded.generator(parameters=Parameters(threads=1))
        ask(plain)
        first = plain.pid
        ask(one)
        second = one.pid
        assert first != second
        ask(plain)  # nobody told it how many: those of the other are taken
        assert plain.pid == second
        loaded.unload(STARTER)
        saved.append(1)
        ask(plain)
        third = plain.pid
        assert loaded.states()[STARTER].threads == 1
        saved.clear()
        ask(plain)  # the saver is off again
        assert plain.pid != third
        assert loaded.states()[STARTER].threads == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what a process holds for itself")
def test_what_a_loaded_model_would_give_back_is_not_missing_for_another(shelf: ModelShelf, add: Add) -> None:
    add("second")  # of Q4_0, whose weights llama.cpp copies and lays out anew
    handle: Handle | None = None

    def memory() -> Memory:
        """As the system has it: what a process holds for itself is available no more, the pages of a file that it maps still are."""
        return Memory(64_000_000_000, 4_000_000_000 - (anonymous(handle.pid) if handle and handle.pid else 0))

    with closing(Loaded(shelf, 2, memory=memory)) as loaded:
        handle = loaded.generator("second")
        assert loaded._free() == 4_000_000_000
        ask(handle)
        assert memory().available < 3_950_000_000  # type: ignore[operator]  # it is told here
        assert loaded._free() == pytest.approx(4_000_000_000, abs=20_000_000)


def anonymous(pid: int) -> int:
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(next(line for line in told.splitlines() if line.startswith("Anonymous:")).split()[1])


def test_a_model_that_is_removed_while_it_answers_costs_one_sentence(loaded: Loaded, add: Add) -> None:
    folder = add("second").file.parent
    handle = loaded.generator("second")
    answer = handle.generate(Request(LONG, 400), threading.Event())
    while not isinstance(next(answer), Piece):
        continue
    pid = handle.pid
    loaded.remove("second:latest")
    with pytest.raises(GeneratorFailed) as raised:
        list(answer)
    assert str(raised.value).startswith("The language model stopped (SmolLM2 135M Second was taken off the shelf).")
    assert not folder.exists()
    assert list(loaded.states()) == [STARTER]
    assert pid
    soon(lambda: not alive(pid))
    with pytest.raises(GeneratorFailed, match="taken off the shelf"):
        ask(handle)
    assert end(ask(loaded.generator())).completion_tokens > 0
    add("second")  # its name is free again
    assert end(ask(loaded.generator("second"))).completion_tokens > 0


def test_a_model_that_is_removed_while_others_wait_for_it_tells_all_of_them(loaded: Loaded, add: Add) -> None:
    add("second")
    handle = loaded.generator("second")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, handle, LONG, 400) for _ in range(4)]
        soon(lambda: handle.waiting == 4)
        loaded.remove("second")
        for one in asked:
            assert "taken off the shelf" in str(one.exception(10))
    assert loaded._slots == {}


def test_an_altered_file_is_never_opened_and_the_state_says_so(loaded: Loaded, add: Add) -> None:
    model = add("second")
    content = model.file.read_bytes()
    model.file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelAltered):
        ask(loaded.generator("second"))
    assert loaded.states()["second"].state.startswith("failed: second is not as it was added (model.gguf is altered).")
    assert loaded.generator("second").pid is None
    model.file.write_bytes(content)
    assert end(ask(loaded.generator("second"))).completion_tokens > 0
    assert loaded.states()["second"].state == "ready"


def test_weights_that_llama_cpp_can_not_load_cost_one_sentence(loaded: Loaded, shelf: ModelShelf, second_gguf: object, add: Add) -> None:
    ready = prepared(shelf, shelf.find(STARTER).file, "broken")
    shelf.add(ready)
    model = shelf.find("broken")
    entry = model.file.parent / "entry.json"
    torn = model.file.read_bytes()[:1_000_000]
    model.file.write_bytes(torn)
    import hashlib

    entry.write_text(
        entry.read_text().replace(model.sha256, hashlib.sha256(torn).hexdigest()).replace(f'"size": {model.size}', f'"size": {len(torn)}')
    )
    with pytest.raises(GeneratorFailed) as raised:
        ask(loaded.generator("broken"))
    assert "\n" not in str(raised.value)
    assert loaded.states()["broken"].state == f"failed: {raised.value}"
    assert end(ask(loaded.generator())).completion_tokens > 0


def test_a_child_that_dies_is_started_again(loaded: Loaded) -> None:
    handle = loaded.generator()
    ask(handle)
    pid = handle.pid
    assert pid
    os.kill(pid, 9)
    soon(lambda: not alive(pid) or handle.pid != pid)
    with_failures = 0
    for _ in range(2):
        try:
            assert end(ask(handle)).completion_tokens > 0
        except GeneratorFailed:
            with_failures += 1
    assert with_failures <= 1
    assert handle.pid != pid


def test_many_at_once_on_two_models_where_one_fits_all_get_an_answer(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, loaded.generator((STARTER, "second")[number % 2]), SHORT, 3) for number in range(12)]
        assert all(end(one.result(60)).completion_tokens > 0 for one in asked)
    assert sorted(state.state for state in loaded.states().values()) == ["idle", "ready"]
    assert loaded._line == []


def test_closing_ends_what_is_being_written_and_what_waits(room: Callable[[int], Loaded], add: Add) -> None:
    loaded = room(1)
    add("second")
    with ThreadPoolExecutor(2) as pool:
        writes = pool.submit(ask, loaded.generator(), LONG, 400)
        soon(lambda: loaded.states()[STARTER].state == "busy")
        waits = pool.submit(ask, loaded.generator("second"))
        soon(lambda: bool(loaded._line))
        began = time.monotonic()
        loaded.close()
        for one in (writes, waits):
            assert isinstance(one.exception(5), HaversackError)
        assert time.monotonic() - began < 3
    with pytest.raises(GeneratorFailed, match="closing"):
        ask(loaded.generator())


def test_a_models_own_parameters_hold_where_nothing_is_told(loaded: Loaded, shelf: ModelShelf, second_gguf: object, add: Add) -> None:
    from dataclasses import replace

    ready = prepared(shelf, shelf.find(STARTER).file, "free")
    shelf.add(replace(ready, model=replace(ready.model, system="Be brief.", parameters=Parameters(temperature=1.5, seed=3, context=512))))
    handle = loaded.generator("free")
    assert handle.own.told() == {"temperature": 1.5, "seed": 3, "context": 512, "system": "Be brief."}
    assert handle.settings.context == 512
    drawn = text(ask(handle, LONG, 20))
    assert drawn != text(ask(loaded.generator(), LONG, 20))
    assert loaded.states()["free"].context == 512


def test_the_speed_is_measured_in_tokens_a_second(loaded: Loaded) -> None:
    handle = loaded.generator()
    handle.start()
    began = time.perf_counter()
    speed = measure(handle)
    took = time.perf_counter() - began
    assert speed is not None
    # It read about 256 tokens and wrote 32 in the time that passed.
    assert 200 / speed.reading + 8 / speed.writing < took
    assert 400 / speed.reading + 33 / speed.writing > took * 0.5
    assert speed.reading > speed.writing > 1
    again = measure(handle)
    assert again is not None
    assert again.reading < speed.reading * 4  # nothing that was still in memory was counted as read


def test_a_probe_gives_way_to_a_question(loaded: Loaded) -> None:
    handle = loaded.generator()
    handle.start()
    with ThreadPoolExecutor(2) as pool:
        closing = threading.Event()
        probe = pool.submit(measure, handle, closing)
        soon(lambda: handle.waiting == 1)
        question = pool.submit(ask, handle, SHORT, 2)
        assert end(question.result(30)).completion_tokens > 0
        assert probe.result(30) is None
        assert not closing.is_set()  # it is the appliance's own
    closing.set()
    assert measure(handle, closing) is None
    assert measure(handle, busy=lambda: True) is None  # documents are being read, say


def test_a_loaded_model_is_measured_when_nobody_asks_and_kept(loaded: Loaded, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "_GLANCE", 0.1)
    monkeypatch.setattr(speeds, "_IDLE", 0.3)
    stop, reading, looked = threading.Event(), threading.Event(), threading.Semaphore(0)
    reading.set()

    def busy() -> bool:
        looked.release()
        return reading.is_set()

    worker = threading.Thread(target=measure_when_idle, args=(loaded, stop, busy))
    worker.start()
    try:
        loaded.generator(parameters=Parameters(threads=1)).start()
        for _ in range(6):  # longer than it must be quiet
            assert looked.acquire(timeout=30)
        assert shelf.speed(STARTER) is None  # documents are being read
        reading.clear()
        soon(lambda: shelf.speed(STARTER) is not None, 30)
    finally:
        stop.set()
        worker.join(5)
    assert not worker.is_alive()
    assert measured_here(shelf, STARTER, 1)  # those that it was loaded with
    assert not measured_here(shelf, STARTER, 2)


def test_a_stick_that_is_pulled_out_while_files_are_compared_costs_one_question(shelf: ModelShelf) -> None:
    reads = iter([OSError(5, "Input/output error")])

    def verify(model: object) -> None:
        for error in reads:
            raise error

    with closing(Loaded(shelf, 2, verify)) as loaded:
        with pytest.raises(ModelAltered, match="can't be read"):
            ask(loaded.generator())
        assert end(ask(loaded.generator())).completion_tokens > 0


def test_the_only_model_there_is_gets_no_context_that_does_not_fit(shelf: ModelShelf) -> None:
    small = Memory(300_000_000, 100_000_000)
    with closing(Loaded(shelf, 2, memory=lambda: small)) as loaded:
        assert len(shelf.all()) == 1
        assert loaded.generator().settings.context == 2048
        with pytest.raises(ModelTooLarge):
            loaded.generator(parameters=Parameters(context=8192))


def test_no_more_threads_are_used_than_there_are_processors(shelf: ModelShelf) -> None:
    with closing(Loaded(shelf, 2)) as loaded:
        assert loaded.generator(parameters=Parameters(threads=512)).threads == max(2, os.cpu_count() or 1)
