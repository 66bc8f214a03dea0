/* Registers: the layout a stub describes (or the one all amd64 stubs share), read by g, written by
 * P or G; what g leaves out comes from QEMU's monitor.
 *
 * The blob begins as the bytes of a g reply, so that a register's offset there is its offset here;
 * the monitor's registers follow. A reply of another length than the layout's is no error: what
 * it does not reach is unavailable. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where `info registers` prints what. value: which hex word after the name. */
static const struct monitor_reg {
	const char *name;
	uint16_t bytes;
	uint32_t group;
	const char *line;
	unsigned value;
} monitor_regs[] = {
	{ "idt_base", 8, XKD_RG_DESC, "IDT=", 0 }, { "idt_limit", 4, XKD_RG_DESC, "IDT=", 1 },
	{ "gdt_base", 8, XKD_RG_DESC, "GDT=", 0 }, { "gdt_limit", 4, XKD_RG_DESC, "GDT=", 1 },
	{ "tr", 4, XKD_RG_DESC, "TR =", 0 },	   { "tr_base", 8, XKD_RG_DESC, "TR =", 1 },
	{ "ldt", 4, XKD_RG_DESC, "LDT=", 0 },	   { "dr0", 8, XKD_RG_DEBUG, "DR0=", 0 },
	{ "dr1", 8, XKD_RG_DEBUG, "DR1=", 0 },	   { "dr2", 8, XKD_RG_DEBUG, "DR2=", 0 },
	{ "dr3", 8, XKD_RG_DEBUG, "DR3=", 0 },	   { "dr6", 8, XKD_RG_DEBUG, "DR6=", 0 },
	{ "dr7", 8, XKD_RG_DEBUG, "DR7=", 0 },	   { "cs_base", 8, XKD_RG_DESC, "CS =", 1 },
	{ "cs_attr", 4, XKD_RG_DESC, "CS =", 3 },
};

static uint32_t group_of(const char *name)
{
	static const char ints[] = " rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 "
				   "rip eflags cs ss ds es fs gs ";
	static const char sys[] = " fs_base gs_base k_gs_base cr0 cr2 cr3 cr4 cr8 efer ";
	char key[32];

	snprintf(key, sizeof(key), " %s ", name);
	if (strstr(ints, key))
		return XKD_RG_INT;
	if (strstr(sys, key))
		return XKD_RG_SYS;
	return XKD_RG_FP;
}

/* One document of the description. */
static enum xkd_rc fetch_xml(void *arg, const char *annex, struct xkd_buf *out, struct xkd_err *err)
{
	return xkd_rsp_xfer(arg, "features", annex, out, err);
}

static bool add_reg(struct xkd_rsp *r, const char *name, unsigned bytes, uint32_t group,
		    struct xkd_rsp_reg reg)
{
	struct xkd_regdesc *d = &r->descs[r->layout.n];

	if (r->layout.n >= XKD_REGS_MAX || r->layout.blob + bytes > XKD_REGBLOB_MAX)
		return false;
	reg.off = (unsigned)r->layout.blob;
	*d = (struct xkd_regdesc){ .off = (uint16_t)r->layout.blob,
				   .bytes = (uint16_t)bytes,
				   .group = group };
	snprintf(d->name, sizeof(d->name), "%s", name);
	r->regs[r->layout.n++] = reg;
	r->layout.blob += bytes;
	return true;
}

static void build_layout(struct xkd_rsp *r, const struct xkd_tdesc *td)
{
	size_t spare = r->has_monitor && r->profile->qemu ? XKD_COUNT(monitor_regs) : 0;

	r->layout = (struct xkd_reglayout){ .regs = r->descs };
	for (size_t i = 0; i < td->n && r->layout.n + spare < XKD_REGS_MAX; i++) {
		const struct xkd_tdesc_reg *t = &td->regs[i];

		if (r->layout.blob + t->bits / 8 + 8 * spare > XKD_REGBLOB_MAX ||
		    !add_reg(r, t->name, t->bits / 8, group_of(t->name),
			     (struct xkd_rsp_reg){ XKD_RSP_REG_G, t->regnum, 0 }))
			break;
	}
	r->g_bytes = r->layout.blob;
	for (size_t i = 0; i < spare; i++)
		add_reg(r, monitor_regs[i].name, monitor_regs[i].bytes, monitor_regs[i].group,
			(struct xkd_rsp_reg){ XKD_RSP_REG_MONITOR, 0, 0 });
}

enum xkd_rc xkd_rsp_layout_init(struct xkd_rsp *r, struct xkd_err *err)
{
	struct xkd_tdesc *td = xkd_calloc(1, sizeof(*td));
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = XKD_OK;

