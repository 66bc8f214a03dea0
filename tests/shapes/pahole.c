/* Reads pahole's C-like output. Members of anonymous structs and unions come under no name of their
 * own; offsets within them are from the start of the whole, as pahole prints them. */
#include "tests/shapes/pahole.h"
#include "base/buf.h"
#include "base/vec.h"
#include "base/str.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME 96
#define DEPTH 16

struct entry {
	char type[NAME], path[NAME];
	char of[NAME]; /* the struct or union that it is, where it is one by name */
	uint64_t off, size;
};
struct type {
	char name[NAME];
	bool asked;
};
struct pahole {
	char file[512];
	XKD_VEC(struct entry) e;
	XKD_VEC(struct type) t;
};

bool pahole_there(void)
{
	return !system("pahole --version >/dev/null 2>&1");
}

struct pahole *pahole_open(const char *file)
{
	struct pahole *p = xkd_calloc(1, sizeof(*p));

	snprintf(p->file, sizeof(p->file), "%s", file);
	return p;
}

void pahole_close(struct pahole *p)
{
	xkd_vec_fini(&p->e);
	xkd_vec_fini(&p->t);
	free(p);
}

void pahole_want(struct pahole *p, const char *type)
{
	struct type *t;

	for (size_t i = 0; i < p->t.n; i++)
		if (!strcmp(p->t.p[i].name, type))
			return;
	t = xkd_vec_push(&p->t);
	*t = (struct type){ .asked = false };
	snprintf(t->name, sizeof(t->name), "%s", type);
}

/* The last identifier of a declarator, without its array and bit-field parts. */
static void declared(const char *text, size_t n, char out[NAME])
{
	const char *fn = memmem(text, n, "(*", 2);
	const char *attr = memmem(text, n, "__attribute__", 13);
	size_t start;

	if (fn) {
		text = fn + 2;
		n = strcspn(text, ")");
	} else if (attr) {
		n = (size_t)(attr - text);
	}
	for (size_t i = 0; i < n; i++)
		if (text[i] == '[' || text[i] == ':')
			n = i;
	while (n && !isalnum((unsigned char)text[n - 1]) && text[n - 1] != '_')
		n--;
	for (start = n; start && (isalnum((unsigned char)text[start - 1]) || text[start - 1] == '_');)
		start--;
	snprintf(out, NAME, "%.*s", (int)(n - start), text + start);
}

/* "struct X name": X. */
static void embedded(const char *text, char out[NAME])
{
	char word[8] = "", type[NAME] = "", after[2] = "";

	out[0] = 0;
	if (sscanf(text, "%7s %95[A-Za-z0-9_] %1s", word, type, after) == 3 && after[0] != '*' &&
	    after[0] != '(' && (!strcmp(word, "struct") || !strcmp(word, "union")))
		snprintf(out, NAME, "%s", type);
}

static bool numbers(const char *line, uint64_t *off, uint64_t *size)
{
	const char *c = strstr(line, "/*");
	unsigned long long a, b;
	unsigned bit;

	if (!c || (sscanf(c, "/* %llu %llu */", &a, &b) != 2 &&
		   sscanf(c, "/* %llu:%u %llu */", &a, &bit, &b) != 3))
		return false;
	*off = a;
	*size = b;
	return true;
}

struct reader {
	struct pahole *p;
	char type[NAME];
	size_t mark[DEPTH];
	unsigned depth;
};

/* Closes a nested struct: what stands in it goes under its name, if it has one. */
static void close_nested(struct reader *r, const char *text)
{
	char name[NAME], path[2 * NAME + 1];
	size_t n = strcspn(text, ";");

	if (!r->depth)
		return;
	declared(text, n, name);
	r->depth--;
	for (size_t i = r->mark[r->depth]; name[0] && i < r->p->e.n; i++) {
		struct entry *e = &r->p->e.p[i];

		snprintf(path, sizeof(path), "%s.%s", name, e->path);
		snprintf(e->path, sizeof(e->path), "%.95s", path);
	}
}

static struct entry *add(struct reader *r, uint64_t off, uint64_t size)
{
	struct entry *e = xkd_vec_push(&r->p->e);

	*e = (struct entry){ .off = off, .size = size };
	memcpy(e->type, r->type, sizeof(e->type));
	return e;
}

static void read_line(struct reader *r, const char *line)
{
	const char *text = line + strspn(line, "\t ");
	size_t len = strcspn(text, "\n");
	unsigned long long whole;
	uint64_t off, size;

	if (!len)
		return;
	if (text == line) { /* column 0: a struct begins or ends */
		r->depth = 0;
		if (sscanf(line, "struct %95[A-Za-z0-9_] {", r->type) != 1 || !strchr(line, '{'))
			r->type[0] = 0;
		return;
	}
	if (!r->type[0])
		return;
	if (sscanf(text, "/* size: %llu,", &whole) == 1 && !r->depth) {
		add(r, 0, whole);
	} else if (len && text[len - 1] == '{') {
		if (r->depth < DEPTH)
			r->mark[r->depth++] = r->p->e.n;
	} else if (text[0] == '}') {
		close_nested(r, text + 1);
	} else if (numbers(text, &off, &size) && strchr(text, ';')) {
		struct entry *e = add(r, off, size);

		declared(text, strcspn(text, ";"), e->path);
		embedded(text, e->of);
	}
}

bool pahole_ask(struct pahole *p)
{
	struct xkd_buf cmd = XKD_BUF_INIT;
	struct reader r = { .p = p };
	char line[1024];
	unsigned n = 0;
	FILE *f;

	if (strchr(p->file, '\''))
		return false;
	xkd_buf_printf(&cmd, "pahole -F btf -C ");
	for (size_t i = 0; i < p->t.n; i++) {
		if (p->t.p[i].asked)
			continue;
		p->t.p[i].asked = true;
		xkd_buf_printf(&cmd, "%s%s", n++ ? "," : "", p->t.p[i].name);
	}
	xkd_buf_printf(&cmd, " '%s' 2>/dev/null", p->file);
	f = n ? popen(cmd.s, "r") : NULL;
	xkd_buf_fini(&cmd);
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		read_line(&r, line);
	pclose(f);
	return true;
}

bool pahole_member(struct pahole *p, const char *type, const char *path, uint64_t *off, uint64_t *size,
		   bool *more)
{
	bool known = false;

	for (size_t i = 0; i < p->t.n; i++)
		known |= p->t.p[i].asked && !strcmp(p->t.p[i].name, type);
	if (!known) {
		pahole_want(p, type);
		*more = true;
		return false;
	}
	for (size_t i = 0; i < p->e.n; i++) {
		const struct entry *e = &p->e.p[i];
		size_t n = strlen(e->path);
		uint64_t o;

		if (strcmp(e->type, type))
			continue;
		if (!strcmp(e->path, path)) {
			*off = e->off;
			*size = e->size;
			return true;
		}
		o = e->off;
		if (n && e->of[0] && !strncmp(path, e->path, n) && path[n] == '.' &&
		    pahole_member(p, e->of, path + n + 1, off, size, more)) {
			*off += o;
			return true;
		}
		if (*more)
			return false;
	}
	return false;
}
