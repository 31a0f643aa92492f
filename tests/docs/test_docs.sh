#!/bin/sh
# Do the pages still tell the truth?  Links lead somewhere, keys are known, plugins are named.
# Environment: NEREID the program, SOURCE the source tree.
set -u
export LC_ALL=C
cd "$SOURCE" || exit 1
count=0
pages="README.md CONTRIBUTING.md CHANGELOG.md $(echo docs/*.md)"

# ok PROBLEMS WHAT: good when PROBLEMS is empty.
ok() {
    count=$((count + 1))
    if [ -z "$1" ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        echo "$1" | sed 's/^/# /'
    fi
}

# Anchors of a page, as forges make them from its headings.
anchors() {
    sed -n 's/^#\{1,6\} //p' "$1" | tr 'A-Z' 'a-z' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

links_of() {
    grep -o '](\([^)]*\))' "$1" | sed 's/^](//; s/)$//' | grep -v '^[a-z]*://'
}

broken=
for page in $pages; do
    for link in $(links_of "$page"); do
        file=${link%%#*}
        path=$page
        [ -z "$file" ] || path=$(dirname "$page")/$file
        if [ ! -e "$path" ]; then
            broken="$broken$page: $link leads nowhere
"
        elif [ "$link" != "$file" ] && ! anchors "$path" | grep -qx -e "${link#*#}"; then
            broken="$broken$page: $link: no such heading
"
        fi
    done
done
ok "$broken" "every relative link leads somewhere"

unlinked=
for page in docs/*.md; do
    links_of README.md | grep -q "^$page" || unlinked="$unlinked$page
"
done
ok "$unlinked" "the README leads to every page"

# Keys in the first column of config.md, and those that `init` writes.
sed -n 's/^| `\([a-z_.0-9]*\)` |.*/\1/p' docs/config.md | sort -u >"${TMPDIR:-/tmp}/nereid-keys.$$"
trap 'rm -f "${TMPDIR:-/tmp}/nereid-keys.$$"' EXIT
keys=${TMPDIR:-/tmp}/nereid-keys.$$
[ "$(wc -l <"$keys")" -gt 50 ]
[ $? -eq 0 ] && few= || few="only $(wc -l <"$keys")"
ok "$few" "config.md has the keys"

unknown=
while read -r key; do
    "$NEREID" explain "$key" >/dev/null 2>&1 || unknown="$unknown$key
"
done <"$keys"
ok "$unknown" "every key of config.md is known to nereid explain"

# The path of a key is that of the lines above it with a smaller indent.
missing=$("$NEREID" init | sed 's/^\( *\)# \([a-z0-9_]*:\)/\1\2/' | awk '
    match($0, /^ *[a-z][a-z0-9_]*:/) {
        indent = match($0, /[a-z]/) - 1
        name = $0; sub(/^ */, "", name); sub(/:.*/, "", name)
        while (depth > 0 && at[depth] >= indent) depth--
        at[++depth] = indent; key[depth] = name
        path = key[1]
        for (i = 2; i <= depth; i++) path = path "." key[i]
        print path
    }' | grep '\.' | sort -u | comm -23 - "$keys")
ok "$missing" "every key of nereid init is in config.md"

wrong=$("$NEREID" explain train.epochs | sed -n 's/.*default //p')
grep -q "^| \`train.epochs\` |.*\`$wrong\`" docs/config.md && wrong=
ok "$wrong" "a default in config.md is that of the program"

unnamed=
for kind in simulators architectures samplers; do
    for file in plugins/$kind/*.c; do
        name=$(basename "$file" .c)
        grep -qF "\`$name\`" docs/*.md || unnamed="$unnamed$kind/$name
"
    done
done
ok "$unnamed" "every plugin is named in the docs"

unlisted=
for verb in $("$NEREID" --help | sed -n 's/^  nereid \([a-z]*\) .*/\1/p'); do
    grep -q "\`nereid $verb[ \`]" docs/commands.md || unlisted="$unlisted$verb
"
done
ok "$unlisted" "every verb is in commands.md"

stray=
for code in 0 1 2 3 4 5 6 7 8 9 10 75; do
    grep -q "^| $code |" docs/commands.md || stray="$stray$code
"
done
ok "$stray" "every exit code is in commands.md"
echo "1..$count"
