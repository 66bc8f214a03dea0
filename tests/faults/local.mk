# Sources of tests/faults/.
check_PROGRAMS += tests/faults/t_faults
tests_faults_t_faults_SOURCES = tests/faults/t_faults.c tests/faults/machine.c tests/faults/machine.h
tests_faults_t_faults_LDADD = $(XKD_TEST_LIBS)
EXTRA_tests_faults_t_faults_DEPENDENCIES = tests/faults/minikernel
# With flags of its own: it is no program of the machine that builds it.
tests/faults/minikernel: $(srcdir)/tests/faults/minikernel.c $(srcdir)/tests/faults/minikernel.ld
	$(AM_V_GEN)$(MKDIR_P) tests/faults && case `uname -m` in x86_64) $(CC) -g -O1 -ffreestanding -nostdlib -static \
		-fno-pic -fno-pie -no-pie -mcmodel=kernel -fno-stack-protector -fcf-protection=none \
		-Wl,--build-id=sha1 -Wl,-T,$(srcdir)/tests/faults/minikernel.ld -Wl,--no-warn-rwx-segments \
		-o $@ $(srcdir)/tests/faults/minikernel.c;; esac
CLEANFILES += tests/faults/minikernel
check_SCRIPTS += tests/faults/t_workspace.py tests/faults/t_gdbserver.py
EXTRA_DIST += tests/faults/t_workspace.py tests/faults/t_gdbserver.py tests/faults/minikernel.c tests/faults/minikernel.ld
