/* Source text: ls, lsa, and where it is looked for: .srcpath, .srcmap. The debug info says which
 * file and line; the file is read anew at each command, for it may be edited meanwhile. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/srcfile.h"
#include "engine/core/names.h"
#include <ctype.h>
#include <string.h>

#define LINES_DEFAULT 10u
#define LINES_BEFORE 5u
#define TAB 8u

static void source_row(struct xkd_session *s, const struct xkd_source *src, unsigned no)
{
	struct xkd_buf text = XKD_BUF_INIT;
	size_t n;
	const char *p = xkd_source_line(src, no, &n);

	xkd_out_st(&s->out, no == s->src_at ? XKD_ST_HEAD : XKD_ST_DIM,
		   no == s->src_at ? ">" : " ");
	xkd_out_key(&s->out, XKD_ST_NUM, "line", "%5u: ", no);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\t')
			xkd_buf_pad(&text, (text.len / TAB + 1) * TAB);
		else
			xkd_buf_ch(&text, p[i]);
	}
	xkd_out_foreign(&s->out, XKD_ST_PLAIN, text.s, text.len);
	xkd_out_end(&s->out);
	xkd_buf_fini(&text);
}

static enum xkd_rc list(struct xkd_session *s, unsigned first, unsigned count,
			struct xkd_err *err)
{
	struct xkd_source src;
	unsigned no;
	enum xkd_rc rc = xkd_source_open(s, s->src_name.s, s->src_dir.len ? s->src_dir.s : NULL,
					 &src, err);

	if (rc)
		return rc;
	if (!first)
		first = 1;
	if (first > src.nlines) {
		rc = xkd_err_set(err, XKD_NOTFOUND, "%.300s has %u lines", src.path, src.nlines);
		xkd_source_close(&src);
		return rc;
	}
	xkd_out_foreign(&s->out, XKD_ST_SRC, src.path, strlen(src.path));
	xkd_out_end(&s->out);
	for (no = first; no <= src.nlines && no - first < count; no++)
		source_row(s, &src, no);
	s->src_next = no;
	xkd_source_close(&src);
	return XKD_OK;
}

/* The place's file becomes the current one. */
static enum xkd_rc go_to(struct xkd_session *s, uint64_t addr, struct xkd_err *err)
{
	struct xkd_module *m = xkd_target_mod_at(s->t, addr);
	struct xkd_image *img = m ? xkd_target_mod_image(s->t, m) : NULL;
	struct xkd_line line;
	struct xkd_err ignored;
	struct xkd_dwarf *d;
	struct xkd_dunit unit;
	uint64_t iaddr;
	enum xkd_rc rc = xkd_line_at(s->t, addr, &line, err);

	if (rc)
		return rc;
	if (!line.file)
		return xkd_err_addr(err, XKD_NOTFOUND, addr, "no source file is known for %s",
				    XKD_ADDR(addr));
	xkd_buf_reset(&s->src_name);
	xkd_buf_str(&s->src_name, line.file);
	xkd_buf_reset(&s->src_dir);
	s->src_id = img ? *xkd_image_buildid(img) : (struct xkd_buildid){ .n = 0 };
	if (img && xkd_module_to_image(m, addr, &iaddr) && !xkd_image_dwarf(img, &d, &ignored) &&
	    !xkd_dwarf_unit(d, iaddr, &unit, &ignored) && unit.dir)
		xkd_buf_str(&s->src_dir, unit.dir);
	s->src_at = line.line;
	s->src_next = line.line > LINES_BEFORE ? line.line - LINES_BEFORE : 1;
	return XKD_OK;
}

/* A line number or count: decimal, as lines are shown; 0x for hex. */
static bool take_number(struct xkd_args *a, bool *minus, uint64_t *v)
{
	const char *p = xkd_skip_space(a->p);
	char text[24];
	size_t n = 0;

	*minus = *p == '-';
	p += *p == '-' || *p == '+';
	if (p[0] == '0' && p[1] == 'n')
		p += 2;
	while (isalnum((unsigned char)p[n]))
		n++;
	if (!n || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = 0;
	if (!xkd_parse_u64(xkd_has_prefix(text, "0x") ? text + 2 : text,
			   xkd_has_prefix(text, "0x") ? 16 : 10, v) ||
	    *v > 100000000)
		return false;
	a->p = p + n;
	return true;
}

/* "first[,count]"; a first with a minus counts back from the place. */
static enum xkd_rc window(struct xkd_session *s, struct xkd_args *a, unsigned *first,
			  unsigned *count, struct xkd_err *err)
{
	bool minus;
	uint64_t v;

	*first = s->src_next;
	*count = LINES_DEFAULT;
	if (!xkd_arg_end(a) && *a->p != ',') {
		if (!take_number(a, &minus, &v))
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "a line number comes here (decimal)");
		*first = (unsigned)v;
		if (minus)
			*first = s->src_at > v ? s->src_at - (unsigned)v : 1;
	}
	if (*xkd_skip_space(a->p) == ',') {
		a->p = xkd_skip_space(a->p) + 1;
		if (!take_number(a, &minus, &v) || minus || !v)
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "a number of lines comes here (decimal)");
		*count = (unsigned)v;
	}
	return xkd_arg_done(a, err);
}

static enum xkd_rc current_place(struct xkd_session *s, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	if (!xkd_reg_known(&ctx->regs, s->t->arch->pc))
		return xkd_err_set(err, XKD_NOTFOUND,
				   "there is no current place; name one: lsa ADDR, ls FUNCTION, ls "
				   "FILE:LINE");
	return go_to(s, ctx->frame ? ctx->pc_lookup : ctx->regs.v[s->t->arch->pc], err);
}

