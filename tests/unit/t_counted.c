/* The table of flexible arrays and their counters: its form, and, against a real kernel
 * (XKD_KERNEL, an unpacked package), that each row whose struct has the array as a flexible one has
 * the counter too. */
#include "engine/os/linux/linux.h"
#include "symbols/btf.h"
#include "symbols/image.h"
#include "tests/unit/tap.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static bool sorted(void)
{
	for (const struct xkd_counted *c = linux_counted; c->type && c[1].type; c++) {
		int cmp = strcmp(c->type, c[1].type);

		if (cmp > 0 || (!cmp && strcmp(c->array, c[1].array) >= 0)) {
			printf("# %s.%s\n", c[1].type, c[1].array);
			return false;
		}
	}
	return true;
}

/* Does the struct have the path? Sets *type to what is there. */
static bool has(const struct xkd_type *t, const char *path, const struct xkd_type **type)
{
	struct xkd_member m = { .type = t };
	char part[64];

	for (size_t n; *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		if (xkd_type_find_member(m.type, part, &m, NULL) || !m.type)
			return false;
	}
	*type = xkd_type_strip(m.type);
	return true;
}

static void real(const char *path)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img = NULL;
	struct xkd_btf *btf = NULL;
	unsigned found = 0, bad = 0;

	if (xkd_image_open(path, NULL, &img, &err) || xkd_image_btf(img, NULL, &btf, &err)) {
		ok(false, "the kernel's types");
		printf("# %s\n", err.msg);
		return;
	}
	for (const struct xkd_counted *c = linux_counted; c->type; c++) {
		struct xkd_types *p = xkd_btf_types(btf);
		const struct xkd_type *t, *array, *counter;

		if (p->find(p, XKD_TAG_STRUCT, c->type, &t, &err) || t->is_decl ||
		    !has(t, c->array, &array) || array->kind != XKD_T_ARRAY || array->nelem)
			continue;
		found++;
		if (!has(t, c->counter, &counter) || counter->kind != XKD_T_INT) {
			printf("# %s.%s\n", c->type, c->counter);
			bad++;
		}
	}
	ok(found > 40, "many of the arrays are there");
	printf("# %u\n", found);
	ok(!bad, "each has its counter, a number");
	xkd_image_unref(img);
}

int main(void)
{
	const char *kernel = getenv("XKD_KERNEL");
	char pattern[4096];
	glob_t g;

	ok(sorted(), "the table is sorted, no row is there twice");
	if (!kernel) {
		skip("against a kernel", "XKD_KERNEL names none");
		return done_testing();
	}
	snprintf(pattern, sizeof(pattern), "%s/usr/lib/debug/boot/vmlinux-*", kernel);
	if (!glob(pattern, 0, NULL, &g) && g.gl_pathc)
		real(g.gl_pathv[0]);
	else
		ok(false, "no vmlinux there");
	globfree(&g);
	return done_testing();
}
