/* BTF: records made by hand (every kind, base and split, damage), and the kernel's own against what
 * pahole says of the same bytes. */
#include "symbols/btf.h"
#include "base/str.h"
#include "tests/unit/elfsec.h"
#include "tests/unit/tap.h"

struct made { /* a BTF section being written */
	uint8_t rec[8192];
	char str[4096];
	size_t nrec, nstr;
	uint32_t id, str_first;
	uint8_t out[16384];
	size_t size;
};

static uint32_t str_of(struct made *m, const char *s)
{
	uint32_t at = (uint32_t)m->nstr;

	if (!*s)
		return 0;
	memcpy(m->str + at, s, strlen(s) + 1);
	m->nstr += strlen(s) + 1;
	return m->str_first + at;
}

static void u32(struct made *m, uint32_t v)
{
	xkd_put_le(m->rec + m->nrec, v, 4);
	m->nrec += 4;
}

static uint32_t rec(struct made *m, const char *name, unsigned kind, unsigned vlen, bool kflag,
		    uint32_t size_or_type)
{
	u32(m, str_of(m, name));
	u32(m, kind << 24 | vlen | (uint32_t)kflag << 31);
	u32(m, size_or_type);
	return m->id++;
}

static void member(struct made *m, const char *name, uint32_t type, uint32_t off)
{
	u32(m, str_of(m, name));
	u32(m, type);
	u32(m, off);
}

static void start(struct made *m, uint32_t first, uint32_t str_first)
{
	memset(m, 0, sizeof(*m));
	m->id = first;
	m->str_first = str_first;
	m->nstr = str_first ? 0 : 1;
}

static void finish(struct made *m)
{
	const uint32_t hdr[] = { 0x0001eb9f,	   24, 0, (uint32_t)m->nrec, (uint32_t)m->nrec,
				 (uint32_t)m->nstr };

	for (int i = 0; i < 6; i++)
		xkd_put_le(m->out + 4 * i, hdr[i], 4);
	memcpy(m->out + 24, m->rec, m->nrec);
	memcpy(m->out + 24 + m->nrec, m->str, m->nstr);
	m->size = 24 + m->nrec + m->nstr;
}

static void spelled(struct xkd_types *p, enum xkd_tag tag, const char *name, const char *want)
{
	const struct xkd_type *t;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b;

	xkd_buf_init(&b);
	if (p->find(p, tag, name, &t, &err) == XKD_OK)
		xkd_type_spell(xkd_type_unqual(t), NULL, &b);
	else
		xkd_buf_str(&b, err.msg);
	is_str(b.s, want, name);
	xkd_buf_fini(&b);
}

enum {
	INT = 1,
	PTR,
	ARRAY,
	STRUCT,
	UNION,
	ENUM,
	FWD,
	TYPEDEF,
	VOLATILE,
	CONST,
	RESTRICT,
	FUNC,
	PROTO,
	VAR,
	DATASEC,
	FLOAT,
	DECL_TAG,
	TYPE_TAG,
	ENUM64
};

static uint32_t id_int, id_foo, id_pfoo;