/* After "lsa addr". */
static enum xkd_rc at_address(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	unsigned first, count;
	uint64_t addr;
	enum xkd_rc rc = xkd_arg_expr(s, a, &addr, err);

	if (!rc)
		rc = go_to(s, addr, err);
	if (!rc && *xkd_skip_space(a->p) == ',')
		a->p = xkd_skip_space(a->p) + 1;
	if (!rc)
		rc = window(s, a, &first, &count, err);
	return rc ? rc : list(s, first, count, err);
}

static enum xkd_rc cmd_lsa(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return at_address(s, a, err);
}

static enum xkd_rc cmd_ls(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	unsigned first, count;
	enum xkd_rc rc = XKD_OK;
	const char *p = xkd_skip_space(a->p);

	if (*p == '.' && (!p[1] || isspace((unsigned char)p[1]))) {
		a->p = p + 1;
		rc = current_place(s, err);
	} else if (*p && *p != ',' && *p != '-' && !isdigit((unsigned char)*p)) {
		return at_address(s, a, err);
	} else if (!s->src_name.len) {
		rc = current_place(s, err);
	}
	if (!rc)
		rc = window(s, a, &first, &count, err);
	return rc ? rc : list(s, first, count, err);
}

static enum xkd_rc cmd_srcpath(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_buf b = XKD_BUF_INIT;
	bool append = *(a->p = xkd_skip_space(a->p)) == '+';
	const char *dirs;

	a->p += append;
	dirs = xkd_arg_rest(s, a);
	if (*dirs)
		(append ? xkd_sympath_add : xkd_sympath_set)(&s->srcpath, dirs);
	xkd_sympath_show(&s->srcpath, &b);
	xkd_out(&s->out, "Source search path is: ");
	if (b.len)
		xkd_out_foreign(&s->out, XKD_ST_SRC, b.s, b.len);
	else
		xkd_out_st(&s->out, XKD_ST_DIM, "<empty: where things were compiled only>");
	xkd_out_end(&s->out);
	xkd_buf_fini(&b);
	return XKD_OK;
}

static void drop_map(struct xkd_session *s, const char *from)
{
	for (size_t i = 0; i < s->srcmap.n; i++) {
		if (strcmp(s->srcmap.p[i].from, from))
			continue;
		free(s->srcmap.p[i].from);
		free(s->srcmap.p[i].to);
		xkd_vec_remove(&s->srcmap, i);
		return;
	}
}

static size_t no_slash(const char *p, size_t n)
{
	while (n > 1 && p[n - 1] == '/')
		n--;
	return n;
}

static enum xkd_rc cmd_srcmap(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	int pos = (int)(xkd_skip_space(a->p) - a->line);
	const char *text = xkd_arg_rest(s, a), *eq = strchr(text, '=');
	const char *from;

	if (*text && (!eq || eq == text))
		return xkd_err_syntax(err, pos, "FROM=TO comes here, as in /build/linux=/home/me/linux");
	if (*text) {
		from = xkd_arena_strndup(&s->cmd_arena, text, no_slash(text, (size_t)(eq - text)));
		drop_map(s, from);
		if (eq[1])
			*xkd_vec_push(&s->srcmap) = (struct xkd_srcmap){
				strdup(from), strndup(eq + 1, no_slash(eq + 1, strlen(eq + 1)))
			};
	}
	for (size_t i = 0; i < s->srcmap.n; i++) {
		const struct xkd_srcmap *m = &s->srcmap.p[i];

		xkd_out_foreign(&s->out, XKD_ST_SRC, m->from, strlen(m->from));
		xkd_out(&s->out, " = ");
		xkd_out_foreign(&s->out, XKD_ST_SRC, m->to, strlen(m->to));
		xkd_out_end(&s->out);
	}
	if (!s->srcmap.n) {
		xkd_out_st(&s->out, XKD_ST_DIM, "no source paths are mapped");
		xkd_out_end(&s->out);
	}
	return XKD_OK;
}

static const char more_ls[] =
	"  ls                 goes on where the last one ended; first, around the current place\n"
	"  ls . | ls 120,30   the current place; lines 120 on, 30 of them (decimal)\n"
	"  ls PLACE           a function, `file.c:123`, an address expression: as lsa\n"
	"  lsa ADDR[,FIRST[,COUNT]]   around an address; FIRST -3 is three lines before it\n"
	"Files are looked for as .srcmap says, along .srcpath, and where they were compiled.";
static const char more_srcmap[] =
	"Paths of the debug info that begin with FROM are taken to lie at TO. FROM= alone forgets it.";

static const struct xkd_cmd rows[] = {
	{ "ls", "[. | first[,count] | place]", XKD_FX_TARGET | XKD_FX_STOPPED, "show source lines",
	  cmd_ls, more_ls, "l list" },
	{ "lsa", "addr[,first[,count]]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "show source lines around an address", cmd_lsa, NULL, NULL },
	{ ".srcpath", "[+] [folder[:folder...]]", XKD_FX_NONE,
	  "show, set or (with +) extend the source path", cmd_srcpath,
	  "A name of the debug info is tried below each folder, with ever fewer of its leading parts.",
	  "directory" },
	{ ".srcmap", "[from=to]", XKD_FX_NONE, "show or add a change of source paths", cmd_srcmap,
	  more_srcmap, NULL },
};
const struct xkd_cmd_family xkd_family_source = { "Source", rows, XKD_COUNT(rows) };