	if (r->has_xfer_features) {
		rc = xkd_tdesc_read(td, fetch_xml, r, &e);
		if (rc == XKD_BADDATA) {
			xkd_log(r->log, XKD_LOG_WARN, "%s; taking the usual amd64 registers",
				e.msg);
			rc = XKD_OK;
			td->n = 0;
		}
	}
	if (rc != XKD_OK) {
		free(td);
		return xkd_err_set(err, rc, "%s", e.msg);
	}
	for (char *p = td->arch; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	memcpy(r->arch, td->arch, sizeof(r->arch));
	if (!td->n)
		xkd_tdesc_amd64(td);
	build_layout(r, td);
	free(td);
	return XKD_OK;
}

const struct xkd_reglayout *xkd_rsp_reglayout(struct xkd_backend *be)
{
	return &xkd_rsp(be)->layout;
}

/* A g reply into the blob; xx bytes are registers the stub does not have at hand. */
void xkd_rsp_take_g(const struct xkd_rsp *r, const char *s, size_t len, struct xkd_regblob *blob)
{
	for (size_t i = 0; i < r->layout.n; i++) {
		const struct xkd_regdesc *d = &r->descs[i];
		size_t at = 2 * (size_t)r->regs[i].off, n;

		if (r->regs[i].from != XKD_RSP_REG_G || at + 2 * (size_t)d->bytes > len)
			continue;
		blob->avail[i] = xkd_rsp_unhex(s + at, 2 * (size_t)d->bytes, blob->bytes + d->off,
					       d->bytes, &n);
	}
	xkd_rsp_mend_g(r, blob);
}

static enum xkd_rc ask_g(struct xkd_rsp *r, uint64_t cpu_id, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_select(r, cpu_id, err);

	if (rc == XKD_OK)
		rc = xkd_rsp_ask(r, "g", 1, err);
	if (rc != XKD_OK)
		return rc;
	if (!r->reply.len || xkd_rsp_is_error(r->reply.s, r->reply.len))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s gives no registers (%s)", r->link.peer,
				   XKD_RSP_SAID(r));
	return XKD_OK;
}

/* The value-th hex word after the line's name; false when there is none. The text is HMP's: a name
 * at the start of a line or after a blank. */
static bool find_value(const char *text, const char *name, unsigned value, uint64_t *v)
{
	const char *p = text;

	for (; (p = strstr(p, name)); p++)
		if (p == text || p[-1] == '\n' || p[-1] == ' ' || p[-1] == '\r')
			break;
	if (!p)
		return false;
	p += strlen(name);
	for (;;) {
		size_t n = 0;

		while (*p == ' ')
			p++;
		for (*v = 0; xkd_hex_digit(p[n]) >= 0 && n < 16; n++)
			*v = *v << 4 | (unsigned)xkd_hex_digit(p[n]);
		if (!n)
			return false;
		if (!value--)
			return true;
		p += n;
	}
}

void xkd_rsp_parse_info_registers(const struct xkd_reglayout *layout, const char *text,
				  struct xkd_regblob *blob)
{
	for (size_t i = 0; i < layout->n; i++) {
		const struct xkd_regdesc *d = &layout->regs[i];
		uint64_t v;

		for (size_t k = 0; k < XKD_COUNT(monitor_regs); k++) {
			const struct monitor_reg *m = &monitor_regs[k];

			if (strcmp(d->name, m->name) || !find_value(text, m->line, m->value, &v))
				continue;
			xkd_put_le(blob->bytes + d->off, v, d->bytes);
			blob->avail[i] = 1;
		}
	}
}

/* HMP numbers CPUs in the order in which the stub lists its threads. */
static enum xkd_rc ask_monitor(struct xkd_rsp *r, uint64_t cpu_id, struct xkd_regblob *blob,
			       struct xkd_err *err)
{
	struct xkd_buf out;
	char cmd[32];
	size_t index = 0;
	enum xkd_rc rc;

	while (index < r->nthreads && r->threads[index].id != cpu_id)
		index++;
	xkd_buf_init(&out);
	snprintf(cmd, sizeof(cmd), "cpu %zu", index);
	rc = xkd_rsp_monitor(r, cmd, &out, err);
	if (rc == XKD_OK && out.len) {
		/* It says something only when there is no such CPU. */
		rc = xkd_err_set(err, XKD_BADDATA, "the monitor of %s has no CPU %zu", r->link.peer,
				 index);
	}
	if (rc == XKD_OK)
		rc = xkd_rsp_monitor(r, "info registers", &out, err);
	if (rc == XKD_OK)
		xkd_rsp_parse_info_registers(&r->layout, out.s, blob);
	xkd_buf_fini(&out);
	return rc;
}

enum xkd_rc xkd_rsp_regs_get(struct xkd_backend *be, uint64_t cpu_id, unsigned groups,
			     struct xkd_regblob *blob, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	unsigned by_monitor = XKD_RG_DESC | XKD_RG_DEBUG;
	enum xkd_rc rc;

	memset(blob, 0, sizeof(*blob));
	rc = xkd_rsp_select(r, cpu_id, err);
	if (rc == XKD_OK && (groups & ~by_monitor)) {
		rc = ask_g(r, cpu_id, err);
		if (rc == XKD_OK)
			xkd_rsp_take_g(r, r->reply.s, r->reply.len, blob);
	}
	if (rc == XKD_OK && (groups & by_monitor) && r->layout.blob > r->g_bytes)
		rc = ask_monitor(r, cpu_id, blob, err);
	return rc == XKD_OK ? rc : xkd_err_prepend(err, rc, "reading registers");
}