static void make_base(struct made *m)
{
	start(m, 1, 0);
	id_int = rec(m, "int", INT, 0, false, 4); /* 1 */
	u32(m, 1u << 24 | 32);
	uint32_t id_char = rec(m, "char", INT, 0, false, 1); /* 2 */
	u32(m, 8);
	rec(m, "foo", FWD, 0, false, 0);	     /* 3: the complete one comes later */
	id_foo = rec(m, "foo", STRUCT, 4, true, 16); /* 4 */
	member(m, "a", id_int, 0);
	member(m, "b", id_int, 32 | 3u << 24);
	member(m, "c", id_int, 35 | 5u << 24);
	member(m, "", 6, 64);
	id_pfoo = rec(m, "", PTR, 0, false, id_foo); /* 5 */
	rec(m, "", UNION, 2, false, 8);		     /* 6 */
	member(m, "p", id_pfoo, 0);
	member(m, "buf", 7, 0);
	rec(m, "", ARRAY, 0, false, 0); /* 7 */
	u32(m, id_char);
	u32(m, id_int);
	u32(m, 6);
	rec(m, "foo_t", TYPEDEF, 0, false, id_foo);	/* 8 */
	uint32_t e = rec(m, "color", ENUM, 2, true, 4); /* 9 */
	u32(m, str_of(m, "RED"));
	u32(m, (uint32_t)-1);
	u32(m, str_of(m, "BLUE"));
	u32(m, 7);
	rec(m, "big", ENUM64, 1, false, 8); /* 10 */
	member(m, "HUGE", 0x89abcdef, 0x01234567);
	uint32_t proto = rec(m, "", PROTO, 3, false, id_int); /* 11 */
	u32(m, str_of(m, "f")), u32(m, id_pfoo);
	u32(m, str_of(m, "n")), u32(m, e);
	u32(m, 0), u32(m, 0);
	rec(m, "do_foo", FUNC, 1, false, proto); /* 12 */
	rec(m, "a_var", VAR, 0, false, id_foo);	 /* 13 */
	u32(m, 1);
	rec(m, ".data..percpu", DATASEC, 1, false, 16); /* 14 */
	u32(m, 13), u32(m, 0), u32(m, 16);
	rec(m, "double", FLOAT, 0, false, 8);			    /* 15 */
	uint32_t tag = rec(m, "user", TYPE_TAG, 0, false, id_char); /* 16 */
	uint32_t vol = rec(m, "", VOLATILE, 0, false, tag);	    /* 17 */
	uint32_t cst = rec(m, "", CONST, 0, false, vol);	    /* 18 */
	uint32_t ptr = rec(m, "", PTR, 0, false, cst);		    /* 19 */
	uint32_t res = rec(m, "", RESTRICT, 0, false, ptr);	    /* 20 */
	rec(m, "text_t", TYPEDEF, 0, false, res);		    /* 21 */
	rec(m, "a note", DECL_TAG, 0, false, id_foo);		    /* 22 */
	u32(m, (uint32_t)-1);
	rec(m, "opaque", FWD, 0, true, 0);		 /* 23 */
	rec(m, "later", ENUM, 0, false, 4);		 /* 24 */
	rec(m, "nothing", STRUCT, 0, false, 0);		 /* 25 */
	uint32_t old = rec(m, "bits", INT, 0, false, 4); /* 26: five bits at bit 2, the old way */
	u32(m, 2u << 16 | 5);
	rec(m, "oldbits", STRUCT, 1, false, 4); /* 27 */
	member(m, "x", old, 8);
	uint32_t fp = rec(m, "", PTR, 0, false, proto); /* 28 */
	rec(m, "fn_t", TYPEDEF, 0, false, fp);		/* 29 */
	uint32_t arr2 = rec(m, "", ARRAY, 0, false, 0); /* 30 */
	u32(m, 7), u32(m, id_int), u32(m, 3);
	rec(m, "grid_t", TYPEDEF, 0, false, arr2); /* 31 */
	finish(m);
}

