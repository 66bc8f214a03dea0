# Sources of tests/rsp/.
check_PROGRAMS += tests/rsp/t_packet tests/rsp/t_parse tests/rsp/t_transcript tests/rsp/t_qemu \
	tests/rsp/t_link
tests_rsp_t_packet_SOURCES = tests/rsp/t_packet.c
tests_rsp_t_packet_LDADD = $(XKD_TEST_LIBS)
tests_rsp_t_parse_SOURCES = tests/rsp/t_parse.c
tests_rsp_t_parse_LDADD = $(XKD_TEST_LIBS)
tests_rsp_t_transcript_SOURCES = tests/rsp/t_transcript.c tests/rsp/transcript.c tests/rsp/transcript.h
tests_rsp_t_transcript_LDADD = $(XKD_TEST_LIBS)
tests_rsp_t_qemu_SOURCES = tests/rsp/t_qemu.c
tests_rsp_t_qemu_LDADD = $(XKD_TEST_LIBS)
tests_rsp_t_link_SOURCES = tests/rsp/t_link.c
tests_rsp_t_link_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += \
	tests/rsp/arm.rsp \
	tests/rsp/bad-xml.rsp \
	tests/rsp/binary.rsp \
	tests/rsp/bochs.rsp \
	tests/rsp/breakpoints.rsp \
	tests/rsp/cancel.rsp \
	tests/rsp/crossed.rsp \
	tests/rsp/crossed-lost.rsp \
	tests/rsp/damage.rsp \
	tests/rsp/damage4.rsp \
	tests/rsp/detached.rsp \
	tests/rsp/elsewhere.rsp \
	tests/rsp/ended.rsp \
	tests/rsp/faults.rsp \
	tests/rsp/flood.rsp \
	tests/rsp/gone.rsp \
	tests/rsp/hang.rsp \
	tests/rsp/kgdb.rsp \
	tests/rsp/kgdb-leave.rsp \
	tests/rsp/kvm-step.rsp \
	tests/rsp/late.rsp \
	tests/rsp/late-queue.rsp \
	tests/rsp/leave-halted.rsp \
	tests/rsp/leave-running.rsp \
	tests/rsp/lost.rsp \
	tests/rsp/middle.rsp \
	tests/rsp/mini.rsp \
	tests/rsp/monitor.rsp \
	tests/rsp/noack.rsp \
	tests/rsp/noise.rsp \
	tests/rsp/multiprocess.rsp \
	tests/rsp/nop.rsp \
	tests/rsp/plain.rsp \
	tests/rsp/qemu-drop.rsp \
	tests/rsp/qemu-threads.rsp \
	tests/rsp/qemu.rsp \
	tests/rsp/qemu72.rsp \
	tests/rsp/queue.rsp \
	tests/rsp/registers.rsp \
	tests/rsp/runs.rsp \
	tests/rsp/ssh-hangs.rsp \
	tests/rsp/ssh.rsp \
	tests/rsp/stops.rsp \
	tests/rsp/writes.rsp
