"""Which language model writes: the base camp's, and where that fails, the one on this machine with a sentence that says so."""

from __future__ import annotations

from appliance.basecamp.link import Link
from appliance.basecamp.writer import RemoteWriter
from appliance.errors import BaseCampFailed
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.writes import ChoosesModel, Writes


class Camp:
    """Chooses as the shelf does, with the base camp first. Safe from many threads."""

    def __init__(self, link: Link, local: ChoosesModel) -> None:
        self.writer = RemoteWriter(link)
        self._local = local

    def generator(self, name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> Writes:
        """The base camp's model, unless one of this machine is named: to be asked, or the local one with a note while the base camp fails.

        A question is completed here, always: that waits for no network. Raises what the shelf raises.
        """
        if name or purpose == "rewriting":
            return self._local(name, purpose=purpose, parameters=parameters)
        try:
            self.writer.start()
            return self.writer
        except BaseCampFailed as error:
            local = self._local("", purpose=purpose, parameters=parameters)
            local.note = f"{error} {local.name} on this machine answered instead."
            return local

    @property
    def sentence(self) -> str:
        """How it is with the base camp's model, for the page."""
        failure = self.writer.breaker.last
        if failure is not None:
            return f"{failure} The model on this machine answers; the base camp is tried again in a while."
        if self.writer.ready:
            return f"{self.writer.name} answers, unless a model of this machine is chosen. {self.writer.settings.advice}"
        return f"{self.writer.place.shown} is asked with the first question."