static void test_base(struct xkd_btf *b)
{
	struct xkd_types *p = xkd_btf_types(b);
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *t, *to;
	const struct xkd_member *m;
	const struct xkd_enumerator *e;
	const struct xkd_param *pa;
	struct xkd_member one;
	size_t n;

	is_u64(xkd_btf_ntypes(b), 32, "types with void");
	ok(!p->find(p, XKD_TAG_STRUCT, "foo", &t, &err) && !t->is_decl && t->size == 16,
	   "the complete struct wins over its declaration");
	ok(!xkd_type_members(t, &m, &n, &err) && n == 4, "its members");
	ok(m[1].bit_off == 32 && m[1].bit_size == 3 && m[2].bit_off == 35 && m[2].bit_size == 5 &&
		   m[0].bit_size == 0,
	   "bit-fields by kind_flag");
	ok(!xkd_type_find_member(t, "buf", &one, &err) && one.bit_off == 64 &&
		   one.type->kind == XKD_T_ARRAY && one.type->nelem == 6 && one.type->size == 6 &&
		   one.type->owner == p,
	   "an array in an anonymous union");
	ok(!p->find(p, XKD_TAG_ANY, "foo_t", &to, &err) && to->kind == XKD_T_TYPEDEF &&
		   to->size == 16 && xkd_type_strip(to) == t,
	   "a typedef leads to the very same type");
	ok(!p->find(p, XKD_TAG_ENUM, "color", &t, &err) && t->is_signed && t->size == 4 &&
		   !xkd_type_enums(t, &e, &n, &err) && n == 2 && e[0].val == UINT64_MAX &&
		   e[1].val == 7 && !strcmp(e[0].name, "RED"),
	   "a signed enum");
	ok(!p->find(p, XKD_TAG_ENUM, "big", &t, &err) && t->size == 8 &&
		   !xkd_type_enums(t, &e, &n, &err) && e[0].val == 0x0123456789abcdef,
	   "an enum of 64 bits");
	ok(!xkd_btf_func(b, "do_foo", &t, &err) && t->kind == XKD_T_FUNC && t->variadic &&
		   !xkd_type_params(t, &pa, &n, &err) && n == 2 && !strcmp(pa[0].name, "f"),
	   "a function's prototype");
	ok(!xkd_btf_var(b, "a_var", &t, &err) && !strcmp(t->name, "foo"), "a variable");
	ok(xkd_btf_var(b, "do_foo", &t, &err) == XKD_NOTFOUND &&
		   xkd_btf_func(b, "", &t, &err) == XKD_NOTFOUND,
	   "classes do not mix");
	ok(!p->find(p, XKD_TAG_BASE, "double", &t, &err) && t->kind == XKD_T_FLOAT && t->size == 8,
	   "a float");
	ok(!p->find(p, XKD_TAG_BASE, "char", &t, &err) && t->is_char && !t->is_signed, "char");
	ok(!p->find(p, XKD_TAG_BASE, "int", &t, &err) && !t->is_char && t->is_signed, "int");
	spelled(p, XKD_TAG_ANY, "fn_t", "fn_t");
	ok(!p->find(p, XKD_TAG_ANY, "fn_t", &t, &err) && t->size == 8, "a pointer's size");
	ok(!p->find(p, XKD_TAG_ANY, "text_t", &t, &err) && !xkd_type_target(t, &to, &err),
	   "text_t");

	struct xkd_buf buf;

	xkd_buf_init(&buf);
	xkd_type_spell(to, "s", &buf);
	is_str(buf.s, "const volatile char * restrict s", "qualifiers, type tags left out");
	xkd_buf_fini(&buf);
	ok(!p->find(p, XKD_TAG_UNION, "opaque", &t, &err) && t->is_decl && t->size == 0,
	   "a union only declared");
	ok(!p->find(p, XKD_TAG_ENUM, "later", &t, &err) && t->is_decl, "an enum only declared");
	ok(!p->find(p, XKD_TAG_STRUCT, "nothing", &t, &err) && !t->is_decl &&
		   !xkd_type_members(t, &m, &n, &err) && n == 0,
	   "an empty struct is complete");
	ok(!p->find(p, XKD_TAG_STRUCT, "oldbits", &t, &err) && !xkd_type_members(t, &m, &n, &err) &&
		   m[0].bit_off == 10 && m[0].bit_size == 5,
	   "bit-fields of old");
	ok(!p->find(p, XKD_TAG_ANY, "grid_t", &t, &err) && t->size == 18 &&
		   xkd_type_strip(t)->nelem == 3,
	   "an array of arrays");
	ok(p->find(p, XKD_TAG_STRUCT, "none", &t, &err) == XKD_NOTFOUND && !t, "none such: %s",
	   err.msg);
	ok(p->find(p, XKD_TAG_UNION, "foo", &t, &err) == XKD_NOTFOUND, "no union of that name");
}

struct seen {
	int n, decls, foo;
};
static bool see(void *arg, const struct xkd_type *t)
{
	struct seen *s = arg;

	s->n++;
	s->decls += t->is_decl;
	s->foo += t->kind == XKD_T_STRUCT && !strcmp(t->name, "foo");
	return true;
}

