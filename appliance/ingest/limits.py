"""What one untrusted file may take of this machine, and the names of the kinds of files. Figures are measured or sourced where they stand."""

from __future__ import annotations

import sys

from appliance.offline.filter import restrict

MEMORY = 1 << 30
"""Bytes of address space of a worker: a DOCX of 2 MB that unpacks to 2 GB ends with a MemoryError after 1.6 s, not with the laptop swapping."""
MEMORY_WORDS = "1 GB of memory"
SECONDS = 60.0
"""Wall clock for a file without pages, and what a PDF is given before its pages are counted."""
SECONDS_PER_PAGE = 0.3
"""Added for each page of a PDF: 60 s per 200 pages. pdfium takes 3 ms a page and pypdf 60 ms on a slow core."""
SILENCE = 30.0
"""Wall clock for one page. A PDF of 32 KB with 600,000 text operators keeps pypdf busy for 13 s; then its own limit trips."""
CPU_SECONDS = 30
"""For a file without pages. What a PDF may take follows from its pages; the parent's clock holds for it as well."""
OPEN_FILES = 64

PAGES = 20_000
PAGE_CHARACTERS = 1_000_000
DOCUMENT_CHARACTERS = 40_000_000
"""Over 20 books of 1,000 pages. What is beyond is a bomb, or a dump that nobody asks questions of."""
HEADINGS = 10_000
FRAME_BYTES = 192 << 20
"""A frame holds a page at most; DOCUMENT_CHARACTERS in four bytes each fit."""

ENTRIES = 2_000
ENTRY_BYTES = 32 << 20
ARCHIVE_BYTES = 128 << 20
RATIO = 200
"""Bytes out per byte in, over an entry of 1 MB: text packs 3–20 to one, deflate's end is 1,032 to one."""
RATIO_FROM = 1 << 20
STREAM_BYTES = 32 << 20
"""One stream of a PDF, unpacked by pypdf (its own default is 75 MB)."""


def confine(cpu_seconds: int = CPU_SECONDS) -> tuple[str, ...]:
    """Put this process under the limits above and off the network; the names of those that this platform doesn't have."""
    missing: list[str] = []
    if sys.platform == "win32":
        missing.append("memory and time")
    else:
        import resource

        grants = [
            (resource.RLIMIT_CORE, 0, 0),
            (resource.RLIMIT_FSIZE, 0, 0),
            (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
            # The hard limit stays far above, so that a PDF can be granted more once its pages are counted.
            (resource.RLIMIT_CPU, cpu_seconds, 3600 * 4),
            (resource.RLIMIT_AS, MEMORY, MEMORY),
        ]
        for kind, soft, hard in grants:
            try:
                now = resource.getrlimit(kind)[1]
                hard = hard if now == resource.RLIM_INFINITY else min(hard, now)
                resource.setrlimit(kind, (min(soft, hard), hard))
            except (OSError, ValueError):  # macOS knows no limit on address space
                missing.append("memory" if kind == resource.RLIMIT_AS else "time")
    if not restrict(DENIED):
        missing.append("network")
    return tuple(missing)


def grant_cpu(seconds: int) -> None:
    """Let this process use more CPU time than it was given at first."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, hard), hard))


DENIED = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("execve", "execveat", "clone", "clone3", "fork", "vfork", "kill", "pidfd_send_signal", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key"),
    *("unshare", "setns", "mount", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat"),
    *("renameat2", "link", "linkat", "symlink", "symlinkat", "chmod", "fchmodat", "truncate"),
)
"""What reading a document never needs: the network, other programs and processes, and every change to a file's name."""
