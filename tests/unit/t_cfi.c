/* Call frame information: records and every instruction by hand; then the .eh_frame of this program
 * and of the C library, and the kernel's .debug_frame, row by row against readelf. */
#include "symbols/cfi.h"
#include "base/str.h"
#include "tests/unit/elfsec.h"
#include "tests/unit/tap.h"

#define PC 0xffffffff81000000ull

struct sec {
	uint8_t b[4096];
	size_t n;
};

static void u(struct sec *s, uint64_t v, unsigned n)
{
	xkd_put_le(s->b + s->n, v, n);
	s->n += n;
}

static void raw(struct sec *s, const char *p, size_t n)
{
	memcpy(s->b + s->n, p, n);
	s->n += n;
}
#define RAW(s, lit) raw(s, lit, sizeof(lit) - 1)

static size_t begin(struct sec *s)
{
	u(s, 0, 4);
	return s->n;
}

static void end(struct sec *s, size_t at)
{
	while ((s->n - at) % 8 != 4)
		u(s, 0, 1);
	xkd_put_le(s->b + at - 4, s->n - at, 4);
}

/* cfa rsp+8, ra at cfa-8; code alignment 1, data alignment -8 */
static void debug_cie(struct sec *s)
{
	size_t at = begin(s);

	u(s, UINT32_MAX, 4);
	RAW(s, "\x03\0\x01\x78\x10\x0c\x07\x08\x90\x01");
	end(s, at);
}

static void debug_fde(struct sec *s, uint64_t cie, uint64_t low, uint64_t len, const char *insns,
		      size_t n)
{
	size_t at = begin(s);

	u(s, cie, 4);
	u(s, low, 8);
	u(s, len, 8);
	raw(s, insns, n);
	end(s, at);
}

static struct xkd_cfi *open_sec(const struct sec *s, uint64_t addr, bool eh)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi *c = NULL;

	if (xkd_cfi_open(s->b, s->n, addr, eh, &c, &err))
		printf("# %s\n", err.msg);
	return c;
}

/* Runs the instructions in an FDE of 0x100 bytes and gives the row at PC + at. */
static enum xkd_rc run(const char *insns, size_t n, uint64_t at, struct xkd_cfi_row *row,
		       struct xkd_err *err)
{
	static struct sec s; /* rows point into it */
	struct xkd_cfi *c;
	enum xkd_rc rc;

	s.n = 0;
	debug_cie(&s);
	debug_fde(&s, 0, PC, 0x100, insns, n);
	c = open_sec(&s, 0, false);
	if (!c)
		return XKD_BADDATA;
	rc = xkd_cfi_row_at(c, PC + at, row, err);
	xkd_cfi_close(c);
	return rc;
}
#define RUN(insns, at) (!run(insns, sizeof(insns) - 1, at, &r, &err))
#define BAD(insns, at) (run(insns, sizeof(insns) - 1, at, &r, &err) == XKD_BADDATA)
#define IS(n, k, o) (r.reg[n].kind == (k) && r.reg[n].off == (o))
#define CFA(n, o) (r.cfa.kind == XKD_CFI_REG && r.cfa.reg == (n) && r.cfa.off == (o))

static void test_insns(void)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi_row r;

	ok(RUN("", 0) && CFA(7, 8) && IS(16, XKD_CFI_OFFSET, -8) && r.ra_reg == 16 && r.low == PC &&
		   r.high == PC + 0x100 && r.fde_low == PC && r.fde_high == PC + 0x100 &&
		   IS(3, XKD_CFI_UNSPEC, 0) && !r.signal_frame,
	   "the cie's row");
	/* push rbp; mov rsp, rbp; ...; leave */
