/* Modules: the map between target addresses and image addresses. The kernel moves as one piece by
 * its slide; a .ko section by section. */
#include "engine/core/module.h"
#include <stdlib.h>

bool xkd_module_has(const struct xkd_module *m, uint64_t addr)
{
	for (size_t i = 0; i < m->ranges.n; i++)
		if (addr - m->ranges.p[i].start < m->ranges.p[i].size)
			return true;
	return false;
}

uint64_t xkd_module_start(const struct xkd_module *m)
{
	return m->ranges.n ? m->ranges.p[0].start : 0;
}

uint64_t xkd_module_end(const struct xkd_module *m)
{
	return m->ranges.n ? m->ranges.p[0].start + m->ranges.p[0].size : 0;
}

bool xkd_module_to_image(const struct xkd_module *m, uint64_t addr, uint64_t *iaddr)
{
	if (m->is_kernel) {
		*iaddr = addr - (uint64_t)m->slide;
		return true;
	}
	for (size_t i = 0; i < m->secs.n; i++) {
		const struct xkd_modsec *s = &m->secs.p[i];

		if (s->size && addr - s->addr < s->size) {
			*iaddr = addr - s->addr + s->iaddr;
			return true;
		}
	}
	return false;
}

bool xkd_module_to_target(const struct xkd_module *m, uint64_t iaddr, uint64_t *addr)
{
	if (m->is_kernel) {
		*addr = iaddr + (uint64_t)m->slide;
		return true;
	}
	for (size_t i = 0; i < m->secs.n; i++) {
		const struct xkd_modsec *s = &m->secs.p[i];

		/* The end counts too: ranges end one past, labels stand there. */
		if (s->size && iaddr - s->iaddr <= s->size) {
			*addr = iaddr - s->iaddr + s->addr;
			return true;
		}
	}
	return false;
}

void xkd_module_free(struct xkd_module *m)
{
	if (!m)
		return;
	xkd_image_unref(m->img);
	xkd_vec_fini(&m->ranges);
	xkd_vec_fini(&m->secs);
	free(m);
}
