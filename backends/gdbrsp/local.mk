# Sources of backends/gdbrsp/.
libxkd_a_SOURCES += \
	backends/gdbrsp/bp.c backends/gdbrsp/careful.c backends/gdbrsp/gdbrsp.c backends/gdbrsp/hit.c backends/gdbrsp/kvmstep.c backends/gdbrsp/link.c backends/gdbrsp/link.h \
	backends/gdbrsp/link_ways.c \
	backends/gdbrsp/mem.c backends/gdbrsp/memmap.c backends/gdbrsp/monitor.c \
	backends/gdbrsp/packet.c backends/gdbrsp/packet.h backends/gdbrsp/profile.c backends/gdbrsp/program.c backends/gdbrsp/quirks.c \
	backends/gdbrsp/regs.c backends/gdbrsp/rsp.h backends/gdbrsp/run.c backends/gdbrsp/stub.c \
	backends/gdbrsp/targetxml.c backends/gdbrsp/targetxml.h backends/gdbrsp/thread.c \
	backends/gdbrsp/wire.c
libxkd_a_SOURCES += backends/gdbrsp/keeper.c backends/gdbrsp/keeper.h
