# Fuzz targets: fuzz_NAME.c each. In make check they replay their seeds (replay_NAME); to fuzz one:
#   clang -std=gnu11 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined \
#     tests/fuzz/fuzz_NAME.c <its sources> -o fuzz_NAME && ./fuzz_NAME CORPUS tests/fuzz/seeds/NAME
check_PROGRAMS += tests/fuzz/replay_btf tests/fuzz/replay_orc tests/fuzz/replay_cfi
tests_fuzz_replay_btf_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_btf.c
tests_fuzz_replay_btf_LDADD = $(XKD_TEST_LIBS)
tests_fuzz_replay_orc_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_orc.c
tests_fuzz_replay_orc_LDADD = $(XKD_TEST_LIBS)
tests_fuzz_replay_cfi_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_cfi.c
tests_fuzz_replay_cfi_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += \
	tests/fuzz/seeds/btf/circles tests/fuzz/seeds/btf/every-kind tests/fuzz/seeds/btf/split \
	tests/fuzz/seeds/cfi/eh tests/fuzz/seeds/cfi/every-instruction \
	tests/fuzz/seeds/cfi/long-records \
	tests/fuzz/seeds/orc/unsorted tests/fuzz/seeds/orc/v1 tests/fuzz/seeds/orc/v3 \
	tests/fuzz/seeds/orc/v4-header
check_PROGRAMS += tests/fuzz/replay_packet tests/fuzz/replay_targetxml
tests_fuzz_replay_packet_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_packet.c
tests_fuzz_replay_packet_LDADD = $(XKD_TEST_LIBS)
tests_fuzz_replay_targetxml_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_targetxml.c
tests_fuzz_replay_targetxml_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += \
	tests/fuzz/seeds/packet/damage tests/fuzz/seeds/packet/info-registers \
	tests/fuzz/seeds/packet/mtree tests/fuzz/seeds/packet/runs-and-escapes \
	tests/fuzz/seeds/packet/session tests/fuzz/seeds/targetxml/broken \
	tests/fuzz/seeds/targetxml/loop tests/fuzz/seeds/targetxml/two-documents
check_PROGRAMS += tests/fuzz/replay_kallsyms
tests_fuzz_replay_kallsyms_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_kallsyms.c
tests_fuzz_replay_kallsyms_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += tests/fuzz/seeds/kallsyms/v4.18 tests/fuzz/seeds/kallsyms/v6.2 \
	tests/fuzz/seeds/kallsyms/v6.4 tests/fuzz/seeds/kallsyms/v7.0
check_PROGRAMS += tests/fuzz/replay_expr
tests_fuzz_replay_expr_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_expr.c
tests_fuzz_replay_expr_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += tests/fuzz/seeds/expr/cxx tests/fuzz/seeds/expr/masm tests/fuzz/seeds/expr/short-word \
	tests/fuzz/seeds/expr/switches
check_PROGRAMS += tests/fuzz/replay_recording
tests_fuzz_replay_recording_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_recording.c
tests_fuzz_replay_recording_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += tests/fuzz/seeds/recording/cut tests/fuzz/seeds/recording/every-record
check_PROGRAMS += tests/fuzz/replay_image tests/fuzz/replay_line
tests_fuzz_replay_image_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_image.c
tests_fuzz_replay_image_LDADD = $(XKD_TEST_LIBS)
tests_fuzz_replay_line_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_line.c
tests_fuzz_replay_line_LDADD = $(XKD_TEST_LIBS)
EXTRA_DIST += tests/fuzz/seeds/image/cut tests/fuzz/seeds/image/dwarf4 \
	tests/fuzz/seeds/image/dwarf5 tests/fuzz/seeds/image/packed tests/fuzz/seeds/line/mixed \
	tests/fuzz/seeds/line/open tests/fuzz/seeds/line/prefix-alone
