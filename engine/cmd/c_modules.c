/* lm: the modules of the target and where their symbols come from. */
#include "engine/cmd/modules.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

struct lm {
	bool verbose, by_addr, by_pattern;
	char pattern[128];
	uint64_t addr;
};

const char *xkd_symstate_word(enum xkd_symstate st)
{
	static const char *const words[] = {
		[XKD_SYMS_DEFERRED] = "(deferred)", [XKD_SYMS_DWARF] = "(dwarf)",
		[XKD_SYMS_BTF] = "(btf)",	    [XKD_SYMS_SYMTAB] = "(symtab)",
		[XKD_SYMS_KALLSYMS] = "(kallsyms)", [XKD_SYMS_NONE] = "(no symbols)",
	};

	return (size_t)st < XKD_COUNT(words) ? words[st] : "(?)";
}

static enum xkd_rc letters(struct xkd_session *s, struct xkd_args *a, const char *word, int pos,
			   struct lm *lm, struct xkd_err *err)
{
	for (; *word; word++) {
		enum xkd_rc rc;

		if (*word == 'v') {
			lm->verbose = true;
		} else if (*word == 'm') {
			lm->by_pattern = true;
			if (!xkd_arg_word(a, lm->pattern, sizeof(lm->pattern)))
				return xkd_err_syntax(err, (int)(a->p - a->line),
						      "a pattern comes behind m, as in lm m kvm*");
		} else if (*word == 'a') {
			lm->by_addr = true;
			rc = xkd_arg_expr(s, a, &lm->addr, err);
			if (rc)
				return rc;
		} else {
			return xkd_err_syntax(err, pos, "lm knows v, m PATTERN and a ADDR");
		}
	}
	return XKD_OK;
}

static bool wanted(const struct lm *lm, const struct xkd_module *m)
{
	if (lm->by_addr && !xkd_module_has(m, lm->addr))
		return false;
	return !lm->by_pattern || xkd_glob(lm->pattern, m->name, true) ||
	       (m->is_kernel && xkd_glob(lm->pattern, "vmlinux", true));
}

static void detail(struct xkd_session *s, const char *key, const char *val)
{
	xkd_out_st(&s->out, XKD_ST_DIM, "    %-12s ", key);
	xkd_out_foreign(&s->out, XKD_ST_PLAIN, val, strlen(val));
	xkd_out_end(&s->out);
}

static void details(struct xkd_session *s, struct xkd_module *m)
{
	char hex[XKD_BUILDID_HEX], text[128];

	if (m->struct_addr)
		detail(s, "struct", XKD_ADDR(m->struct_addr));
	if (m->is_kernel) {
		snprintf(text, sizeof(text), "%s0x%llx", m->slide < 0 ? "-" : "",
			 (unsigned long long)(m->slide < 0 ? -(uint64_t)m->slide
							   : (uint64_t)m->slide));
		detail(s, "slide", text);
	}
	for (size_t i = 0; i < m->ranges.n; i++) {
		snprintf(text, sizeof(text), "%s %s, 0x%llx bytes", XKD_ADDR(m->ranges.p[i].start),
			 XKD_ADDR(m->ranges.p[i].start + m->ranges.p[i].size),
			 (unsigned long long)m->ranges.p[i].size);
		detail(s, i ? "" : "ranges", text);
	}
	detail(s, "build-id", m->id.n ? xkd_buildid_hex(&m->id, hex) : "not known");
	if (m->img && m->forced)
		detail(s, "mismatch", "the file has another build-id and was taken all the same");
	if (m->img && m->forced && xkd_image_buildid(m->img)->n)
		detail(s, "file's", xkd_buildid_hex(xkd_image_buildid(m->img), hex));
	if (m->why[0])
		detail(s, "why", m->why);
	for (size_t i = 0; i < m->secs.n; i++) {
		snprintf(text, sizeof(text), "%s %.64s%s", XKD_ADDR(m->secs.p[i].addr),
			 m->secs.p[i].name,
			 m->img && !m->secs.p[i].size ? " (not in the file)" : "");
		detail(s, i ? "" : "sections", text);
	}
}

static void module_row(struct xkd_session *s, const struct xkd_module *m)
{
	struct xkd_out *o = &s->out;

	xkd_out_key(o, XKD_ST_ADDR, "start", "%s", XKD_ADDR(xkd_module_start(m)));
	xkd_out(o, " ");
	xkd_out_key(o, XKD_ST_ADDR, "end", "%s", XKD_ADDR(xkd_module_end(m)));
	xkd_out(o, "   ");
	xkd_out_foreign(o, XKD_ST_SYM, m->name, strlen(m->name));
	xkd_out_pad(o, 58);
	xkd_out_key(o, XKD_ST_DIM, "symbols", " %s%s", xkd_symstate_word(m->state),
		    m->forced && m->img ? " M" : "");
	if (m->img) {
		xkd_out_pad(o, 72);
		xkd_out(o, " ");
		xkd_out_foreign(o, XKD_ST_SRC, xkd_image_path(m->img),
				strlen(xkd_image_path(m->img)));
	}
	xkd_out_end(o);
	if (m->img && m->why[0] && !m->forced) {
		xkd_out_st(o, XKD_ST_DIM, "    refused: ");
		xkd_out_foreign(o, XKD_ST_DIM, m->why, strlen(m->why));
		xkd_out_st(o, XKD_ST_DIM, " (.reload /i %s takes it)", m->name);
		xkd_out_end(o);
	}
}

enum xkd_rc xkd_cmd_lm(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct lm lm = { 0 };
	enum xkd_rc rc =
		letters(s, a, a->name + 2, (int)(xkd_skip_space(a->p) - a->line), &lm, err);
	char word[16];
	size_t shown = 0;

	while (!rc && !xkd_arg_end(a)) {
		int pos = (int)(a->p - a->line);

		if (!xkd_arg_word(a, word, sizeof(word)))
			return xkd_err_syntax(err, pos, "lm knows v, m PATTERN and a ADDR");
		rc = letters(s, a, word, pos, &lm, err);
	}
	if (rc)
		return rc;
	xkd_out_st(&s->out, XKD_ST_HEAD, "start             end                 module name");
	xkd_out_end(&s->out);
	for (size_t i = 0; i < s->t->mods.n; i++) {
		struct xkd_module *m = s->t->mods.p[i];

		if (!wanted(&lm, m))
			continue;
		rc = xkd_cancel_check(&s->cancel, err);
		if (rc)
			return rc;
		if (!s->t->running) /* opening reads headers only */
			(void)!xkd_target_mod_image(s->t, m);
		module_row(s, m);
		if (lm.verbose)
			details(s, m);
		shown++;
	}
	if (shown)
		return XKD_OK;
	if (lm.by_addr)
		return xkd_err_set(err, XKD_NOTFOUND, "%s lies in no module", XKD_ADDR(lm.addr));
	if (lm.by_pattern)
		return xkd_err_set(err, XKD_NOTFOUND, "no module matches '%s'", lm.pattern);
	return xkd_err_set(err, XKD_NOTFOUND, "no module is known (.reload looks for the kernel)");
}
