# Sources of engine/os/.
libxkd_a_SOURCES += \
	engine/os/os.c engine/os/files/files.c engine/os/generic/generic.c \
	engine/os/program/program.c \
	engine/os/linux/attach.c engine/os/linux/boot.c engine/os/linux/cpus.c engine/os/linux/dmesg.c engine/os/linux/entry.c engine/os/linux/linux.c \
	engine/os/linux/kallsyms.c engine/os/linux/linux.h engine/os/linux/modmade.c \
	engine/os/linux/modules.c engine/os/linux/probe.c engine/os/linux/shapes.c engine/os/linux/shapes.h \
	engine/os/linux/tasks.c engine/os/linux/vmcoreinfo.c
libxkd_a_SOURCES += engine/os/linux/walk.c engine/os/linux/walk.h engine/os/linux/walk_maple.c \
	engine/os/linux/walk_rb.c engine/os/linux/walk_xa.c
libxkd_a_SOURCES += engine/os/linux/code.c engine/os/linux/stacks.c engine/os/linux/trampoline.c
libxkd_a_SOURCES += engine/os/linux/counted.c
libxkd_a_SOURCES += engine/os/linux/events.c engine/os/linux/patched.c
