/* Calls seen from behind: does an address stand after a call instruction? Instructions cannot be read
 * backwards, so a yes means that the bytes could be one; a no is certain. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"

/* Length of FF /2 with this ModRM and SIB byte, without prefixes. */
static size_t indirect_len(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;
	size_t len = 2;

	if (mod == 3)
		return len;
	if (rm == 4) {
		len++;
		if (mod == 0 && (sib & 7) == 5)
			return len + 4;
	} else if (mod == 0 && rm == 5) { /* relative to rip */
		return len + 4;
	}
	return len + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

bool xkd_x86_call_before(const uint8_t *bytes, size_t n, uint64_t addr, bool direct, uint64_t *target)
{
	const uint8_t *end = bytes + n;

	*target = 0;
	if (direct) {
		if (n < 5 || end[-5] != 0xe8)
			return false;
		*target = addr + (uint64_t)(int64_t)(int32_t)xkd_get_le(end - 4, 4);
		return true;
	}
	for (size_t len = 2; len <= 7 && len <= n; len++)
		if (end[-(ptrdiff_t)len] == 0xff && (end[1 - (ptrdiff_t)len] >> 3 & 7) == 2 &&
		    indirect_len(end[1 - (ptrdiff_t)len], len > 2 ? end[2 - (ptrdiff_t)len] : 0) == len)
			return true;
	return false;
}
