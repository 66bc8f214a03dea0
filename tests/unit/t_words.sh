#!/bin/sh
# Words from elsewhere, pipes and help, on files alone: what a word becomes is told in its hint, and
# what is no command gets an answer. The file looked into is the program itself.
XKD=${XKD:-./xkd}
srcdir=${srcdir:-.}
n=0
fail=0
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# ask COMMANDS: their output
ask() {
	timeout 60 "$XKD" -z "$XKD" -b -c "$1" 2>&1 </dev/null
}
# is NAME GOT PATTERN
is() {
	n=$((n + 1))
	if printf '%s\n' "$2" | grep -Eq -- "$3"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '%s\n' "$2" | tail -n 6 | sed 's/^/# /'
		fail=1
	fi
}
isnt() {
	n=$((n + 1))
	if printf '%s\n' "$2" | grep -Eq -- "$3"; then
		echo "not ok $n - $1"
		fail=1
	else
		echo "ok $n - $1"
	fi
}

# each word runs what it means: one process for all
words='bt=k|where=k|backtrace=k|b main=bp|break main=bp|tbreak main=bp /1|info reg=r
info registers=r|info threads=!cpus|info break=bl|info locals=dv|info symbol main=ln|finish=gu
si=t|stepi=t|ni=p|x/8gx main=dq main L0n8|x/4i main=u main L0n4|x/2wx main=dd main L0n2
bt -a=~*k|log=!dmesg|lx-dmesg=!dmesg|mod=lm|lsmod=lm|sys=vertarget
struct foo=dt|ptype foo=dt|rd main 4=dq main L4|dis main=u|disas main=uf
sym main=ln|print 1=??|print/x 1=?? 1|continue=g|set var x=??|task=!process|runq=!cpus
up=.frame 1|down=.frame 0|!running -ti=~*k|info types foo=dt|lx-ps=ps|delete 1=bc|disable 1=bd
thread apply all bt=~*k|watch_=|regs=r|frame=.frame|apropos k=.help|source /nonexistent=$$><'
script=$(printf '%s' "$words" | tr '|' '\n' | grep -v '^watch_' | sed 's/=.*//')
printf '%s\n' "$script" >"$tmp/words"
out=$(timeout 60 "$XKD" -z "$XKD" -b -f "$tmp/words" 2>&1 </dev/null)
printf '%s' "$words" | tr '|' '\n' | grep -v '^watch_' >"$tmp/pairs"
while IFS= read -r pair; do
	word=${pair%%=*}
	to=${pair#*=}
	key=$(printf '%s' "$word" | sed 's/[][\.*^$|?+(){}\/]/\\&/g')
	want=$(printf '%s' "$to" | sed 's/[][\.*^$|?+(){}\/]/\\&/g')
	# the hint names the word, not its arguments
	short=$(printf '%s' "$key" | sed 's/ .*//')
	is "$word runs $to" "$out" "^($key|$short|$short [a-z -]+) -> $want( |\$)"
done <"$tmp/pairs"

# answers, and nothing run
for w in 'n' 'c' 'f' '.kill' '.restart' '.reboot' '.lastevent' '!error' '.cxr' 'thread 1' 'quit' 'help' \
	'commands' 'kmem' '.load x' 'display x'; do
	is "$w gets an answer" "$(ask "$w")" "^error: '.*' is no command: ."
done
is "p steps; does not print" "$(ask 'p vcpu->cpu')" 'print with \?\? vcpu->cpu'
is "p/x" "$(ask 'p/x vcpu')" 'print with \?\? vcpu'
is "t takes a count alone" "$(ask 't foo')" 'print with \?\? foo'
is "bare s" "$(ask 's')" 's searches memory'
is "a word that is near" "$(ask '.hlep')" 'near: .help'
out=$(ask 'sys; sys')
is "one hint" "$out" '^sys -> vertarget$'
is "a session" "$(printf '%s\n' "$out" | grep -c '^sys ->')" '^1$'

# pipes and the shell
is "a command's output goes to a program" "$(ask '.echo one | tr o 0')" '^0ne$'
is "quotes keep a bar" "$(ask '.echo "a | tr a b"')" '^a \| tr a b$'
is "a bar in an expression" "$(ask '? 1 | 2')" ': 3 = 00000000`00000003'
is "brackets keep it" "$(ask '? (1 | 4)')" ': 5 = '
is "but a program is one" "$(ask '? 5 | wc -l')" '^ *1$'
is "a program that reads no more" "$(ask '.help | head -n 1; .echo on')" '^on$'
timeout 60 "$XKD" -z "$XKD" -b -c '.help | head -n 1' >/dev/null 2>&1 </dev/null
is "is no failure" "$?" '^0$'
is "exit status" "$(ask '.echo x | sh -c "exit 3"')" '^\(sh: exit status 3\)$'
is "no such program" "$(ask '.echo x | nosuchprogram')" "^error: the shell could not run 'nosuchprogram'"
is ".shell" "$(ask '.shell echo $((6 * 7)) | tr 4 5')" '^52$'
is ".shell -ci" "$(ask '.shell -ci ".echo abc" tr a-c A-C')" '^ABC$'
is ".noshell" "$(ask '.noshell; .echo a | cat; .shell echo b')" 'no shell commands: .noshell was given'
isnt ".noshell: nothing runs" "$(ask '.noshell; .shell echo bbb')" '^bbb'
ask ".logopen $tmp/log; .echo hello | tr h j; .logclose | cat; .echo after" >"$tmp/out"
is "the log has what the command said" "$(cat "$tmp/log")" '^hello$'
is "and the session goes on" "$(cat "$tmp/out")" '^after$'

# help
out=$(ask '.help')
is ".help has families" "$out" '^Stacks$'
long=$(printf '%s\n' "$out" | awk 'length($0) > 160')
is ".help: no endless rows" "x$long" '^x$'
is ".help NAME" "$(ask '.help ps')" 'Example: '
is ".help WORD finds" "$(ask '.help backtrace')" 'k kn kb'
set -f # ? and ?? are commands
names=$(printf '%s\n' "$out" | sed -n 's/^  \([^ ]\{1,\}\).*/\1/p')
for c in $names; do
	[ "$c" = '$$><' ] && continue # the shell's quotes are in the way
	printf '.help %s\n' "$c"
done >"$tmp/helps"
long=$(timeout 60 "$XKD" -z "$XKD" -b -f "$tmp/helps" 2>&1 </dev/null)
bare=$(printf '%s\n' "$long" | awk '
	/^[^ ]/ { if (name && !found) print name; name = $1; found = 0 }
	/Example: / { found = 1 }
	END { if (name && !found) print name }' | grep -v '^xkd$' | tr '\n' ' ')
is "every command's help has an example (engine/cmd/help.c or its own; none: $bare)" "x$bare" '^x$'
is ".help of a foreign word" "$(ask '.help nosuchword')" 'no such command'

# the man page has them all
man=$srcdir/docs/xkd.1
if command -v python3 >/dev/null; then
	got=$(XKD=$XKD python3 "$srcdir/tools/man-commands" --check "$man" 2>&1)
	is "the man page lists every command ($got)" "$got" '^$'
else
	n=$((n + 1))
	echo "ok $n - the man page # SKIP no python3 here"
fi
echo "1..$n"
exit $fail