#define PROLOGUE "\x41\x0e\x10\x86\x02\x43\x0d\x06\x02\x20\x0c\x07\x08"
	ok(RUN(PROLOGUE, 0) && CFA(7, 8) && r.high == PC + 1, "before push");
	ok(RUN(PROLOGUE, 1) && CFA(7, 16) && IS(6, XKD_CFI_OFFSET, -16) && r.low == PC + 1 &&
		   r.high == PC + 4,
	   "after push");
	ok(RUN(PROLOGUE, 4) && CFA(6, 16) && r.high == PC + 0x24, "by rbp");
	ok(RUN(PROLOGUE, 0x23) && CFA(6, 16), "the row's last byte");
	ok(RUN(PROLOGUE, 0x24) && CFA(7, 8) && IS(6, XKD_CFI_OFFSET, -16) && r.high == PC + 0x100,
	   "after leave");
	ok(RUN("\x03\x02\x01\x0e\x10", 0x0f) && r.high == PC + 0x100,
	   "advance2 beyond the function");
	ok(RUN("\x03\x80\x00\x0e\x10", 0x80) && CFA(7, 16), "advance2");
	ok(RUN("\x04\x80\x00\x00\x00\x0e\x10", 0x80) && CFA(7, 16), "advance4");
	ok(RUN("\x1d\x80\0\0\0\0\0\0\0\x0e\x10", 0x80) && CFA(7, 16), "advance8");
	ok(RUN("\x01\x10\0\0\x81\xff\xff\xff\xff\x0e\x10", 0x10) && CFA(7, 16), "set_loc");
	ok(RUN("\x05\x03\x02\x05\x8c\x00\x03", 0) && IS(3, XKD_CFI_OFFSET, -16) &&
		   IS(12, XKD_CFI_OFFSET, -24),
	   "offset_extended");
	ok(RUN("\x90\x05\x41\xd0", 1) && IS(16, XKD_CFI_OFFSET, -8), "restore to the cie's rule");
	ok(RUN("\x83\x05\x06\x03", 1) && IS(3, XKD_CFI_UNSPEC, 0), "restore_extended to none");
	ok(RUN("\x07\x03\x08\x06", 1) && IS(3, XKD_CFI_UNDEF, 0) && IS(6, XKD_CFI_SAME, 0),
	   "undefined, same_value");
	ok(RUN("\x09\x03\x0c", 0) && IS(3, XKD_CFI_REG, 0) && r.reg[3].reg == 12, "register");
	ok(RUN("\x09\x03\x40", 0) && IS(3, XKD_CFI_UNDEF, 0), "in a register that is not kept");
	ok(RUN("\x0a\x0e\x20\x83\x03\x41\x0b", 1) && CFA(7, 8) && IS(3, XKD_CFI_UNSPEC, 0),
	   "remember, restore: the frame address too");
	ok(RUN("\x0a\x0a\x0e\x20\x0a\x0b\x0b", 0) && CFA(7, 8), "nested states");
	ok(RUN("\x12\x06\x7e", 0) && CFA(6, 16), "def_cfa_sf");
	ok(RUN("\x13\x7d", 0) && CFA(7, 24), "def_cfa_offset_sf");
	ok(RUN("\x11\x03\x7e", 0) && IS(3, XKD_CFI_OFFSET, 16), "offset_extended_sf");
	ok(RUN("\x14\x07\x02", 0) && IS(7, XKD_CFI_VAL_OFFSET, -16), "val_offset");
	ok(RUN("\x15\x07\x7f", 0) && IS(7, XKD_CFI_VAL_OFFSET, 8), "val_offset_sf");
	ok(RUN("\x2f\x03\x02", 0) && IS(3, XKD_CFI_OFFSET, 16), "negative_offset_extended");
	ok(RUN("\x2e\x80\x01\x0e\x10", 0) && CFA(7, 16), "args_size");
	ok(RUN("\x0f\x03\x77\x08\x06", 0) && r.cfa.kind == XKD_CFI_VAL_EXPR &&
		   r.cfa.expr_len == 3 && !memcmp(r.cfa.expr, "\x77\x08\x06", 3),
	   "frame address by expression");
	ok(RUN("\x10\x06\x02\x77\x10\x16\x03\x01\x9c", 0) && r.reg[6].kind == XKD_CFI_EXPR &&
		   r.reg[6].expr_len == 2 && r.reg[3].kind == XKD_CFI_VAL_EXPR &&
		   r.reg[3].expr[0] == 0x9c,
	   "registers by expression");
	ok(RUN("\x05\x20\x02\xa1\x02\x0e\x10", 0) && CFA(7, 16),
	   "vector registers are passed over");

	ok(BAD("\0\0\0\0\0\0\x05\x03", 0), "operand cut off: %s", err.msg);
	ok(BAD("\x0f\x50\x77", 0), "expression cut off: %s", err.msg);
	ok(BAD("\x0b", 0), "nothing remembered: %s", err.msg);
	ok(BAD("\x3f", 0), "unknown: %s", err.msg);
	ok(BAD("\x0c\x11\x08", 0), "no such register: %s", err.msg);
	ok(BAD("\x0f\x01\x96\x0e\x08", 0), "half an expression: %s", err.msg);
	ok(BAD("\x42\x01\0\0\0\x81\xff\xff\xff\xff\x0e\x10", 0x10), "backwards: %s", err.msg);
	ok(BAD("\x1d\xff\xff\xff\xff\xff\xff\xff\xff", 0), "beyond all: %s", err.msg);
	ok(BAD("\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a", 0),
	   "states without end: %s", err.msg);
	ok(BAD("\x0e\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
	       "\x01",
	       0),
	   "number without end: %s", err.msg);
}

