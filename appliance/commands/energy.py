"""`haversack energy`: what answering and reading has cost, and how that is known."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from appliance.commands.opening import open_holdings
from appliance.config import Settings
from appliance.energy.account import Account
from appliance.energy.meter import Meter
from appliance.library.consumption import Consumption, Day
from appliance.printable import counted


def energy(settings: Settings, given: argparse.Namespace) -> int:
    with open_holdings(settings, write=False) as library:
        account = Account(Meter(), Consumption(library))
        days, charge = account.days(), account.charge()
    if given.json:
        shown = [{**asdict(day), "watt_hours": day.watt_hours} for day in days]
        data = {"method": account.meter.method, "sentence": account.meter.sentence, "days": shown, "battery": asdict(charge) if charge else None}
        print(json.dumps(data, ensure_ascii=False))
        return 0
    print(account.meter.sentence)
    if charge:
        print(charge.sentence)
    for day in days:
        print(_line(day))
    if not days:
        print("Nothing was answered or read yet.")
    return 0


def _line(day: Day) -> str:
    most = max(day.watt_hours * (1 + day.plus_minus), 0.0)
    least = max(day.watt_hours * (1 - day.plus_minus), 0.0)
    what = f"{counted(day.answers, 'answer')}, {counted(day.documents, 'document')}"
    return f"{day.date}  {day.watt_hours:.3f} Wh ({least:.3f} to {most:.3f}), {what}; {' and '.join(day.methods)}"
