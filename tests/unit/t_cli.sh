#!/bin/sh
# The program's options and exit codes, as far as no target is needed.
XKD=${XKD:-./xkd}
n=0
fail=0
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# run WANTED-STATUS NAME ARGUMENTS...: leaves $tmp/out and $tmp/err.
run() {
	want=$1 name=$2
	shift 2
	timeout 20 "$XKD" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	n=$((n + 1))
	if [ $got = "$want" ]; then
		echo "ok $n - $name: exit status $want"
	else
		echo "not ok $n - $name: exit status $got, not $want"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
		fail=1
	fi
}

# has FILE PATTERN NAME
has() {
	n=$((n + 1))
	if grep -Eq -- "$2" "$tmp/$1"; then
		echo "ok $n - $3"
	else
		echo "not ok $n - $3"
		sed 's/^/# /' "$tmp/$1"
		fail=1
	fi
}

# empty FILE NAME
empty() {
	n=$((n + 1))
	if [ -s "$tmp/$1" ]; then
		echo "not ok $n - $2"
		sed 's/^/# /' "$tmp/$1"
		fail=1
	else
		echo "ok $n - $2"
	fi
}

run 0 "--version" --version
has out '^xkd [0-9]+\.[0-9]+\.[0-9]+$' "--version tells it"
empty err "--version complains of nothing"
run 0 "--help" --help
has out '^usage: xkd -k TARGET' "--help tells the usage"
has out 'gdb:HOST:PORT' "--help tells the ways to a target"
has out 'Exit status:' "--help tells the exit status"
run 0 "-h" -h
run 2 "no options"
has err 'which target' "no options: asks for a target"
empty out "no options: nothing on stdout"
run 2 "an unknown option" --frobnicate
has err 'unknown option: --frobnicate' "an unknown option is named"
run 2 "an option without its argument" -k
has err 'argument is missing' "an option without its argument is told"
run 2 "a stray argument" -k gdb:127.0.0.1:1 stray
has err 'stray: No such file' "a stray argument is taken for a file"
run 2 "two targets" -k gdb:1 -k gdb:2
run 2 "an unknown way" -k telepathy:foo
has err 'telepathy:foo' "an unknown way is named"
has err 'gdb:HOST:PORT' "an unknown way: the known ones are told"
run 2 "a target without a way" -k localhost
run 2 "an unknown trace" --trace=everything -k gdb:127.0.0.1:1
run 3 "nobody listens (TCP)" -k gdb:127.0.0.1:1 -c k
has err '^xkd: .*127\.0\.0\.1:1' "nobody listens: the place is named"
empty out "nobody listens: nothing on stdout"
run 3 "no such socket" -k "gdb:$tmp/nosuch.sock" -c k
has err 'nosuch\.sock' "no such socket: it is named"
run 2 "a log that cannot be written" -k gdb:127.0.0.1:1 -o "$tmp/no/such/dir/log"
has err 'no/such/dir/log' "a log that cannot be written is named"
run 3 "a recording that is not there" -k replay:"$tmp/none"
has err 'none: No such file' "a recording that is not there: says so"
echo "hello" >"$tmp/text"
run 3 "a recording that is none" -k replay:"$tmp/text"
has err 'it is no recording of xkd' "a recording that is none: says so"
run 3 "--record where nothing can be written" --record "$tmp/no/such" -k gdb:127.0.0.1:1
has err 'cannot record to .*/no/such' "--record where nothing can be written: says so"
# .foreach needs a session, no machine.
cat >"$tmp/each" <<'END'
.foreach /s (x "a b c d") { .echo <x> ${x}x xx }
.foreach /pS 1 /ps 1 /s (x "one two three four") { .echo got x }
.foreach (a { .echo 10 20 }) { ? a + 1 }
.foreach (a { .echo 1 2 }) { .foreach /s (b "p q") { .echo a-b } }
.foreach (a { .echo never; .nosuch }) { .echo ran a }
.foreach (a { .echo 1 }
.foreach /s (a "1") .echo a
END
run 1 "a script with errors" -z "$XKD" -f "$tmp/each"
has out '^<a> aa xx$' ".foreach: the word stands for the variable and in \${}"
has out '^<d> dd xx$' ".foreach: up to the last word"
has out '^got two$' ".foreach /pS /ps: leaves words out"
n=$((n + 1))
if grep -Eq '^(got one|got three|ran never)$' "$tmp/out"; then
	echo "not ok $n - .foreach: nothing is run for what was left out or failed"
	fail=1
else
	echo "ok $n - .foreach: nothing is run for what was left out or failed"
fi
has out '= 00000000`00000011$' ".foreach: words that a command prints"
has out '^2-q$' ".foreach: one in another"
has out 'nosuch.*lists all' ".foreach: what fails is told"
has out 'a \) is missing' ".foreach: what is not closed is told"
has out 'commands to run} are missing' ".foreach: commands without braces are told"
echo "1..$n"
exit $fail