static void test_split(struct xkd_btf *base, const struct made *bm)
{
	static struct made m;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_btf *b;
	const struct xkd_type *t, *kt;
	const struct xkd_member *mem;
	struct seen seen = { 0 };
	size_t n;

	start(&m, 32, (uint32_t)bm->nstr);
	rec(&m, "modtype", STRUCT, 2, false, 16); /* 32 */
	member(&m, "foo", id_pfoo, 0);
	member(&m, "own", 33, 64);
	rec(&m, "", PTR, 0, false, 32); /* 33 */
	finish(&m);
	if (!ok(!xkd_btf_open(m.out, m.size, base, &b, &err), "split btf opens"))
		return;
	struct xkd_types *p = xkd_btf_types(b);

	is_u64(xkd_btf_ntypes(b), 34, "types of both");
	ok(!p->find(p, XKD_TAG_STRUCT, "modtype", &t, &err) && t->owner == p, "a type of its own");
	ok(!xkd_type_members(t, &mem, &n, &err) && n == 2 && !strcmp(mem[0].name, "foo"),
	   "names from its own strings");
	xkd_btf_types(base)->find(xkd_btf_types(base), XKD_TAG_STRUCT, "foo", &kt, &err);
	ok(xkd_type_strip(mem[0].type)->owner == xkd_btf_types(base), "member of the base's type");
	const struct xkd_type *to = NULL;

	ok(!xkd_type_target(mem[0].type, &to, &err) && to == kt, "the very type of the base");
	ok(!xkd_type_target(mem[1].type, &to, &err) && to == t, "and of its own");
	ok(p->find(p, XKD_TAG_STRUCT, "foo", &t, &err) == XKD_NOTFOUND, "find leaves out the base");
	ok(!p->each(p, see, &seen, &err) && seen.n == 1, "each too");
	xkd_btf_close(b);

	seen = (struct seen){ 0 };
	p = xkd_btf_types(base);
	ok(!p->each(p, see, &seen, &err) && seen.n == 13 && !seen.decls && seen.foo == 1,
	   "each of the base: complete named types once (%d)", seen.n);
}

static enum xkd_rc opens(const struct made *m, size_t size, struct xkd_err *err)
{
	struct xkd_btf *b;
	const struct xkd_type *t;
	enum xkd_rc rc = xkd_btf_open(m->out, size, NULL, &b, err);

	if (!rc) {
		struct xkd_types *p = xkd_btf_types(b);

		rc = p->find(p, XKD_TAG_STRUCT, "s", &t, err);
		if (!rc) {
			const struct xkd_member *mem;
			size_t n;

			rc = xkd_type_members(t, &mem, &n, err);
		}
		xkd_btf_close(b);
	}
	return rc;
}

static void test_damage(void)
{
	static struct made m;
	struct xkd_err err = XKD_ERR_INIT;

	start(&m, 1, 0);
	rec(&m, "s", STRUCT, 1, false, 4);
	member(&m, "x", 99, 0);
	finish(&m);
	ok(opens(&m, m.size, &err) == XKD_BADDATA && strstr(err.msg, "no type 99"), "bad id: %s",
	   err.msg);
	ok(opens(&m, 23, &err) == XKD_BADDATA, "short header: %s", err.msg);
	ok(opens(&m, m.size - 1, &err) == XKD_BADDATA, "cut off: %s", err.msg);
	m.out[4] = 25;
	ok(opens(&m, m.size, &err) == XKD_BADDATA, "shifted: %s", err.msg);
	m.out[4] = 24;
	m.out[0] = 0xeb, m.out[1] = 0x9f;
	ok(opens(&m, m.size, &err) == XKD_UNSUPPORTED, "big-endian: %s", err.msg);
	finish(&m);
	m.out[2] = 2;
	ok(opens(&m, m.size, &err) == XKD_UNSUPPORTED, "version: %s", err.msg);
	finish(&m);
	m.out[15] = 0xff;
	ok(opens(&m, m.size, &err) == XKD_BADDATA, "type section too long: %s", err.msg);
	finish(&m);
	m.out[24 + 4] = 0xff;
	ok(opens(&m, m.size, &err) == XKD_BADDATA && strstr(err.msg, "cut off"),
	   "too many members: %s", err.msg);
	finish(&m);
	m.out[24 + 7] = 20;
	ok(opens(&m, m.size, &err) == XKD_UNSUPPORTED && strstr(err.msg, "kind 20"), "kind: %s",
	   err.msg);
	finish(&m);
	m.out[24 + 12 + 3] = 0x40;
	ok(opens(&m, m.size, &err) == XKD_BADDATA && strstr(err.msg, "outside the strings"),
	   "name: %s", err.msg);

	struct xkd_btf *b;
	const struct xkd_type *t;

	start(&m, 1, 0);
	rec(&m, "a", TYPEDEF, 0, false, 2);
	rec(&m, "b", TYPEDEF, 0, false, 1);
	rec(&m, "t", TYPEDEF, 0, false, 4);
	rec(&m, "x", TYPE_TAG, 0, false, 4);
	rec(&m, "arr", TYPEDEF, 0, false, 6);
	rec(&m, "", ARRAY, 0, false, 0);
	u32(&m, 6), u32(&m, 6), u32(&m, UINT32_MAX);
	rec(&m, "f", FUNC, 0, false, 1);
	finish(&m);
	ok(!xkd_btf_open(m.out, m.size, NULL, &b, &err), "circles open");
	struct xkd_types *p = xkd_btf_types(b);

	ok(!p->find(p, XKD_TAG_ANY, "a", &t, &err) && t->size == 0 &&
		   xkd_type_strip(t)->kind == XKD_T_VOID,
	   "a circle of typedefs ends");
	ok(!p->find(p, XKD_TAG_ANY, "t", &t, &err) && xkd_type_strip(t)->kind == XKD_T_VOID,
	   "a circle of tags ends");
	ok(!p->find(p, XKD_TAG_ANY, "arr", &t, &err) && t->size == 0,
	   "an array of itself has no size");
	ok(xkd_btf_func(b, "f", &t, &err) == XKD_BADDATA, "a function without prototype: %s",
	   err.msg);
	xkd_btf_close(b);
}

