# Sources of base/.
libxkd_a_SOURCES += \
	base/arena.c base/arena.h base/buf.c base/buf.h base/cancel.c base/cancel.h base/child.c base/child.h base/cur.h \
	base/err.c base/err.h base/log.c base/log.h base/map.c base/map.h \
	base/out.c base/out.h base/state.c base/state.h base/str.c base/str.h base/vec.c base/vec.h base/worker.c base/worker.h \
	include/xkd/backend.h
