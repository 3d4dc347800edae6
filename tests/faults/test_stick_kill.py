"""A stick pulled out while it is updated: whatever the moment, the older or the newer bundle starts, and a second run ends what the first began."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from appliance.carrying.carry import update, write
from appliance.carrying.delta import NOTE
from appliance.carrying.source import open_folder
from appliance.carrying.target import Terms
from appliance.integrity import differences
from appliance.manifest import MANIFEST, SUCCESSOR, read_manifest
from appliance.minisign import SecretKey
from bundle.stick.delta import make_delta, read_old
from tests.carrying import making
from tests.carrying.making import Heard, left_over, library_is_whole, make_bundle, put_library, starts
from tests.images import MIB, exfat_image, fat_image, mounted

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = 12
STEPS = ("replace", "fsync", "unlink", "rmdir")
"""What changes a stick, or makes a change last."""

Act = Callable[[], object]


def killed_at(step: int, act: Act) -> bool:
    """Run `act` in a child that is killed by SIGKILL before its `step`th change. Whether it came so far."""
    child = os.fork()
    if child == 0:
        left = step

        def come() -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        for name in STEPS:
            real: Callable[..., Any] = getattr(os, name)

            def counted(*given: Any, real: Callable[..., Any] = real, **named: Any) -> Any:
                come()
                return real(*given, **named)

            setattr(os, name, counted)
        real_open: Callable[..., Any] = io.open

        def opened(*given: Any, **named: Any) -> Any:
            stream = real_open(*given, **named)
            if len(given) > 1 and given[1] != "rb":
                come()  # it is empty now
            return stream

        io.open = opened
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the update itself failed"
    return os.WIFSIGNALED(status)


def whole_and_tidy(root: Path, bundle: Path) -> None:
    assert read_manifest(root).sha256 == read_manifest(bundle).sha256
    assert differences(root) == ()
    assert left_over(root) == []


@pytest.fixture
def signer(tmp_path: Path) -> SecretKey:
    return making.key(tmp_path)


@pytest.fixture
def bundles(tmp_path: Path, signer: SecretKey) -> tuple[Path, Path, Path]:
    old = make_bundle(tmp_path / "old", signer, size=20_000)
    new = make_bundle(tmp_path / "new", signer, size=20_000, created=making.NEWER, version=2)
    return old, new, make_bundle(tmp_path / "newest", signer, size=20_000, created=making.NEWEST, version=3)


@pytest.mark.parametrize("offer", ["bundle", "delta"])
def test_an_update_killed_at_every_step_leaves_a_bundle_that_starts(tmp_path: Path, bundles: tuple[Path, Path, Path], offer: str) -> None:
    old, new, newest = bundles
    given = new
    if offer == "delta":
        given = tmp_path / NOTE
        make_delta(read_old(old), open_folder(new), given, Terms(), Heard())
    step, seen = 0, set()
    while True:
        root = fresh(old, tmp_path / f"stick{step}")
        if not killed_at(step, partial(update, given, root, Terms(), Heard())):
            break
        seen.add(starts(root, old, new).created)
        # Whoever comes next brings the same bundle, or one that is newer still.
        update(*((given, root) if step % 2 else (newest, root)), Terms(), Heard())
        whole_and_tidy(root, new if step % 2 else newest)
        assert library_is_whole(root)
        shutil.rmtree(root)
        step += 1
    assert seen == {making.OLDER, making.NEWER}
    assert step > 30


def test_a_replacement_by_another_key_s_bundle_killed_at_every_step_leaves_one_that_starts(tmp_path: Path, bundles: tuple[Path, Path, Path]) -> None:
    old = bundles[0]
    foreign = make_bundle(tmp_path / "foreign", making.key(tmp_path, "stranger"), size=20_000, created=making.NEWER, version=2)
    step = 0
    while True:
        root = Path(shutil.copytree(old, tmp_path / f"stick{step}"))
        if not killed_at(step, partial(update, foreign, root, Terms(replace=True), Heard())):
            break
        starts(root, old, foreign)
        update(foreign, root, Terms(replace=True), Heard())
        whole_and_tidy(root, foreign)
        step += 1
    assert step > 30


def test_a_first_copy_killed_at_every_step_goes_on(tmp_path: Path, bundles: tuple[Path, Path, Path]) -> None:
    old, new, _ = bundles
    step = 0
    while killed_at(step, partial(write, old, tmp_path / f"stick{step}", Heard())):
        root = tmp_path / f"stick{step}"
        if (root / MANIFEST).exists():
            starts(root, old)
        elif (root / (MANIFEST + SUCCESSOR)).exists() and step % 2:
            write(new, root, Heard())  # another bundle instead, where none has been yet
            whole_and_tidy(root, new)
            step += 1
            continue
        write(old, root, Heard())
        whole_and_tidy(root, old)
        step += 1
    assert step > 20


def test_the_next_run_may_be_killed_too_and_may_bring_yet_another_bundle(tmp_path: Path, bundles: tuple[Path, Path, Path]) -> None:
    old, new, newest = bundles
    chance = random.Random(5)
    steps = next(step for step in range(1000) if not killed_at(step, partial(update, new, fresh(old, tmp_path / f"probe{step}"), Terms(), Heard())))
    last = range(steps - 20, steps)  # where the small files and the lists change
    for pair in range(30):
        root = fresh(old, tmp_path / f"stick{pair}")
        assert killed_at(chance.choice(last) if pair % 2 else chance.randrange(steps), partial(update, new, root, Terms(), Heard()))
        for offered in (newest, new if read_manifest(root).sha256 == read_manifest(old).sha256 else newest, newest):
            killed_at(chance.randrange(30), partial(update, offered, root, Terms(allow_downgrade=True), Heard()))
            starts(root, old, new, newest)
        update(newest, root, Terms(), Heard())
        whole_and_tidy(root, newest)
        assert library_is_whole(root)
        shutil.rmtree(root)


def fresh(bundle: Path, root: Path) -> Path:
    shutil.copytree(bundle, root)
    put_library(root)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fat", "exfat"])
def test_a_stick_pulled_out_at_random_moments_of_an_update(tmp_path: Path, signer: SecretKey, kind: Literal["fat", "exfat"]) -> None:
    """The program is killed twelve times, the next one going on each time; and before each kill the image is copied as it is, which is what a
    power cut would leave of it: of exFAT, only what had been synced. On FAT it is stopped by Ctrl+C instead: fusefat itself dies now and then
    of a client that is killed in the middle of a call."""
    old = make_bundle(tmp_path / "old", signer, size=4_000_000)
    new = make_bundle(tmp_path / "new", signer, size=4_000_000, created=making.NEWER, version=2)
    chance = random.Random(11)
    command = [sys.executable, "-m", "bundle.cli", "update", str(new)]
    cuts: list[Path] = []
    with (fat_image if kind == "fat" else exfat_image)(tmp_path, 48 * MIB) as stick:
        root = stick.mount / "haversack"
        write(old, root, Heard())
        put_library(root)
        os.sync()
        ended = 0
        for kill in range(KILLS):
            with subprocess.Popen([*command, str(root)], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
                assert process.stderr is not None
                process.stderr.readline()  # it says that it checks the bundle; from here on, it reads and writes
                time.sleep(chance.uniform(0, 0.25))
                process.send_signal(signal.SIGSTOP)
                cuts.append(Path(shutil.copy(stick.image, tmp_path / f"cut{kill}.img")))
                process.send_signal(signal.SIGKILL if kind == "exfat" else signal.SIGINT)
                process.send_signal(signal.SIGCONT)
                process.wait()
                ended += process.returncode == 0
            starts(root, old, new)
            assert library_is_whole(root)
        update(new, root, Terms(), Heard())
        whole_and_tidy(root, new)
        assert library_is_whole(root)
    for cut in cuts:
        with mounted(cut, kind) as stick:
            root = stick.mount / "haversack"
            starts(root, old, new)
            assert library_is_whole(root)
            update(new, root, Terms(), Heard())
            whole_and_tidy(root, new)
        cut.unlink()
