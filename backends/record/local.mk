# Sources of backends/record/.
libxkd_a_SOURCES += \
	backends/record/record.c backends/record/recording.c backends/record/recording.h \
	backends/record/replay.c backends/record/text.c backends/record/text.h
