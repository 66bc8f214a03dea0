# Sources of engine/.
libxkd_a_SOURCES += \
	include/xkd/xkd.h \
	engine/core/arch.h engine/core/ctx.h engine/core/module.h engine/core/names.h \
	engine/core/target.h engine/os/os.h engine/lang/expr.h engine/lang/print.h \
	engine/lang/unwind.h engine/lang/value.h engine/run/bkpt.h engine/run/run.h \
	engine/cmd/cmd.h engine/cmd/session.h
include $(srcdir)/engine/core/local.mk
include $(srcdir)/engine/arch/x86/local.mk
include $(srcdir)/engine/os/local.mk
include $(srcdir)/engine/lang/local.mk
include $(srcdir)/engine/run/local.mk
include $(srcdir)/engine/cmd/local.mk
