# Sources of engine/run/.
libxkd_a_SOURCES += engine/run/bkpt.c engine/run/boot.c engine/run/event.c engine/run/journal.c engine/run/journal.h engine/run/place.c engine/run/place.h engine/run/plan.c engine/run/quick.c engine/run/resolve.c \
	engine/run/run.c engine/run/run_int.h engine/run/sight.c engine/run/step.c engine/run/trace.c \
	engine/run/trace.h engine/run/tracedb.c engine/run/tracedb.h engine/run/watch.c engine/run/watch.h
