"""For schemathesis: requests that get past the first check, and answers that are short. What it makes up stays what it made up otherwise."""

import schemathesis

SMALL, TOOLS, FIELD = "smollm2-135m-instruct", "with-tools", "smollm2-135m-instruct@field-notes"
LONGEST = 6
"""Tokens: an answer takes some tenths of a second instead of a minute."""


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("model"), str) and len(body["model"]) % 4:  # a quarter stays unknown
        body["model"] = (SMALL, TOOLS, FIELD)[len(body["model"]) % 3]
        body.pop("collection", None)
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if not isinstance(body.get(name), (str, bool, float, dict, list)) and case.operation.path.startswith("/v1"):
            body[name] = min(body[name], LONGEST) if isinstance(body.get(name), int) else LONGEST
    options = body.setdefault("options", {}) if case.operation.path in ("/api/chat", "/api/generate") else None
    if isinstance(options, dict):
        options["num_predict"] = LONGEST
        options.pop("num_ctx", None)  # another context means that the model is loaded anew
    elif options is None and case.operation.path in ("/api/chat", "/api/generate"):
        body["options"] = {"num_predict": LONGEST}