/* --- the kernel's BTF against pahole --- */

struct same_name { /* C files may have structs of one name; each is met in both listings */
	const struct xkd_type *t;
	struct same_name *next;
};
struct want {
	uint64_t bit_off, size; /* size: bits of a bit-field, else bytes */
	bool is_bits;
};
struct peer {
	struct xkd_map names;
	struct xkd_arena arena;
	struct want want[4096];
	size_t n;
	uint64_t size;
	int structs, members, bad;
	char name[128];
	enum xkd_tkind kind;
};

static bool peer_add(void *arg, const struct xkd_type *t)
{
	struct peer *s = arg;
	struct same_name *e;

	if (t->kind != XKD_T_STRUCT && t->kind != XKD_T_UNION)
		return true;
	e = XKD_NEW(&s->arena, struct same_name);
	e->t = t;
	e->next = xkd_map_get_str(&s->names, t->name);
	xkd_map_put_str(&s->names, t->name, e);
	return true;
}

/* "\t... name; / * off: bit size * /": a direct member's last line. */
static void peer_member(struct peer *s, const char *line)
{
	const char *c = strrchr(line, '/');
	unsigned long off, bit = 0, size;
	bool bits;

	if (sscanf(line, "\t/* size: %lu", &size) == 1)
		s->size = size;
	while (c && c > line && !(c[0] == '/' && c[1] == '*'))
		c--;
	if (!c || c <= line || !memchr(line, ';', (size_t)(c - line)) || s->n == 4096)
		return;
	bits = sscanf(c, "/* %lu: %lu %lu */", &off, &bit, &size) == 3;
	if (!bits && sscanf(c, "/* %lu %lu */", &off, &size) != 2)
		return;
	s->want[s->n++] = (struct want){ off * 8 + bit, size, bits };
}

static bool peer_agrees(const struct peer *s, const struct xkd_type *t)
{
	const struct xkd_member *m;
	size_t n;

	if (t->kind != s->kind || xkd_type_members(t, &m, &n, NULL) || n != s->n ||
	    (t->kind == XKD_T_STRUCT && t->size != s->size)) /* of unions it tells no size */
		return false;
	for (size_t i = 0; i < n; i++)
		if (m[i].bit_off != s->want[i].bit_off || !m[i].bit_size == s->want[i].is_bits ||
		    (!m[i].bit_size && m[i].type->size != s->want[i].size))
			return false;
	return true;
}

static void peer_close(struct peer *s)
{
	const struct same_name *e = xkd_map_get_str(&s->names, s->name);

	s->structs++;
	s->members += (int)s->n;
	while (e && !peer_agrees(s, e->t))
		e = e->next;
	if (!e && s->bad++ < 5)
		printf("# %s differs\n", s->name);
}

