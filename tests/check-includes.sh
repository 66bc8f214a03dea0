#!/bin/sh
# Who may include whom: the rooms of the house and the doors between them (docs/architecture.md).
# One TAP line a room, one for each library that has a single home.
top=${srcdir:-.}
cd "$top" || exit 99
n=0
fail=0

# room LABEL FOLDERS ALLOWED: every #include "..." of the C files below FOLDERS must begin with one of
# the prefixes ALLOWED (config.h always may be).
room() {
	label=$1 folders=$2 allowed=$3
	[ -n "$(find $folders -name '*.[ch]' 2>/dev/null)" ] || return # nothing to check is no success
	n=$((n + 1))
	pattern=$(printf '%s' "$allowed config.h" | sed 's/[.]/\\./g; s/  */|/g')
	bad=$(find $folders -name '*.[ch]' 2>/dev/null | LC_ALL=C sort |
		xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
		grep -vE "include[[:space:]]*\"($pattern)")
	verdict "$label includes only: $allowed"
}

# library HEADERS FILES: only FILES (a shell pattern of paths) may include <HEADERS>.
library() {
	headers=$1 files=$2
	n=$((n + 1))
	bad=$(find base include symbols engine backends extensions ui -name '*.[ch]' 2>/dev/null |
		LC_ALL=C sort |
		xargs -r grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($headers)" |
		grep -vE "^($files):")
	verdict "$headers only in $files"
}

verdict() {
	if [ -z "$bad" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "$bad" | sed 's/^/# /'
		fail=1
	fi
}

low="base/ symbols/ xkd/"
room base "base" "base/"
room include "include" "base/ xkd/"
room symbols "symbols" "base/ symbols/"
# the personality's vtable is an interface that core calls; what implements it is not core's business
room engine/core "engine/core" "$low engine/core/ engine/os/os.h"
room engine/arch "engine/arch" "$low engine/core/ engine/arch/"
room engine/os "engine/os" "$low engine/core/ engine/arch/ engine/os/"
room engine/lang "engine/lang" "$low engine/core/ engine/arch/ engine/os/ engine/lang/"
# a plan runs for a session: run knows its state, and no command
room engine/run "engine/run" "$low engine/core/ engine/arch/ engine/os/ engine/lang/ engine/run/"
room engine/cmd "engine/cmd" "$low engine/"
for be in backends/*/; do
	be=${be%/}
	room "$be" "$be" "base/ xkd/backend.h $be/"
done
for ext in extensions/*/; do
	ext=${ext%/}
	room "$ext" "$ext" "base/ xkd/extension.h $ext/"
done
for ui in ui/*/; do
	ui=${ui%/}
	if [ "$ui" = ui/console ]; then
		others=$(find ui/console -name '*.[ch]' ! -name main.c)
		room "$ui" "$others" "base/ xkd/xkd.h $ui/"
		room "$ui/main.c" "$ui/main.c" "base/ xkd/xkd.h xkd/backend.h xkd/extension.h $ui/"
	else
		room "$ui" "$ui" "base/ xkd/xkd.h $ui/"
	fi
done
library 'libdwarf|dwarf\.h' 'symbols/[^/]*'
library 'libelf\.h|gelf\.h' 'symbols/[^/]*'
library 'sqlite3\.h' 'symbols/[^/]*|engine/run/tracedb\.c'
library 'capstone' 'engine/arch/x86/[^/]*\.c'
library 'histedit\.h' 'ui/console/[^/]*\.c'
echo "1..$n"
exit $fail