static void test_table(void)
{
	struct sec s = { .n = 0 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi_row r;
	struct xkd_cfi *c;

	debug_cie(&s);
	debug_fde(&s, 0, PC + 0x200, 0x10, "\x0e\x20", 2);
	debug_fde(&s, 0, PC, 0x100, "\x0e\x10", 2);
	debug_fde(&s, 0, PC + 0x100, 0, "\x0e\x30", 2);	    /* empty */
	debug_fde(&s, 8, PC + 0x300, 0x10, "\x0e\x30", 2);  /* no cie there */
	debug_fde(&s, 0, UINT64_MAX - 1, 8, "\x0e\x30", 2); /* wraps */
	c = open_sec(&s, 0, false);
	if (!ok(c && xkd_cfi_nfdes(c) == 2, "unreadable and empty ones are left out"))
		return;
	ok(!xkd_cfi_row_at(c, PC + 0xff, &r, &err) && CFA(7, 16), "first by address");
	ok(!xkd_cfi_row_at(c, PC + 0x200, &r, &err) && CFA(7, 32), "second by address");
	ok(xkd_cfi_row_at(c, PC + 0x100, &r, &err) == XKD_NOTFOUND, "between: %s", err.msg);
	ok(xkd_cfi_row_at(c, PC + 0x210, &r, &err) == XKD_NOTFOUND, "behind");
	ok(xkd_cfi_row_at(c, 1, &r, &err) == XKD_NOTFOUND, "before");
	xkd_cfi_close(c);
	s.n -= 4;
	ok(xkd_cfi_open(s.b, s.n, 0, false, &c, &err) == XKD_BADDATA && !c, "cut off: %s", err.msg);
	s.n = 3;
	ok(xkd_cfi_open(s.b, s.n, 0, false, &c, &err) == XKD_BADDATA && !c, "three bytes: %s",
	   err.msg);
	ok(!xkd_cfi_open(s.b, 0, 0, false, &c, &err) && !xkd_cfi_nfdes(c), "an empty section");
	xkd_cfi_close(c);

	/* 64-bit DWARF, version 4 */
	s.n = 0;
	u(&s, UINT32_MAX, 4), u(&s, 8 + 12, 8), u(&s, UINT64_MAX, 8);
	RAW(&s, "\x04\0\x08\0\x01\x78\x10\x0c\x07\x08\0\0");
	u(&s, UINT32_MAX, 4), u(&s, 24 + 8, 8), u(&s, 0, 8), u(&s, PC, 8), u(&s, 0x10, 8);
	RAW(&s, "\x0e\x10\0\0\0\0\0\0");
	c = open_sec(&s, 0, false);
	ok(c && !xkd_cfi_row_at(c, PC, &r, &err) && CFA(7, 16), "64-bit records, version 4");
	xkd_cfi_close(c);
}

static void test_eh(void)
{
	const uint64_t addr = 0x400000;
	struct sec s = { .n = 0 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi_row r;
	size_t at = begin(&s), cie = at - 4;
	struct xkd_cfi *c;

	u(&s, 0, 4);
	/* "zPLRS": personality udata4, lsda, pcrel sdata4, a signal frame */
	RAW(&s, "\x01zPLRS\0\x01\x78\x10\x07\x03\x44\x33\x22\x11\x1b\x1b\x0c\x07\x08\x90\x01");
	end(&s, at);
	at = begin(&s);
	u(&s, s.n - cie, 4);
	u(&s, (uint64_t)-0x1000 - (addr + s.n) + addr, 4); /* 0x1000 below the section */
	u(&s, 0x40, 4);
	RAW(&s, "\x04\xaa\xaa\xaa\xaa\x42\x0e\x10");
	end(&s, at);
	u(&s, 0, 4); /* terminator */
	c = open_sec(&s, addr, true);
	ok(c && xkd_cfi_nfdes(c) == 1 && !xkd_cfi_row_at(c, addr - 0x1000 + 2, &r, &err) &&
		   CFA(7, 16) && r.signal_frame && r.fde_low == addr - 0x1000 &&
		   r.fde_high == addr - 0x1000 + 0x40,
	   "eh_frame: personality, pc-relative, signal");
	xkd_cfi_close(c);
	s.b[10] = 'Q'; /* P -> unknown */
	c = open_sec(&s, addr, true);
	ok(c && xkd_cfi_nfdes(c) == 0, "an unknown augmentation is left out");
	xkd_cfi_close(c);
}

/* --- readelf --- */

struct peer {
	struct xkd_cfi *c;
	unsigned every, fde, rows, bad;
	bool take;
	int cols[32], ncols;
	uint64_t low, high;
};

static int reg_named(const char *name)
{
	static const char *const names[XKD_CFI_NREGS] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi",
							  "rbp", "rsp", "r8",  "r9",  "r10", "r11",
							  "r12", "r13", "r14", "r15", "ra" };

	for (int i = 0; i < XKD_CFI_NREGS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static void rule_text(const struct xkd_cfi_rule *q, char *out, size_t n)
{
	static const char *const kinds[] = { "u", "u", "s", "c", "v", "r", "exp", "vexp" };

	if (q->kind == XKD_CFI_OFFSET || q->kind == XKD_CFI_VAL_OFFSET)
		snprintf(out, n, "%s%+lld", kinds[q->kind], (long long)q->off);
	else if (q->kind == XKD_CFI_REG)
		snprintf(out, n, "r%u", q->reg);
	else
		snprintf(out, n, "%s", kinds[q->kind]);
}

static void cfa_text(const struct xkd_cfi_rule *q, char *out, size_t n)
{
	static const char *const names[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					     "rbp", "rsp", "r8",  "r9",	 "r10", "r11",
					     "r12", "r13", "r14", "r15", "rip" };

	if (q->kind == XKD_CFI_REG)
		snprintf(out, n, "%s%+lld", names[q->reg], (long long)q->off);
	else
		snprintf(out, n, "exp");
}

static void peer_row(struct peer *p, char *line)
{
	struct xkd_cfi_row row;
	struct xkd_err err = XKD_ERR_INIT;
	char text[64], *save, *tok = strtok_r(line, " \n", &save);
	uint64_t at;
	bool same;

	if (!tok || !xkd_parse_u64(tok, 16, &at) || at < p->low || at >= p->high)
		return;
	p->rows++;
	if (xkd_cfi_row_at(p->c, at, &row, &err)) {
		if (p->bad++ < 5)
			printf("# %llx: %s\n", (unsigned long long)at, err.msg);
		return;
	}
	tok = strtok_r(NULL, " \n", &save);
	cfa_text(&row.cfa, text, sizeof(text));
	same = tok && !strcmp(tok, text) && row.low == at;
	for (int i = 0; i < p->ncols && (tok = strtok_r(NULL, " \n", &save)); i++) {
		if (tok[0] == '(') { /* "r9 (r9)": a register and its name */
			i--;
			continue;
		}
		if (p->cols[i] < 0)
			continue;
		rule_text(&row.reg[p->cols[i]], text, sizeof(text));
		same = same && !strcmp(tok, text);
	}
	if (!same && p->bad++ < 5)
		printf("# %llx: differs: cfa %s%+lld, low %llx\n", (unsigned long long)at, text,
		       (long long)row.cfa.off, (unsigned long long)row.low);
}

static void peer_line(struct peer *p, char *line)
{
	const char *pc = strstr(line, " pc=");
	unsigned long long low, high;

	if (strstr(line, " CIE ") || strstr(line, " ZERO")) {
		p->take = false;
	} else if (strstr(line, " FDE ") && pc) {
		p->take = p->fde++ % p->every == p->every / 2 &&
			  sscanf(pc, " pc=%llx..%llx", &low, &high) == 2 && low;
		if (p->take)
			p->low = low, p->high = high;
	} else if (p->take && strstr(line, " LOC ")) {
		char *save, *tok = strtok_r(line, " \n", &save);

		p->ncols = 0;
		strtok_r(NULL, " \n", &save); /* CFA */
		while ((tok = strtok_r(NULL, " \n", &save)) && p->ncols < 32)
			p->cols[p->ncols++] = reg_named(tok);
	} else if (p->take) {
		peer_row(p, line);
	}
}

static void test_peer(const char *path, const char *section, bool eh, unsigned every, unsigned min)
{
	struct peer p = { .every = every };
	struct xkd_err err = XKD_ERR_INIT;
	char cmd[1024], line[1024];
	struct elfsec s;
	uint64_t t0 = xkd_now_ms();
	FILE *f;

	if (!elfsec_get(path, section, &s)) {
		skip(section, "not in this build");
		return;
	}
	if (!ok(!xkd_cfi_open(s.data, s.size, s.addr, eh, &p.c, &err), "%s opens %s", section,
		err.msg))
		return;
	printf("# %zu FDEs in %" PRIu64 " ms\n", xkd_cfi_nfdes(p.c), xkd_now_ms() - t0);
	snprintf(cmd, sizeof(cmd), "readelf --wide --debug-dump=frames-interp %s 2>/dev/null",
		 path);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f))
		peer_line(&p, line);
	if (f)
		pclose(f);
	ok(p.rows >= min && !p.bad, "%s of %s: %u rows, %u differ from readelf", section, path,
	   p.rows, p.bad);
	xkd_cfi_close(p.c);
}

static void libc_path(char *path, size_t n)
{
	char line[1024], *at;
	FILE *f = fopen("/proc/self/maps", "r");

	path[0] = 0;
	while (f && !path[0] && fgets(line, sizeof(line), f))
		if (strstr(line, "/libc.so") && (at = strchr(line, '/')))
			snprintf(path, n, "%.*s", (int)strcspn(at, "\n"), at);
	if (f)
		fclose(f);
}

int main(void)
{
	char path[1024];

	test_insns();
	test_table();
	test_eh();
	if (system("command -v readelf >/dev/null 2>&1")) {
		skip("readelf", "no readelf");
		return done_testing();
	}
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[len > 0 ? len : 0] = 0;
	test_peer(path, ".eh_frame", true, 1, 20);
	libc_path(path, sizeof(path));
	if (path[0])
		test_peer(path, ".eh_frame", true, 3, 1000);
	kernel_file("usr/lib/debug/boot/vmlinux-*", path, sizeof(path));
	if (path[0])
		test_peer(path, ".debug_frame", false, 97, 300);
	else
		skip("kernel cfi", "no kernel given");
	return done_testing();
}
