#!/bin/sh
# Every loss in a whole run; what a ratio known up to a function of x cannot say.
. "$(dirname "$0")/lib.sh"

# item FILE PATH: an item of the first row.
item() {
    value "$1/$2" "['rows'][0]$3"
}

for loss in nre_a nre_b nre_c bnre bcnre; do
    exits 0 "$loss" "$NEREID" -q run small.yaml -o $loss --set train.loss.name=$loss \
        --set train.loss.marginals=3 --set train.loss.gamma=2 --set train.loss.lambda=1 \
        --set train.epochs=16
    gain=$(item $loss diagnostics/coverage.json "['gain']")
    python3 -c "import sys; sys.exit(not 0.3 < $gain < 0.9)"
    ok $? "$loss: a posterior that knows something: gain $gain"
done

for loss in nre_a nre_c bnre bcnre; do
    area=$(item $loss tables/posterior.json "['area']")
    python3 -c "import sys; sys.exit(not 0.2 < $area < 5)"
    ok $? "$loss: area $area"
    [ "$(item $loss diagnostics/coverage.json "['information']")" != None ]
    ok $? "$loss: mean of log r"
done
for number in "['area']" "['area_rank']"; do
    [ "$(item nre_b tables/posterior.json "$number")" = None ]
    ok $? "nre_b: no $number"
done
item nre_b tables/posterior.json "['reason']" >reason
has reason "up to a function of x"
[ "$(item nre_b diagnostics/coverage.json "['information']")" = None ]
ok $? "nre_b: no mean of log r"
item nre_b diagnostics/coverage.json "['reason']" >reason
has reason "up to a function of x"
has nre_b/tables/posterior.md "Its ratio has no area"
has nre_b/tables/posterior.tex "n/a"

python3 "$SOURCE/tests/program/npy.py" write theta.npy f8 2 0.2 -0.1
python3 "$SOURCE/tests/program/npy.py" write x.npy f4 2 0.15 -0.3
exits 0 "evaluate" "$NEREID" evaluate nre_b --theta theta.npy --x x.npy -o out.npy
has err "log ratio (up to a function of x)"
exits 0 "evaluate" "$NEREID" evaluate nre_c --theta theta.npy --x x.npy -o out.npy
hasnt err "up to a function of x"
finish
