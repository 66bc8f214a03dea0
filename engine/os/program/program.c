/* The personality of a user program behind a stub that names its files (gdbserver): the executable and
 * its libraries become modules where they run. A file is taken only when what it has for the program's
 * notes or code is what the memory holds: the stub may serve another machine's paths. */
#include "engine/os/os.h"
#include "base/str.h"
#include "symbols/debuglink.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PROOF 64 /* bytes compared */

/* Do the file's bytes lie there? */
static bool is_it(struct xkd_target *t, struct xkd_image *img, uint64_t slide)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".note.gnu.build-id");
	struct xkd_space sp = xkd_space_kernel();
	uint8_t file[PROOF], mem[PROOF];
	struct xkd_err ignored;
	size_t n;

	if (!s)
		s = xkd_image_section_named(img, ".text");
	n = s && s->size < PROOF ? s->size : PROOF;
	return s && n && xkd_image_read(img, s->addr, file, n) == n &&
	       !xkd_mem_read(t, &sp, s->addr + slide, mem, n, NULL, &ignored) &&
	       !memcmp(file, mem, n);
}

/* Opens PATH where it is the one that runs. */
static struct xkd_image *fitting(struct xkd_target *t, const char *path, bool entry, uint64_t at,
				 uint64_t *slide, bool *other)
{
	struct xkd_image *img;
	struct xkd_err ignored;
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || xkd_image_open(path, t->log, &img, &ignored))
		return NULL;
	*slide = entry ? at - xkd_image_entry(img) : at;
	if (is_it(t, img, *slide))
		return img;
	*other = true;
	xkd_image_unref(img);
	return NULL;
}

/* The file on the symbol path, else where the stub has it: it may be this machine. */
static struct xkd_image *find(struct xkd_target *t, const char *path, bool entry, uint64_t at,
			      uint64_t *slide, bool *other)
{
	const char *base = strrchr(path, '/') + 1;
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_image *img = NULL;

	for (size_t i = 0; !img && i < t->sympath.n; i++) {
		const char *dir = t->sympath.dirs[i], *file = strrchr(dir, '/');

		if (!strcmp(file ? file + 1 : dir, base))
			img = fitting(t, dir, entry, at, slide, other);
		xkd_buf_reset(&b);
		xkd_buf_printf(&b, "%s/%s", dir, base);
		if (!img)
			img = fitting(t, b.s, entry, at, slide, other);
	}
	xkd_buf_fini(&b);
	return img ? img : fitting(t, path, entry, at, slide, other);
}

/* One line of the hint: "entry HEX PATH" or "slide HEX PATH". */
static void add(struct xkd_target *t, char *line, struct xkd_buf *found)
{
	char *num = strchr(line, ' '), *path = num ? strchr(num + 1, ' ') : NULL;
	bool entry = xkd_has_prefix(line, "entry "), other = false;
	struct xkd_err ignored;
	struct xkd_image *img;
	uint64_t at, slide;

	if (!path || path[1] != '/')
		return;
	*path++ = '\0';
	if (!xkd_parse_u64(num + 1, 16, &at))
		return;
	img = find(t, path, entry, at, &slide, &other);
	if (entry) {
		xkd_buf_str(found, "the program ");
		xkd_buf_escaped(found, path, strlen(path));
	}
	if (img) {
		(void)!xkd_find_debug(&t->sympath, t->find, img, t->log, t->cancel, &ignored);
		xkd_os_place(t, img, slide);
	} else if (entry) {
		xkd_buf_str(found, other ? "; the file here is another one (-y tells where it is)"
					 : "; no such file here (-y tells where it is)");
	}
}

static enum xkd_rc program_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	struct xkd_buf list = XKD_BUF_INIT;
	struct xkd_err ignored;

	if (!t->cpus.n || !t->be->ops->hint ||
	    t->be->ops->hint(t->be, "program", &list, &ignored)) {
		xkd_buf_fini(&list);
		return XKD_NOTFOUND;
	}
	t->os = &xkd_os_program;
	for (char *p = list.s, *end; p && (end = strchr(p, '\n')); p = end + 1) {
		*end = '\0';
		add(t, p, found);
	}
	xkd_buf_fini(&list);
	t->gen.modules++;
	return XKD_OK;
}

/* All that it can see is its own; what the kernel keeps is out of the stub's reach. */
static bool program_is_kernel_addr(struct xkd_target *t, uint64_t va)
{
	return !(va >> 47);
}

const struct xkd_os xkd_os_program = {
	.name = "program",
	.attach = program_attach,
	.is_kernel_addr = program_is_kernel_addr,
};