static void peer_layout(struct peer *s, FILE *f)
{
	char line[4096];
	bool in = false;

	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);

		if (!in && len > 3 && !strcmp(line + len - 2, "{\n") && !strchr(line, '\t') &&
		    (!strncmp(line, "struct ", 7) || !strncmp(line, "union ", 6))) {
			in = true;
			sscanf(line, "%*s %127s", s->name);
			s->kind = line[0] == 's' ? XKD_T_STRUCT : XKD_T_UNION;
			s->n = s->size = 0;
		} else if (in && line[0] == '}') {
			in = false;
			peer_close(s);
		} else if (in && line[0] == '\t' && line[1] != '\t') {
			peer_member(s, line);
		}
	}
}

static bool dump(const char *path, const struct elfsec *s)
{
	FILE *f = fopen(path, "w");
	bool good = f && fwrite(s->data, 1, s->size, f) == s->size;

	return f && !fclose(f) && good;
}

static void peer_one(const char *what, struct xkd_btf *b, struct xkd_btf *base, const char *cmd)
{
	static struct peer s;
	FILE *f = popen(cmd, "r");

	if (!f)
		return;
	memset(&s, 0, sizeof(s));
	xkd_map_init_str(&s.names);
	xkd_arena_init(&s.arena);
	ok((!base || !xkd_btf_types(base)->each(xkd_btf_types(base), peer_add, &s, NULL)) &&
		   !xkd_btf_types(b)->each(xkd_btf_types(b), peer_add, &s, NULL),
	   "%s: every type", what);
	peer_layout(&s, f);
	pclose(f);
	ok(s.structs > 5000 && s.bad == 0, "%s: %d structs, %d members, %d differ from pahole",
	   what, s.structs, s.members, s.bad);
	xkd_map_fini(&s.names);
	xkd_arena_fini(&s.arena);
}

static void test_kernel(void)
{
	struct elfsec vs, ms;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_btf *vb, *mb;
	char path[512], dir[] = "/tmp/xkd-t_btf-XXXXXX", cmd[2048];
	const struct xkd_type *t;

	if (!elfsec_get(kernel_file("usr/lib/debug/boot/vmlinux-*", path, sizeof(path)), ".BTF",
			&vs) ||
	    !elfsec_get(kernel_file("lib/modules/*/kernel/arch/x86/kvm/kvm.ko", path, sizeof(path)),
			".BTF", &ms)) {
		skip("kernel btf", "no kernel given");
		return;
	}
	if (!ok(!xkd_btf_open(vs.data, vs.size, NULL, &vb, &err), "vmlinux opens") ||
	    !ok(!xkd_btf_open(ms.data, ms.size, vb, &mb, &err), "kvm.ko opens"))
		return;
	uint64_t t0 = xkd_now_ms();

	ok(!xkd_btf_types(vb)->find(xkd_btf_types(vb), XKD_TAG_STRUCT, "task_struct", &t, &err),
	   "task_struct");
	printf("# first lookup took %" PRIu64 " ms for %u types\n", xkd_now_ms() - t0,
	       xkd_btf_ntypes(vb));
	ok(!xkd_btf_func(mb, "kvm_io_bus_write", &t, &err), "a function of kvm.ko %s", err.msg);
	if (system("command -v pahole >/dev/null 2>&1")) {
		skip("pahole", "no pahole");
	} else if (ok(mkdtemp(dir) != NULL, "folder")) {
		char v[64], m[64];

		snprintf(v, sizeof(v), "%s/v", dir);
		snprintf(m, sizeof(m), "%s/m", dir);
		ok(dump(v, &vs) && dump(m, &ms), "sections written");
		snprintf(cmd, sizeof(cmd), "pahole -F btf %s", v);
		peer_one("vmlinux", vb, NULL, cmd);
		snprintf(cmd, sizeof(cmd), "pahole -F btf --btf_base=%s %s", v, m);
		peer_one("kvm.ko", mb, vb, cmd);
		unlink(v);
		unlink(m);
		rmdir(dir);
	}
	xkd_btf_close(mb);
	xkd_btf_close(vb);
}

int main(void)
{
	static struct made base;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_btf *b;

	make_base(&base);
	if (ok(!xkd_btf_open(base.out, base.size, NULL, &b, &err), "opens %s", err.msg)) {
		test_base(b);
		test_split(b, &base);
		xkd_btf_close(b);
	}
	test_damage();
	test_kernel();
	return done_testing();
}
