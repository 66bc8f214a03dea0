# Sources of ui/console/.
xkd_SOURCES += \
	ui/console/console.c ui/console/console.h ui/console/main.c ui/console/pager.c ui/console/plain.c \
	ui/console/signal.c ui/console/sink_text.c ui/console/symbolize.c