/* The whole g reply with one register changed, for a stub without P. The reply is sent back as it
 * came, so what is xx there stays untouched. */
static enum xkd_rc write_by_g(struct xkd_rsp *r, uint64_t cpu_id, size_t index, const char *hex,
			      struct xkd_err *err)
{
	const struct xkd_regdesc *d = &r->descs[index];
	size_t at = 2 * (size_t)r->regs[index].off;
	struct xkd_buf req;
	enum xkd_rc rc = ask_g(r, cpu_id, err);

	if (rc != XKD_OK)
		return rc;
	if (at + 2 * (size_t)d->bytes > r->reply.len || r->reply.len + 8 > r->packet_size)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot write it", r->link.peer);
	xkd_buf_init(&req);
	xkd_buf_ch(&req, 'G');
	xkd_buf_add(&req, r->reply.s, r->reply.len);
	memcpy(req.s + 1 + at, hex, 2 * (size_t)d->bytes);
	rc = xkd_rsp_ask(r, req.s, req.len, err);
	xkd_buf_fini(&req);
	if (rc == XKD_OK && !xkd_rsp_is_ok(r))
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "%s refuses (%s)", r->link.peer,
				 XKD_RSP_SAID(r));
	return rc;
}

/* QEMU says OK to writes that it ignores: the register must not still be what it was. */
static enum xkd_rc check_written(struct xkd_rsp *r, size_t index, const char *old, const char *hex,
				 struct xkd_err *err)
{
	enum xkd_rc rc;

	if (!strcasecmp(old, hex))
		return XKD_OK;
	rc = xkd_rsp_askf(r, err, "p%x", r->regs[index].regnum);
	if (rc == XKD_OK && r->reply.len == strlen(old) && !strcasecmp(r->reply.s, old))
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s said OK but the register did not change", r->link.peer);
	return rc;
}

static enum xkd_rc write_reg(struct xkd_rsp *r, uint64_t cpu_id, size_t index, const char *hex,
			     struct xkd_err *err)
{
	const struct xkd_regdesc *d = &r->descs[index];
	size_t at = 2 * (size_t)r->regs[index].off, n = 2 * (size_t)d->bytes;
	struct xkd_buf req;
	enum xkd_rc rc;
	char *old;

	if (r->has_p == 0)
		return write_by_g(r, cpu_id, index, hex, err);
	/* g first: under KVM, P alone would not fetch the CPU's state and lose the rest of it. */
	rc = ask_g(r, cpu_id, err);
	if (rc != XKD_OK)
		return rc;
	old = xkd_calloc(1, n + 1);
	if (at + n <= r->reply.len)
		memcpy(old, r->reply.s + at, n);
	xkd_buf_init(&req);
	xkd_buf_printf(&req, "P%x=%s", r->regs[index].regnum, hex);
	rc = xkd_rsp_ask(r, req.s, req.len, err);
	xkd_buf_fini(&req);
	if (rc == XKD_OK && !r->reply.len) {
		r->has_p = 0;
		rc = write_by_g(r, cpu_id, index, hex, err);
	} else if (rc == XKD_OK && !xkd_rsp_is_ok(r)) {
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "%s refuses (%s)", r->link.peer,
				 XKD_RSP_SAID(r));
	} else if (rc == XKD_OK) {
		r->has_p = 1;
		rc = check_written(r, index, old, hex, err);
	}
	free(old);
	return rc;
}

int xkd_rsp_reg_named(const struct xkd_rsp *r, const char *name)
{
	for (size_t i = 0; i < r->layout.n; i++)
		if (!strcmp(r->descs[i].name, name) && r->regs[i].from == XKD_RSP_REG_G)
			return (int)i;
	return -1;
}

enum xkd_rc xkd_rsp_reg_set(struct xkd_backend *be, uint64_t cpu_id, size_t index,
			    const uint8_t *val, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	char hex[2 * 512 + 1];
	enum xkd_rc rc;

	if (index >= r->layout.n)
		return xkd_err_set(err, XKD_NOTFOUND, "no register number %zu", index);
	if (r->regs[index].from != XKD_RSP_REG_G)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s can be read but not written through %s",
				   r->descs[index].name, r->link.peer);
	xkd_hex_encode(hex, val, r->descs[index].bytes);
	rc = write_reg(r, cpu_id, index, hex, err);
	xkd_rsp_moved(r, cpu_id, index, val);
	return rc == XKD_OK ? rc : xkd_err_prepend(err, rc, "writing %s", r->descs[index].name);
}
