/* Looking at a machine whose kernel is not known yet. Reads go through one CPU's page tables over
 * physical memory where that can be read, so a CPU in user mode under page-table isolation serves as
 * well; each finding is verified by the caller. */
#include "engine/core/cache.h"
#include "engine/os/linux/linux.h"
#include <string.h>

#define STEP 0x200000ULL       /* kernels are aligned to 2 MiB (CONFIG_PHYSICAL_ALIGN's least) */
#define IDENTIFY_MAX (96u << 20)

static bool by_name(struct xkd_target *t, const struct xkd_regs *r, const char *name, uint64_t *v)
{
	for (int i = 0; i < t->arch->nregs; i++)
		if (!strcmp(t->arch->reg_names[i], name) && xkd_reg_known(r, i)) {
			*v = r->v[i];
			return true;
		}
	return false;
}

size_t linux_views(struct xkd_target *t, int cpu, struct linux_view v[2])
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	size_t n = 0;

	memset(v, 0, 2 * sizeof(v[0]));
	if (t->caps & XKD_CAP_READ_PHYS &&
	    !xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) &&
	    !t->arch->paging(regs, &v[0].pg, &ignored)) {
		if (!v[0].pg.on)
			return 0; /* too early for any kernel address */
		v[0].cpu = v[1].cpu = cpu;
		v[0].has_pg = v[1].has_pg = true;
		v[1].pg = v[0].pg;
		v[1].pg.root &= ~LINUX_PTI_USER;
		n = v[1].pg.root == v[0].pg.root ? 1 : 2;
		if (n == 2 && t->arch->is_user(regs)) { /* the likelier one first */
			v[0].pg = v[1].pg;
			v[1].pg.root |= LINUX_PTI_USER;
		}
		for (size_t i = 0; i < n; i++)
			v[i].sp = (struct xkd_space){ .kind = XKD_SP_PT, .pg = v[i].pg };
		return n;
	}
	v[0].cpu = cpu;
	v[0].sp = xkd_space_cpu(cpu);
	return 1;
}

/* A 64-bit gate (SDM volume 3, 6.14.1): offset bits 15:0 at 0, 31:16 at 6, 63:32 at 8. */
enum xkd_rc linux_divide_handler(struct xkd_target *t, const struct linux_view *v, uint64_t *handler,
				 struct xkd_err *err)
{
	const struct xkd_regs *regs;
	uint8_t gate[16];
	uint64_t idt;
	enum xkd_rc rc = xkd_target_regs(t, v->cpu, XKD_RG_DESC, &regs, err);

	if (rc)
		return rc;
	if (!by_name(t, regs, "idt_base", &idt) || idt < LINUX_KERNEL_MAP >> 1)
		return xkd_err_set(err, XKD_NOTFOUND, "no kernel IDT on CPU %d", v->cpu);
	rc = xkd_mem_read(t, &v->sp, idt, gate, sizeof(gate), NULL, err);
	if (rc)
		return rc;
	*handler = xkd_get_le(gate, 2) | xkd_get_le(gate + 6, 2) << 16 | xkd_get_le(gate + 8, 4) << 32;
	if (!(gate[5] & 0x80) || *handler < LINUX_KERNEL_MAP)
		return xkd_err_set(err, XKD_NOTFOUND, "the IDT of CPU %d is not a kernel's", v->cpu);
	return XKD_OK;
}

enum xkd_rc linux_scan_text(struct xkd_target *t, const struct linux_view *v, uint64_t *text,
			    struct xkd_err *err)
{
	for (uint64_t va = LINUX_KERNEL_MAP; va < LINUX_KERNEL_MAP_END; va += STEP) {
		struct xkd_xlat x;
		enum xkd_rc rc;

		if (v->has_pg) {
			rc = xkd_mem_xlat(t, &v->sp, va, &x, err);
			if (!rc && x.ok && !x.nx) {
				*text = va;
				return XKD_OK;
			}
		} else {
			uint8_t b;

			rc = xkd_mem_read(t, &v->sp, va, &b, 1, NULL, err);
			if (!rc) {
				*text = va;
				return XKD_OK;
			}
		}
		if (rc == XKD_TRANSPORT || rc == XKD_CANCELED)
			return rc;
	}
	return xkd_err_set(err, XKD_NOTFOUND, "nothing is mapped where kernels live");
}

