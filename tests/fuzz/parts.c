/* Inputs of several parts, see parts.h. Invariants: a slot's bytes end at its guard page; bytes of
 * the slot before the part are poisoned where AddressSanitizer is there. */
#include "tests/fuzz/parts.h"
#include "base/str.h"
#include "symbols/image_priv.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define PAGE 4096
#define SLOT 0x10000 /* as much as a u16 can say, rounded up */

/* Of the fuzzer; a program that only replays has neither need nor definition of it. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned seed);

static uint8_t *slot(size_t i)
{
	static uint8_t *base;
	const size_t each = SLOT + PAGE;

	if (!base) {
		base = mmap(NULL, PARTS_MAX * each, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (base == MAP_FAILED)
			abort();
		for (size_t k = 0; k < PARTS_MAX; k++)
			if (mprotect(base + k * each + SLOT, PAGE, PROT_NONE))
				abort();
	}
	return base + i * each;
}

/* The parts where they stand. */
static void find_parts(const uint8_t *data, size_t size, struct parts *out)
{
	const size_t head = 2 * parts_count;
	size_t at = head;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < parts_count && size > head; i++) {
		size_t n = (size_t)xkd_get_le(data + 2 * i, 2);

		out->p[i] = data + at;
		out->n[i] = n < size - at ? n : size - at;
		at += out->n[i];
	}
}

void parts_split(const uint8_t *data, size_t size, struct parts *out)
{
	find_parts(data, size, out);
	for (size_t i = 0; i < parts_count; i++) {
		uint8_t *s = slot(i), *p = s + SLOT - out->n[i];

		ASAN_UNPOISON_MEMORY_REGION(s, SLOT);
		if (out->n[i])
			memcpy(p, out->p[i], out->n[i]);
		ASAN_POISON_MEMORY_REGION(s, SLOT - out->n[i]);
		out->p[i] = out->n[i] ? p : NULL;
	}
}

struct xkd_image *parts_image(const char *const *names, const struct parts *parts, size_t first,
			      size_t n, struct xkd_log *log)
{
	struct xkd_image *img = xkd_calloc(1, sizeof(*img));
	struct xkd_section *text;

	img->refs = 1;
	img->log = log;
	xkd_arena_init(&img->arena);
	img->path = xkd_arena_strdup(&img->arena, "parts");
	img->sec = XKD_NEWN(&img->arena, struct xkd_section, n + 2);
	img->priv = XKD_NEWN(&img->arena, struct xkd_secpriv, n + 2);
	img->by_addr = XKD_NEWN(&img->arena, uint32_t, 1);
	img->nsec = 1;
	img->sec[0].name = "";
	for (size_t i = 0; i < n; i++) {
		struct xkd_section *s = &img->sec[img->nsec];

		if (!parts->n[first + i])
			continue;
		*s = (struct xkd_section){ .name = names[i],
					   .type = SHT_PROGBITS,
					   .size = parts->n[first + i],
					   .data = parts->p[first + i],
					   .index = (unsigned)img->nsec };
		img->priv[img->nsec].plain = img->priv[img->nsec].ready = s->data;
		img->nsec++;
	}
	text = &img->sec[img->nsec];
	*text = (struct xkd_section){ .name = ".text",
				      .type = SHT_NOBITS,
				      .flags = SHF_ALLOC | SHF_EXECINSTR,
				      .addr = PARTS_TEXT,
				      .size = PARTS_TEXT_SIZE,
				      .index = (unsigned)img->nsec };
	img->by_addr[img->nby_addr++] = (uint32_t)img->nsec++;
	return img;
}

/* --- for the fuzzer --- */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* A part that is there, as a rule: any, or by its size. */
static size_t pick(const struct parts *ps, unsigned *seed)
{
	size_t i, at = 0;

	for (i = 0; i < parts_count; i++)
		at += ps->n[i];
	if (at && next(seed) % 2) {
		at = next(seed) % at;
		for (i = 0; at >= ps->n[i]; i++)
			at -= ps->n[i];
		return i;
	}
	i = 0;
	for (int tries = 0; tries < 8; tries++) {
		i = next(seed) % parts_count;
		if (ps->n[i])
			break;
	}
	return i;
}

/* A number that may be an offset into one of the parts, over one that may be such: of any place, or
 * of one close before, which makes what refers to something refer to itself. */
static size_t change_offset(const struct parts *ps, uint8_t *p, size_t n, unsigned *seed)
{
	static const unsigned sizes[] = { 1, 1, 2, 4, 4, 8 };
	unsigned bytes = sizes[next(seed) % XKD_COUNT(sizes)];
	size_t to = pick(ps, seed), at;
	uint64_t v = ps->n[to] ? next(seed) % (ps->n[to] + 2) : 0;

	if (n < bytes)
		return n;
	at = next(seed) % (n - bytes + 1);
	if (bytes > 1 && next(seed) % 2)
		v = at - next(seed) % 8;
	xkd_put_le(p + at, v, bytes);
	return n;
}

/* Writes ps with part i replaced; the size. */
static size_t join(const struct parts *ps, size_t i, const uint8_t *p, size_t n, uint8_t *out)
{
	size_t at = 2 * parts_count;

	for (size_t k = 0; k < parts_count; k++) {
		const uint8_t *from = k == i ? p : ps->p[k];
		size_t len = k == i ? n : ps->n[k];

		xkd_put_le(out + 2 * k, len, 2);
		if (len)
			memcpy(out + at, from, len);
		at += len;
	}
	return at;
}

static size_t join_within(const struct parts *ps, size_t i, const uint8_t *p, size_t n,
			  uint8_t *out, size_t max)
{
	size_t total = 2 * parts_count + n;
	uint8_t *buf;

	for (size_t k = 0; k < parts_count; k++)
		total += k == i ? 0 : ps->n[k];
	if (total > max)
		return 0;
	buf = malloc(total); /* what is joined may lie in out */
	join(ps, i, p, n, buf);
	memcpy(out, buf, total);
	free(buf);
	return total;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct parts ps;
	size_t i, n, room, total;
	uint8_t *p;

	if (size <= 2 * parts_count || size > max || !(next(&seed) % 16))
		return LLVMFuzzerMutate(data, size, max);
	find_parts(data, size, &ps);
	i = pick(&ps, &seed);
	n = ps.n[i];
	room = n + (max - size);
	if (room > 0xffff)
		room = 0xffff;
	if (!room || n > room)
		return size;
	p = malloc(room);
	if (n)
		memcpy(p, ps.p[i], n);
	if (next(&seed) % 4)
		n = LLVMFuzzerMutate(p, n, room);
	else
		n = change_offset(&ps, p, n, &seed);
	total = join_within(&ps, i, p, n, data, max);
	free(p);
	return total ? total : size;
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned seed)
{
	struct parts x, y;
	size_t i;

	if (na <= 2 * parts_count || nb <= 2 * parts_count)
		return 0;
	find_parts(a, na, &x);
	find_parts(b, nb, &y);
	i = pick(&y, &seed);
	return join_within(&x, i, y.p[i], y.n[i], out, max);
}
