#!/bin/sh
# The runner of goldens can fail: on a wrong .out, a missing .out, a missing recording, an empty folder;
# and --bless makes a wrong .out right again.
here=$(cd "${srcdir:-.}" && pwd)/tests/golden
XKD=${XKD:-./xkd}
case $XKD in /*) ;; *) XKD=$PWD/$XKD ;; esac
XKD_GOLDEN=$(mktemp -d) || exit 99
export XKD XKD_GOLDEN
trap 'chmod -R u+w "$XKD_GOLDEN"; rm -rf "$XKD_GOLDEN"' EXIT
n=0
fail=0

# wants STATUS NAME: what a run of all goldens in the folder ends with.
wants() {
	"$here/run" $3 >"$XKD_GOLDEN/tap" 2>&1
	got=$?
	n=$((n + 1))
	if [ $got = "$1" ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2: exit status $got, not $1"
		sed 's/^/# /' "$XKD_GOLDEN/tap"
		fail=1
	fi
}

wants 1 "an empty folder fails"
cp "$here"/reset.xkd "$here"/reset.out "$here"/reset.rec "$XKD_GOLDEN"
chmod -R u+w "$XKD_GOLDEN"
wants 0 "a right .out passes"
echo "one line more" >>"$XKD_GOLDEN/reset.out"
wants 1 "a line more in .out fails"
sed 's/eflags/eflagz/; s/efl=/efz=/' "$here/reset.out" >"$XKD_GOLDEN/reset.out"
wants 1 "another letter in .out fails"
wants 0 "--bless takes it" --bless
wants 0 "and then it passes"
n=$((n + 1))
if cmp -s "$here/reset.out" "$XKD_GOLDEN/reset.out"; then
	echo "ok $n - what was blessed is the right .out"
else
	echo "not ok $n - what was blessed is the right .out"
	fail=1
fi
rm "$XKD_GOLDEN/reset.out"
wants 1 "a missing .out fails"
mv "$XKD_GOLDEN/reset.rec" "$XKD_GOLDEN/away"
wants 1 "a missing recording fails"
sed 's/^m /m z/' "$XKD_GOLDEN/away" >"$XKD_GOLDEN/reset.rec"
cp "$here/reset.out" "$XKD_GOLDEN"
wants 1 "a broken recording fails"
echo "1..$n"
exit $fail
