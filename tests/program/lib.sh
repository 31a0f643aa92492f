# Helpers of the tests of the whole program.  A test is a shell script that prints TAP; its
# environment: NEREID the program, PLUGINS the folder of bad plugins, SOURCE the source tree.
set -u
export LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/nereid-program-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
cp "$SOURCE/tests/program/small.yaml" small.yaml || exit 1
count=0

# ok STATUS WHAT: one result; 0 is good.
ok() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

finish() {
    echo "1..$count"
}

# exits CODE WHAT COMMAND...: its streams go to ./out and ./err.
exits() {
    wanted=$1 what=$2
    shift 2
    "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$wanted" ]
    good=$?
    ok $good "$what: exit $wanted"
    if [ $good -ne 0 ]; then
        echo "# exit $got of: $*"
        sed 's/^/# /' err | tail -n 20
    fi
}

# has FILE TEXT: the file has this text, literally.
has() {
    grep -qF -e "$2" "$1"
    good=$?
    ok $good "$1 says: $2"
    [ $good -eq 0 ] || sed 's/^/# /' "$1" | tail -n 20
}

hasnt() {
    ! grep -qF -e "$2" "$1"
    ok $? "$1 does not say: $2"
}

there() {
    [ -e "$1" ]
    ok $? "$1 is there"
}

# Checksums of all that must be the same bits: no times, no log.
bits() {
    (cd "$1" && find -L data model posterior diagnostics tables -type f ! -name 'timing.*' \
        ! -name checkpoint.h5 | sort | xargs sha256sum)
}

# same A B WHAT: two run directories with the same results.
same() {
    bits "$1" >bits.a
    bits "$2" >bits.b
    [ -s bits.a ] && cmp -s bits.a bits.b
    good=$?
    ok $good "$3: the same bits"
    [ $good -eq 0 ] || diff bits.a bits.b | sed 's/^/# /'
}

# until_true SECONDS COMMAND...: ask again and again.
until_true() {
    tries=$(($1 * 50))
    shift
    while [ $tries -gt 0 ]; do
        "$@" 2>/dev/null && return 0
        tries=$((tries - 1))
        sleep 0.02
    done
    return 1
}

# begun DIR UNIT: the log of a run says that this unit runs.
begun() {
    grep -qs "$2: runs" "$1/log.txt"
}

# value FILE PATH: an item of a JSON file, by python: value t.json "['rows'][0]['gain']".
value() {
    python3 -c "import json, sys; print(json.load(open(sys.argv[1]))$2)" "$1"
}
