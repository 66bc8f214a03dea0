# Sources of engine/run/.
libxkd_a_SOURCES += engine/run/bkpt.c engine/run/boot.c engine/run/event.c engine/run/place.c engine/run/place.h engine/run/plan.c engine/run/quick.c engine/run/resolve.c \
	engine/run/run.c engine/run/run_int.h engine/run/step.c engine/run/watch.c engine/run/watch.h
