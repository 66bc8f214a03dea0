/* What a stub that serves a user program (gdbserver) tells of its files: the executable, where it was
 * started at, and the libraries that its loader keeps in a list. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OBJECT_MAX (1u << 20)
#define AT_NULL 0 /* auxiliary vector: <elf.h> of the target, x86-64 */
#define AT_ENTRY 9

enum xkd_rc xkd_rsp_xfer(struct xkd_rsp *r, const char *object, const char *annex, struct xkd_buf *out,
			 struct xkd_err *err)
{
	const char *name = *annex ? annex : object;
	size_t piece = r->packet_size - 16;

	while (out->len < OBJECT_MAX) {
		enum xkd_rc rc = xkd_rsp_askf(r, err, "qXfer:%s:read:%s:%zx,%zx", object, annex,
					      out->len, piece);
		char kind;

		if (rc != XKD_OK)
			return rc;
		kind = r->reply.len ? r->reply.s[0] : 'E';
		if (kind != 'm' && kind != 'l')
			return xkd_err_set(err, XKD_BADDATA, "%s does not send %s (%s)",
					   r->link.peer, name, XKD_RSP_SAID(r));
		if (kind == 'm' && r->reply.len == 1)
			return xkd_err_set(err, XKD_BADDATA, "%s sends %s without end",
					   r->link.peer, name);
		xkd_buf_add(out, r->reply.s + 1, r->reply.len - 1);
		if (kind == 'l')
			return XKD_OK;
	}
	return xkd_err_set(err, XKD_BADDATA, "%s sends a %s of over %u bytes", r->link.peer, name,
			   OBJECT_MAX);
}

/* Foreign: a path is one line of printable text or it is nothing. */
static bool path_ok(const char *s, size_t n)
{
	if (!n || n > 4000 || s[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return true;
}

static bool entry_of(const struct xkd_buf *auxv, uint64_t *entry)
{
	for (size_t at = 0; at + 16 <= auxv->len; at += 16) {
		const uint8_t *p = (const uint8_t *)auxv->s + at;

		if (xkd_get_le(p, 8) == AT_NULL)
			break;
		if (xkd_get_le(p, 8) == AT_ENTRY) {
			*entry = xkd_get_le(p + 8, 8);
			return true;
		}
	}
	return false;
}

/* The value of an attribute of the element at s; NULL when it has none. */
static const char *attribute(const char *s, const char *end, const char *key, size_t *n)
{
	size_t klen = strlen(key);

	for (; s + klen + 2 < end; s++) {
		const char *close;

		if (s[0] != ' ' || memcmp(s + 1, key, klen) || s[1 + klen] != '=' ||
		    s + klen + 3 > end || s[2 + klen] != '"')
			continue;
		s += klen + 3;
		close = memchr(s, '"', (size_t)(end - s));
		*n = close ? (size_t)(close - s) : 0;
		return close ? s : NULL;
	}
	return NULL;
}

/* <library name="/lib/..." ... l_addr="0x7f..."/>; a name with an entity in it is passed over. */
static void add_libraries(const struct xkd_buf *xml, struct xkd_buf *val)
{
	for (const char *p = xml->s; p && (p = strstr(p, "<library "));) {
		const char *end = strchr(p, '>'), *name, *addr;
		size_t nlen, alen;
		char num[24];
		uint64_t slide;

		if (!end)
			return;
		name = attribute(p, end, "name", &nlen);
		addr = attribute(p, end, "l_addr", &alen);
		p = end;
		if (!name || !addr || alen < 3 || alen >= sizeof(num) || !path_ok(name, nlen) ||
		    memchr(name, '&', nlen))
			continue;
		memcpy(num, addr, alen);
		num[alen] = '\0';
		if (xkd_has_prefix(num, "0x") && xkd_parse_u64(num + 2, 16, &slide))
			xkd_buf_printf(val, "slide %" PRIx64 " %.*s\n", slide, (int)nlen, name);
	}
}

enum xkd_rc xkd_rsp_program(struct xkd_rsp *r, struct xkd_buf *val, struct xkd_err *err)
{
	struct xkd_buf exe = XKD_BUF_INIT, more = XKD_BUF_INIT;
	struct xkd_err ignored = XKD_ERR_INIT;
	uint64_t entry;
	enum xkd_rc rc = XKD_NOTFOUND;

	if (r->has_exec_file && r->has_auxv)
		rc = xkd_rsp_xfer(r, "exec-file", "", &exe, err);
	if (rc == XKD_OK && !path_ok(exe.s, exe.len))
		rc = XKD_NOTFOUND;
	if (rc == XKD_OK)
		rc = xkd_rsp_xfer(r, "auxv", "", &more, err);
	if (rc == XKD_OK && entry_of(&more, &entry)) {
		xkd_buf_printf(val, "entry %" PRIx64 " %.*s\n", entry, (int)exe.len, exe.s);
		xkd_buf_reset(&more);
		if (r->has_libraries &&
		    !xkd_rsp_xfer(r, "libraries-svr4", "", &more, &ignored))
			add_libraries(&more, val);
	}
	xkd_buf_fini(&exe);
	xkd_buf_fini(&more);
	if (rc == XKD_OK && !val->len)
		rc = XKD_NOTFOUND;
	return rc == XKD_NOTFOUND ? xkd_err_set(err, rc, "the stub serves no program") : rc;
}
