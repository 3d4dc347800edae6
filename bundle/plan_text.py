"""A plan as people read it, and as programs do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from appliance.printable import counted
from bundle.licences import Licence
from bundle.plan import Plan, Stick
from bundle.progress import size_text
from bundle.sources import Resolved

_CARRIED = {"yes": "yes", "conditions": "on conditions", "no": "no", "unknown": "not known"}
_SYSTEMS = {"fat32": "FAT32", "exfat": "exFAT"}


def plan_text(plan: Plan) -> str:
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    spec, space = plan.spec, plan.space
    yield f"Profile {spec.profile}: {spec.title}"
    pairs = list(zip(plan.resolved, plan.licences, strict=True))
    yield from _table([("item", "model", "size", "licence", "may be carried", "source", "here"), *(_row(one, licence) for one, licence in pairs)])
    for one, licence in pairs:
        if licence.obliges:
            yield f"{one.item.title}: {licence.obliges}"
        if one.gated:
            yield f"{one.item.title} is given only to those who accept its terms at {one.gated}; then set HF_TOKEN."
    for runtime in plan.runtimes:
        state = f"missing: {'; '.join(runtime.missing)}" if runtime.missing else f"about {size_text(runtime.bytes)}"
        yield f"Runtime for {runtime.platform} ({runtime.provider}): {state}"
    for pack in plan.packs:
        documents = counted(pack.files, "document")
        yield f"Pack {pack.name}: {documents}, {size_text(pack.bytes)}, and their text and vectors on top."
    yield f"To download: {size_text(space.download)}. Space while building: {size_text(space.download + space.build)}."
    sticks = ", ".join(f"{size_text(stick.bytes)} on {_stick(stick)}" for stick in plan.sticks)
    yield f"On the stick: about {plan.sticks[0].files} files, {sticks}."
    memory = plan.memory
    meant = f" of the {memory.ram_gb} GB that the laptops are to have" if memory.ram_gb else ""
    yield f"Memory: about {size_text(memory.needed)}{meant}: " + ", ".join(f"{name} {size_text(count)}" for name, count in memory.parts) + "."
    if memory.guessed:
        yield "How much memory its context takes is not known for this model; Qwen3 4B's was counted."
    yield from plan.warnings
    yield "Nothing was downloaded; `build` does it."


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(one: Resolved, licence: Licence) -> tuple[str, ...]:
    here = "yes" if one.cached >= one.download else size_text(one.cached) if one.cached else "no"
    carried = "accepted" if licence.accepted and licence.redistributable != "yes" else _CARRIED[licence.redistributable]
    return one.item.role, one.item.title, size_text(one.download), licence.id, carried, _source(one), here


def _source(one: Resolved) -> str:
    pin = one.record.get("version") or one.record.get("revision", "")[:12]
    return f"{one.record['kind']} {one.record['name']} {pin}".rstrip()


def _stick(stick: Stick) -> str:
    return f"{_SYSTEMS[stick.filesystem]} with {stick.cluster >> 10} KiB clusters"


def plan_json(plan: Plan, output: Path) -> dict[str, Any]:
    spec, space, memory = plan.spec, plan.space, plan.memory
    return {
        "profile": spec.profile,
        "title": spec.title,
        "output": str(output),
        "languages": list(spec.languages),
        "filesystem": spec.filesystem,
        "items": [_item(one, licence) for one, licence in zip(plan.resolved, plan.licences, strict=True)],
        "runtimes": [{"platform": one.platform, "provider": one.provider, "missing": list(one.missing), "size": one.bytes} for one in plan.runtimes],
        "packs": [{"name": one.name, "files": one.files, "size": one.bytes} for one in plan.packs],
        "space": {"download": space.download, "build": space.build, "bundle": space.bundle},
        "stick": [{"filesystem": one.filesystem, "cluster": one.cluster, "files": one.files, "size": one.bytes} for one in plan.sticks],
        "memory": {"needed": memory.needed, "ram": memory.ram_gb << 30, "fits": memory.fits, "parts": dict(memory.parts), "guessed": memory.guessed},
        "warnings": list(plan.warnings),
        "refused": list(plan.refusals),
    }


def _item(one: Resolved, licence: Licence) -> dict[str, Any]:
    return {
        "role": one.item.role,
        "id": one.item.id,
        "title": one.item.title,
        "licence": licence.id,
        "redistributable": licence.redistributable,
        "accepted": licence.accepted,
        "obliges": licence.obliges,
        "source": dict(one.record),
        "size": one.download,
        "cached": one.cached,
        "gated": one.gated,
        "files": [{"path": file.path, "size": file.size, "digest": file.digest} for file in one.files],
    }
