#!/bin/sh
# Starts Haversack from the stick that this file lies on. Nothing is installed: the software is unpacked once into a folder of your own.
#
#   sh start-linux.sh                      the page, in your browser
#   sh start-linux.sh ask "…" --collection reports
#   --portable                             keep everything on the stick
#   --leave-no-trace                       remove the unpacked software at the end, and keep the library on the stick
#
# It prints to stderr alone, so that what `haversack` prints can be used by other programs.
set -u
umask 077

say() { printf '%s\n' "$*" >&2; }
stop() { say "$1"; exit "${2:-3}"; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || exit 1
case $(uname -s)-$(uname -m) in
    Linux-x86_64 | Linux-amd64) platform=linux-x64 ;;
    Linux-aarch64 | Linux-arm64) platform=linux-arm64 ;;
    Darwin-arm64) platform=macos-arm64 ;;
    Darwin-x86_64) platform=macos-x64 ;;
    *) stop "Haversack doesn't run on this machine ($(uname -s), $(uname -m)). Take a laptop with a 64-bit Intel, AMD or ARM processor." ;;
esac
# numpy's wheels ask for x86-64-v2, and would end in an illegal instruction.
if [ "$platform" = linux-x64 ] && [ -r /proc/cpuinfo ] && ! grep -qw sse4_2 /proc/cpuinfo; then
    stop "This processor is too old for Haversack, which needs one of 2009 or later (with SSE 4.2). Take another laptop."
fi

case ${HAVERSACK_PORTABLE:-} in
    1 | [Tt]rue | [Yy]es | [Oo]n) portable=1 ;;
    *) portable= ;;
esac
traceless=
count=$#
while [ "$count" -gt 0 ]; do
    case $1 in
        --portable) portable=1 ;;
        --leave-no-trace) traceless=1 ;;
        *) set -- "$@" "$1" ;;
    esac
    shift
    count=$((count - 1))
done
case ${1:-} in
    '') set -- serve --open ;;
    -h | --help | --version) ;;
    -*) set -- serve --open "$@" ;;
esac

# --- which archives, and are they whole? -----------------------------------------------------------------------------------
sums=$here/SHA256SUMS
[ -r "$sums" ] || stop "SHA256SUMS is missing beside this file, so nothing here can be checked. Copy the bundle again."

listed() { grep -E "^[0-9a-f]{64}  runtime/$1-[0-9a-f]{8}\.tar\.gz\$" "$sums" | head -n 1; }
sha256() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256 <"$1"
    elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r <"$1"
    fi | cut -c1-64
}
check() {
    [ -r "$here/$2" ] || stop "$2 is missing on the stick. Copy the bundle again."
    found=$(sha256 "$here/$2")
    [ -n "$found" ] || stop "This system has no program that checks a file (sha256sum, shasum or openssl), so the software can't be trusted. Install one of them."
    [ "$found" = "$1" ] || stop "$2 is not as it was built: the stick is damaged, or somebody changed it. Copy the bundle again."
}

base=$(listed "$platform")
ours=$(listed haversack)
if [ -z "$base" ] || [ -z "$ours" ]; then
    there=$(sed -n 's|^.\{64\}  runtime/\([a-z]*-[a-z0-9]*\)-[0-9a-f]\{8\}\.tar\.gz$|\1|p' "$sums" | grep -v '^haversack' | tr '\n' ' ')
    stop "This bundle holds no software for $platform (it has: ${there:-none}). Have one built with --platform $platform."
fi

# --- where to unpack: the user's cache, the temporary folder, the stick: the first that can be written and run from ----------
usable() {
    mkdir -p "$1" 2>/dev/null || return 1
    (printf '#!/bin/sh\nexit 0\n' >"$1/.try-$$") 2>/dev/null || return 1
    chmod 700 "$1/.try-$$" 2>/dev/null # a stick has no such rights, and may refuse
    "$1/.try-$$" 2>/dev/null
    fits=$?
    rm -f "$1/.try-$$"
    return $fits
}
room() { # whether $1 has $2 KiB to spare
    free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ "${free:-0}" -gt "$2" ]
}
hash_of() { printf '%s' "$1" | cut -c1-16; }
size=$(wc -c <"$here/${base#*  }" 2>/dev/null)
needed=$((${size:-0} * 7 / 2048)) # in KiB: what is packed was up to 3.3 times as large
temporary=${TMPDIR:-/tmp}

own=
if [ -n "$traceless" ]; then
    own=$(mktemp -d "$temporary/haversack.XXXXXX" 2>/dev/null) || own=$here/data/traceless-$$
    if usable "$own" && room "$own" "$needed"; then
        place=$own
    else
        rm -rf "$own"
        stop "There is no place for the software: $temporary can't be written or has no $((needed / 1024)) MB free." 1
    fi
