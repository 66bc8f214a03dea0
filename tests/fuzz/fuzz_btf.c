/* Any bytes as BTF. Input: u32 length of a base (0: none), the base, the BTF. Every type is walked
 * in all its parts, spelled and compared. */
#include "base/str.h"
#include "symbols/btf.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct visit {
	const struct xkd_type *last;
	unsigned left;
};

static void parts(const struct xkd_type *t, int depth)
{
	const struct xkd_member *m;
	const struct xkd_enumerator *e;
	const struct xkd_param *p;
	const struct xkd_type *to;
	size_t n, sum = 0;

	if (!t || depth > 2)
		return;
	if (!xkd_type_members(t, &m, &n, NULL))
		for (size_t i = 0; i < n && i < 64; i++)
			parts(m[i].type, depth + 1);
	if (!xkd_type_enums(t, &e, &n, NULL))
		for (size_t i = 0; i < n; i++)
			sum += strlen(e[i].name) + (size_t)e[i].val;
	if (!xkd_type_params(t, &p, &n, NULL))
		for (size_t i = 0; i < n && i < 64; i++)
			parts(p[i].type, depth + 1);
	if (!xkd_type_target(t, &to, NULL))
		parts(to, depth + 1);
	*(volatile size_t *)&sum = sum;
}

static bool visit(void *arg, const struct xkd_type *t)
{
	struct visit *v = arg;
	struct xkd_member m;
	struct xkd_buf b;

	parts(t, 0);
	xkd_buf_init(&b);
	xkd_type_spell(t, "x", &b);
	xkd_type_spell(xkd_type_strip(t), NULL, &b);
	if (strlen(b.s) != b.len || b.len > 1 << 20)
		abort();
	xkd_buf_fini(&b);
	if (xkd_type_find_member(t, "x", &m, NULL) == XKD_OK && !m.type)
		abort();
	xkd_type_array_of(xkd_type_ptr_to(t), t->size);
	if (v->last)
		xkd_type_same(v->last, t);
	v->last = t;
	return --v->left > 0;
}

static void ask(struct xkd_btf *b)
{
	struct xkd_types *p = xkd_btf_types(b);
	struct visit v = { .left = 300 };
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *t;

	if (p->each(p, visit, &v, &err) && !err.msg[0])
		abort();
	for (int tag = XKD_TAG_ANY; tag <= XKD_TAG_BASE; tag++)
		if (!p->find(p, (enum xkd_tag)tag, "foo", &t, &err))
			parts(t, 0);
	if (!xkd_btf_func(b, "do_foo", &t, &err))
		parts(t, 0);
	if (!xkd_btf_var(b, "a_var", &t, &err))
		parts(t, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_btf *base = NULL, *b;
	struct xkd_err err = XKD_ERR_INIT;
	size_t n;

	if (size < 4)
		return 0;
	n = (size_t)xkd_get_le(data, 4);
	data += 4;
	size -= 4;
	if (n > size)
		return 0;
	if (n && xkd_btf_open(data, n, NULL, &base, &err))
		return 0;
	if (!xkd_btf_open(data + n, size - n, base, &b, &err)) {
		ask(b);
		xkd_btf_close(b);
	}
	if (base)
		ask(base);
	xkd_btf_close(base);
	return 0;
}
