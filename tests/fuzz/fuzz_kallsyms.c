/* Any bytes as a kernel's memory with its table of names. Input: u64 address of _text, then memory.
 */
#include "base/str.h"
#include "symbols/kallsyms.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_kallsyms k;
	struct xkd_arena a;
	bool more;

	if (size < 8)
		return 0;
	xkd_arena_init(&a);
	if (!xkd_kallsyms_parse(data + 8, size - 8, 0xffffffff82000000ULL, xkd_get_le(data, 8), &a,
				&k, &more, &err)) {
		if (!k.n || !k.layout || more)
			abort();
		for (size_t i = 0; i < k.n; i++)
			if (!k.sym[i].name[0] || strlen(k.sym[i].name) > 1023 || !k.sym[i].type)
				abort();
	} else if (k.n || !err.msg[0]) {
		abort();
	}
	xkd_arena_fini(&a);
	return 0;
}
