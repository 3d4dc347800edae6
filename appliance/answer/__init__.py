"""The ask pipeline: retriever → evidence → prompt → generator → citations → checks → answer."""