enum xkd_rc linux_notes_id(struct xkd_target *t, const struct linux_view *v, struct xkd_image *img,
			   int64_t slide, struct xkd_buildid *id, struct xkd_err *err)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".notes");
	uint8_t notes[8192];
	size_t n;
	enum xkd_rc rc;

	if (!s)
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no .notes", xkd_image_path(img));
	n = s->size < sizeof(notes) ? (size_t)s->size : sizeof(notes);
	rc = xkd_mem_read(t, &v->sp, s->addr + (uint64_t)slide, notes, n, NULL, err);
	return rc ? rc : xkd_buildid_from_notes(notes, n, id);
}

static const uint8_t note_head[16] = { 4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0 };

#define VDSO_MAX (4 * XKD_PAGE)

/* The vDSO's images lie among the kernel's data as whole ELF files, each with a note of its own. */
static bool in_vdso(const uint8_t *b, size_t at)
{
	for (size_t back = at % XKD_PAGE; back <= at && back < VDSO_MAX; back += XKD_PAGE)
		if (!memcmp(b + at - back, "\177ELF", 4))
			return true;
	return false;
}

/* The kernel's build-id note at b[from] or behind it. b begins at a page. */
static void look_for_id(const uint8_t *b, size_t n, size_t from, struct xkd_buildid *id)
{
	const uint8_t *p = b + from;

	while (!id->n && (p = memmem(p, n - (size_t)(p - b), note_head, sizeof(note_head)))) {
		if (n - (size_t)(p - b) >= sizeof(note_head) + 20 && !in_vdso(b, (size_t)(p - b))) {
			memcpy(id->b, p + sizeof(note_head), 20);
			id->n = 20;
		}
		p++;
	}
}

static void look_for_banner(const uint8_t *b, size_t n, char *banner, size_t max)
{
	static const char word[] = "Linux version ";
	const uint8_t *p;

	if (!banner[0] && (p = memmem(b, n, word, sizeof(word) - 1))) {
		size_t len = strnlen((const char *)p, n - (size_t)(p - b));

		if (len > max - 1)
			len = max - 1;
		memcpy(banner, p, len);
		banner[len] = 0;
		banner[strcspn(banner, "\n")] = 0;
	}
}

void linux_identify(struct xkd_target *t, const struct linux_view *v, uint64_t text, char *banner,
		    size_t max, struct xkd_buildid *id)
{
	enum { CHUNK = 1 << 18, OVERLAP = VDSO_MAX, NOTE = 64 };
	uint8_t *buf = xkd_calloc(1, CHUNK + OVERLAP);
	struct xkd_err ignored;

	banner[0] = 0;
	id->n = 0;
	for (uint64_t off = 0; off < IDENTIFY_MAX && (!banner[0] || !id->n); off += CHUNK) {
		size_t done = 0;

		xkd_progress(t->log, "looking for the kernel's banner", off, IDENTIFY_MAX);
		if (xkd_mem_read(t, &v->sp, text + off, buf + OVERLAP, CHUNK, &done, &ignored) ==
		    XKD_CANCELED)
			break;
		look_for_banner(buf, OVERLAP + done, banner, max);
		look_for_id(buf, OVERLAP + done, OVERLAP - NOTE, id); /* what is before was seen */
		memmove(buf, buf + CHUNK, OVERLAP);
		if (!done && off > IDENTIFY_MAX / 2)
			break;
	}
	xkd_progress(t->log, NULL, 0, 0);
	free(buf);
}
