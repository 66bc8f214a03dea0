# Goldens of tests/golden/.
check_SCRIPTS += tests/golden/run tests/golden/meta.sh
EXTRA_DIST += tests/golden/run tests/golden/meta.sh \
	tests/golden/bootsector.xkd tests/golden/bootsector.rec tests/golden/bootsector.out \
	tests/golden/kernel.xkd tests/golden/kernel.rec tests/golden/kernel.out \
	tests/golden/reset.xkd tests/golden/reset.rec tests/golden/reset.out \
	tests/golden/sleeping.xkd tests/golden/sleeping.rec tests/golden/sleeping.out
