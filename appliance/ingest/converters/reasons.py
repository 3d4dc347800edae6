"""What the ledger says of a page that was not read whole: the same words from every reader."""

from __future__ import annotations

NO_TEXT = "no text: probably a scan"
NOT_READ = "page not read: "
IN_PART = "page read in part: its content is damaged"