else
    place=
    try() {
        usable "$1" && { [ -f "$1/runtime/$(hash_of "$base")/.whole" ] || room "$1" "$needed"; } && place=$1
    }
    mine() { # in a folder that everybody may write to, another user could have made it first
        mkdir -p "$1" 2>/dev/null && [ -O "$1" ] && [ ! -L "$1" ] && try "$1"
    }
    looked="your cache folder, $temporary, the stick"
    if [ -n "$portable" ]; then
        looked="the data folder on the stick"
        try "$here/data"
    else
        try "${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/haversack" || mine "$temporary/haversack-$(id -u)" || try "$here/data"
    fi
    [ -n "$place" ] || stop "There is no place for the software. Looked at: $looked; none can be written, run from, and has $((needed / 1024)) MB free." 1
fi

unpack() { # $1: hash and path as listed; unpacked under a name of its own, renamed when whole
    hash=$(hash_of "$1")
    [ -f "$place/runtime/$hash/.whole" ] && return
    check "${1%%  *}" "${1#*  }"
    for stale in "$place"/runtime/.unpacking-*; do
        kill -0 "${stale##*-}" 2>/dev/null || rm -rf "$stale"
    done
    part=$place/runtime/.unpacking-$hash-$$
    mkdir -p "$part"
    # -m, -o: a stick keeps neither times nor owners, and refuses to be told
    if ! tar -xzmo -f "$here/${1#*  }" -C "$part" >&2; then
        rm -rf "$part"
        stop "${1#*  } could not be unpacked into $place. Free some space there and start again." 1
    fi
    # Written when all else is on the disk: after a power cut, a folder that only looks right has no such file, and is made anew.
    sync
    printf '%s\n' "${1%%  *}" >"$part/.whole"
    if [ -d "$place/runtime/$hash" ] && [ ! -f "$place/runtime/$hash/.whole" ]; then rm -rf "$place/runtime/$hash"; fi
    mv "$part" "$place/runtime/$hash" 2>/dev/null
    # Another start may have been quicker: then it was moved into that one's folder, or not at all.
    rm -rf "$part" "$place/runtime/$hash/${part##*/}"
    [ -f "$place/runtime/$hash/.whole" ] || stop "$place/runtime can't be written." 1
}
child=
stopping=
if [ -n "$own" ]; then
    # Not every shell comes by EXIT when a signal ends it.
    trap 'rm -rf "$own"' EXIT
    trap 'stopping=1; if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null; else exit 143; fi' INT TERM HUP
fi
[ -f "$place/runtime/$(hash_of "$base")/.whole" ] || say "Unpacking the software into $place/runtime (once, about half a minute; the folder can be deleted at any time)."
unpack "$base"
unpack "$ours"
image=$place/runtime/$(hash_of "$base")
code=$place/runtime/$(hash_of "$ours")

# --- can it run here? --------------------------------------------------------------------------------------------------------
wanted=$(cat "$image/LIBC" 2>/dev/null)
if [ -n "$wanted" ]; then
    has=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
    [ -n "$has" ] || stop "This Linux has no GNU C library (Alpine, perhaps), and this bundle needs glibc $wanted. Take another laptop."
    newest=$(printf '%s\n%s\n' "$has" "$wanted" | sort -t. -k1,1n -k2,2n | tail -n 1)
    [ "$newest" = "$has" ] || stop "This Linux is too old for this bundle: it has glibc $has, and $wanted is needed. Have the bundle built with an older interpreter (--interpreter)."
fi
unset PYTHONHOME PYTHONPATH
if [ -d "$image/packages" ]; then
    python=$(command -v "python$(cat "$image/PYTHON")") || stop "This bundle needs Python $(cat "$image/PYTHON") on the machine, and there is none."
    export PYTHONPATH="$image/packages"
    isolated=-sP
else
    python=$image/python/bin/python3
    isolated=-I
fi

: "${HAVERSACK_BUNDLE:=$here}"
export HAVERSACK_BUNDLE
# What was unpacked: compared with the signed list, which this script can't read.
export HAVERSACK_STARTED_FROM="$here" HAVERSACK_ARCHIVES="${base%%  *}:${base#*  } ${ours%%  *}:${ours#*  }"
if [ -n "$traceless" ] && [ -z "${HAVERSACK_HOME:-}" ]; then
    if mkdir -p "$here/data" 2>/dev/null && [ -w "$here/data" ]; then
        portable=1
    else
        export HAVERSACK_HOME="$own/library"
        say "The stick can't be written, and no trace is to be left: what you put in is gone when Haversack stops."
    fi
fi
[ -z "$portable" ] || export HAVERSACK_PORTABLE=1

if [ -z "$own" ]; then
    exec "$python" "$isolated" "$code/haversack.py" "$@"
fi
# The copy is removed at the end, so this shell stays; it hands on the wish to stop. (In the background a program ignores Ctrl+C.)
exec 3<&0
"$python" "$isolated" "$code/haversack.py" "$@" <&3 &
child=$!
[ -z "$stopping" ] || kill -TERM "$child" 2>/dev/null
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
exit "$code"
