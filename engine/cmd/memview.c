/* Reads memory with holes: a read stops at the first byte that cannot be had; what is behind it in
 * the same page is taken as unreadable, the next page is tried again. */
#include "engine/cmd/memview.h"
#include "base/str.h"
#include <string.h>

#define PAGE 4096u

enum xkd_rc xkd_memview_open(struct xkd_session *s, bool phys, struct xkd_memview *v,
			     struct xkd_err *err)
{
	*v = (struct xkd_memview){ .s = s, .phys = phys };
	return xkd_session_ctx(s, &v->ctx, err);
}

static enum xkd_rc read_some(struct xkd_memview *v, uint64_t addr, uint8_t *buf, size_t len,
			     size_t *done, struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_phys();

	if (!v->phys)
		return xkd_ctx_read(v->ctx, addr, buf, len, done, err);
	return xkd_mem_read(v->s->t, &sp, addr, buf, len, done, err);
}

enum xkd_rc xkd_memview_read(struct xkd_memview *v, uint64_t addr, uint8_t *buf, uint8_t *ok,
			     size_t len, struct xkd_err *err)
{
	memset(ok, 0, len);
	for (size_t at = 0; at < len;) {
		size_t done = 0;
		struct xkd_err sub = XKD_ERR_INIT;
		enum xkd_rc rc;

		if (addr + at < addr)
			break;
		rc = read_some(v, addr + at, buf + at, len - at, &done, &sub);
		memset(ok + at, 1, done);
		at += done;
		if (!rc && done)
			continue;
		if (rc == XKD_TRANSPORT || rc == XKD_CANCELED || rc == XKD_RUNNING ||
		    rc == XKD_STALE || v->s->t->lost) {
			if (err)
				*err = sub;
			return rc;
		}
		v->why = sub;
		at += PAGE - (size_t)((addr + at) % PAGE);
	}
	return XKD_OK;
}

enum xkd_rc xkd_memview_write(struct xkd_memview *v, uint64_t addr, const uint8_t *buf, size_t len,
			      struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_phys();
	size_t done = 0;
	enum xkd_rc rc;

	rc = v->phys ? xkd_mem_write(v->s->t, &sp, addr, buf, len, &done, err)
		     : xkd_ctx_write(v->ctx, addr, buf, len, &done, err);
	if (rc && done)
		return xkd_err_prepend(err, rc, "only the first 0x%zx bytes are written", done);
	if (!rc && done != len)
		return xkd_err_set(err, XKD_BADDATA, "only 0x%zx of 0x%zx bytes were written", done,
				   len);
	return rc;
}

static void element(struct xkd_out *o, unsigned unit, const uint8_t *p, bool ok, bool dash)
{
	uint64_t v = xkd_get_le(p, unit);

	xkd_out(o, dash ? "-" : " ");
	if (!ok)
		xkd_out_st(o, XKD_ST_DIM, "%s",
			   unit == 1   ? "??"
			   : unit == 2 ? "????"
			   : unit == 4 ? "????????"
				       : "????????`????????");
	else if (unit == 8)
		xkd_out_key(o, XKD_ST_NUM, "value", "%s", XKD_ADDR(v));
	else
		xkd_out_key(o, XKD_ST_NUM, "value", "%0*llx", (int)unit * 2, (unsigned long long)v);
}

static unsigned unit_of(char kind)
{
	return kind == 'b' ? 1 : kind == 'w' ? 2 : kind == 'q' ? 8 : 4;
}

void xkd_memrow(struct xkd_session *s, char kind, uint64_t addr, const uint8_t *buf,
		const uint8_t *ok, size_t n, unsigned columns)
{
	struct xkd_out *o = &s->out;
	unsigned unit = unit_of(kind), width = unit == 8 ? 18 : unit * 2 + 1;
	char text[257];
	size_t i;

	xkd_out_key(o, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	xkd_out(o, " ");
	for (i = 0; i + unit <= n; i += unit)
		element(o, unit, buf + i, memchr(ok + i, 0, unit) == NULL,
			unit == 1 && i && i % 8 == 0);
	if (kind == 'b' || kind == 'c') {
		for (i = 0; i < n && i < sizeof(text) - 1; i++)
			text[i] = !ok[i]			    ? '?'
				  : buf[i] >= 0x20 && buf[i] < 0x7f ? (char)buf[i]
								    : '.';
		text[i] = 0;
		xkd_out_pad(o, 18 + (size_t)columns * width + 2);
		xkd_out_st(o, XKD_ST_STR, "%s", text);
	}
	xkd_out_end(o);
}
