#!/bin/sh
# Damaged and missing files: a sentence that names them, the right exit code, and everything else
# still usable.
. "$(dirname "$0")/lib.sh"

# flip FILE OFFSET: invert one byte.
flip() {
    python3 - "$1" "$2" <<'EOF'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 0xFF]))
EOF
}

run() {
    "$NEREID" run small.yaml -o run --set datasets.train.shard=1000 "$@"
}

exits 0 "first run" run -q
cp -r run whole
shard=run/data/train/shard-00002.h5

flip $shard 20000
exits 5 "a damaged shard" run --resume --set train.epochs=5
has err "shard-00002.h5"
there run/FAILED
rm $shard
exits 0 "without it" run --resume
has err "simulate/train: runs"
has err "simulate/validation: reused (same inputs)"
same whole run "one shard simulated anew"
inode=$(stat -c %i run/data/train/shard-00001.h5)
rm $shard
exits 0 "a shard is missing" run --resume
has err "simulate/train: runs (a shard of run/data/train is gone)"
[ "$(stat -c %i run/data/train/shard-00001.h5)" = "$inode" ]
ok $? "the other shards were kept"
same whole run "a missing shard"
flip $shard 20000
exits 5 "a damaged shard again" run --resume --set train.epochs=5
exits 0 "resume makes it anew as well" run --resume
has err "shard-00002.h5"
same whole run "after a damaged shard"
[ ! -e run/FAILED ] && [ -e run/DONE ]
ok $? "DONE in the place of FAILED"

weights=run/model/all/member-0/weights.h5
truncate -s 3000 $weights
exits 5 "truncated weights" run --resume --set infer.sampler.draws=400
has err "weights.h5"
exits 5 "truncated weights, infer" "$NEREID" infer run --observation "$work/none.csv"
printf '0.1,0.2\n' >x.csv
exits 5 "truncated weights, infer" "$NEREID" infer run --observation x.csv -o i
has err "weights.h5"
exits 0 "trained anew" run --resume
has err "train/all: runs"
same whole run "after truncated weights"

echo '{"rows": [' >run/diagnostics/coverage.json
exits 5 "half a result" run --resume
has err "run/diagnostics/coverage.json"
rm run/diagnostics/coverage.json
exits 0 "without it" run --resume
same whole run "after half a result"
echo '{' >run/stages.json
exits 0 "half a list of stages" run --resume
has err "every stage runs again"
same whole run "after half a list of stages"

# A disk that fills up in the middle of the run; 512-byte blocks.
small="--set datasets.train.n=500 --set datasets.validation.n=500 --set datasets.test.n=500
    --set diagnose.coverage.observables=250 --set datasets.train.shard=0"
# shellcheck disable=SC2086
exits 0 "a small run" "$NEREID" -q run small.yaml -o small $small
full() {
    # shellcheck disable=SC2086
    (ulimit -f 80 && exec "$NEREID" run small.yaml -o full $small)
}
exits 5 "no file beyond 40 KiB" full
has err "train/all: done"
has err "samples.nc"
# shellcheck disable=SC2086
exits 0 "space again" "$NEREID" run small.yaml -o full --resume $small
has err "train/all: reused (same inputs)"
same small full "after a full disk"

mkdir disk
if mount -t tmpfs -o size=160k none disk 2>/dev/null; then
    # shellcheck disable=SC2086
    exits 5 "a full disk" "$NEREID" run small.yaml -o disk/run $small
    has err "No space left on device"
    has err "simulate/test: done"
    mount -o remount,size=4m disk
    # shellcheck disable=SC2086
    exits 0 "a larger disk" "$NEREID" run small.yaml -o disk/run --resume $small
    has err "simulate/test: reused (same inputs)"
    same small disk/run "after a full disk"
    umount disk
else
    skip "a full disk" "tmpfs needs root"
fi

full_output() {
    "$NEREID" plugins >/dev/full
}
exits 5 "results that cannot be printed" full_output
finish
