/* base/: arenas, buffers, vectors, maps, strings, errors, rows of output. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/map.h"
#include "base/out.h"
#include "base/str.h"
#include "base/vec.h"
#include "base/worker.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void t_arena(void)
{
	struct xkd_arena a;
	bool zero = true, aligned = true;
	char *big, *s;

	xkd_arena_init(&a);
	for (int i = 1; i < 3000; i++) {
		unsigned char *p = xkd_arena_alloc(&a, (size_t)i);

		for (int k = 0; k < i; k++)
			zero &= p[k] == 0;
		aligned &= ((uintptr_t)p & 15) == 0;
		memset(p, 0xff, (size_t)i);
	}
	ok(zero, "arena: memory is zeroed");
	ok(aligned, "arena: memory is aligned to 16");
	big = xkd_arena_alloc(&a, 1 << 20);
	memset(big, 1, 1 << 20);
	s = xkd_arena_strndup(&a, "abcdef", 3);
	is_str(s, "abc", "arena: strndup cuts");
	is_str(xkd_arena_printf(&a, "%d-%s", 7, "x"), "7-x", "arena: printf");
	is_str(xkd_arena_dup(&a, "hey", 4), "hey", "arena: dup");
	ok(xkd_arena_alloc(&a, 0) != NULL, "arena: no bytes are no NULL");
	xkd_arena_fini(&a);
	is_u64(a.used, 0, "arena: empty after fini");
	is_str(xkd_arena_strdup(&a, "again"), "again", "arena: usable after fini");
	xkd_arena_fini(&a);
}

static void t_buf(void)
{
	struct xkd_buf b = XKD_BUF_INIT;
	char *stolen;

	is_str(b.s, "", "buf: empty string at first");
	xkd_buf_cut(&b, 5);
	xkd_buf_pad(&b, 3);
	is_str(b.s, "   ", "buf: pad");
	xkd_buf_reset(&b);
	for (int i = 0; i < 1000; i++)
		xkd_buf_ch(&b, (char)('a' + i % 26));
	is_u64(b.len, 1000, "buf: grows");
	xkd_buf_cut(&b, 998);
	is_str(b.s, "kl", "buf: cut drops the first bytes");
	xkd_buf_cut(&b, 99);
	is_str(b.s, "", "buf: cut of more than there is");
	xkd_buf_printf(&b, "%0500d|", 1);
	is_u64(b.len, 501, "buf: printf longer than any stack buffer");
	xkd_buf_add(&b, "\0x", 2);
	is_u64(b.len, 503, "buf: bytes may be zero");
	stolen = xkd_buf_steal(&b);
	is_u64(strlen(stolen), 501, "buf: steal gives the string");
	is_str(b.s, "", "buf: as new after steal");
	free(stolen);
	stolen = xkd_buf_steal(&b);
	is_str(stolen, "", "buf: an empty one steals as an empty string");
	free(stolen);
	xkd_buf_fini(&b);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void t_vec(void)
{
	XKD_VEC(int) v = { 0 };
	bool sorted = true;

	xkd_vec_sort(&v, by_value);
	ok(v.n == 0, "vec: sorting nothing");
	for (int i = 0; i < 500; i++)
		*xkd_vec_push(&v) = (i * 7919) % 500;
	xkd_vec_sort(&v, by_value);
	for (int i = 0; i < 500; i++)
		sorted &= v.p[i] == i;
	ok(sorted, "vec: push and sort");
	xkd_vec_remove(&v, 0);
	xkd_vec_remove(&v, 498);
	ok(v.n == 498 && v.p[0] == 1 && v.p[497] == 498, "vec: remove first and last");
	xkd_vec_reset(&v);
	ok(*xkd_vec_push(&v) == 0, "vec: a new element is zeroed, also after reset");
	xkd_vec_fini(&v);
	ok(!v.p && !v.n && !v.cap, "vec: fini");
}

static void t_map(void)
{
	struct xkd_map m;
	static int vals[5000];
	static char names[5000][16];
	bool all = true;
	size_t it = 0, n = 0;
	uint64_t key;
	const char *skey;
	void *val;

	xkd_map_init_u64(&m);
	ok(!xkd_map_get(&m, 0), "map: nothing in an empty one");
	for (uint64_t i = 0; i < 5000; i++)
		xkd_map_put(&m, i << 12, &vals[i]);
	for (uint64_t i = 0; i < 5000; i++)
		all &= xkd_map_get(&m, i << 12) == &vals[i];
	ok(all, "map: page-like keys, 0 among them, are found again");
	ok(!xkd_map_get(&m, 1), "map: a key that is not there");
	xkd_map_put(&m, 0x1000, &vals[9]);
	ok(xkd_map_get(&m, 0x1000) == &vals[9] && m.n == 5000, "map: put replaces");
	while (xkd_map_next(&m, &it, &key, &skey, &val))
		n++;
	is_u64(n, 5000, "map: iteration sees each once");
	xkd_map_clear(&m);
	ok(!xkd_map_get(&m, 0x1000) && m.n == 0, "map: clear");
	xkd_map_fini(&m);
	xkd_map_init_str(&m);
	for (int i = 0; i < 5000; i++) {
		snprintf(names[i], sizeof(names[i]), "sym%d", i);
		xkd_map_put_str(&m, names[i], &vals[i]);
	}
	for (int i = 0; i < 5000; i++) {
		char copy[16];

		memcpy(copy, names[i], sizeof(copy));
		all &= xkd_map_get_str(&m, copy) == &vals[i];
	}
	ok(all && !xkd_map_get_str(&m, "sym5000"), "map: strings by content");
	xkd_map_fini(&m);
}

static void t_glob(void)
{
	static const struct {
		const char *pattern, *name;
		bool fold, match;
	} g[] = {
		{ "abc", "abc", false, true },
		{ "abc", "abd", false, false },
		{ "*", "", false, true },
		{ "", "", false, true },
		{ "", "a", false, false },
		{ "?", "", false, false },
		{ "*io_bus*", "kvm_io_bus_read", false, true },
		{ "kvm_*_read", "kvm_io_bus_read", false, true },
		{ "kvm_*_read", "kvm_io_bus_reads", false, false },
		{ "a*b*c", "aXbXbXc", false, true },
		{ "ABC", "abc", true, true },
		{ "ABC", "abc", false, false },
		{ "[a-c]x", "bx", false, true },
		{ "[a-c]x", "dx", false, false },
		{ "[A-C]x", "bx", true, true },
		{ "[xyz", "[xyz", false, true },
		{ "ab#c", "ac", false, true },
		{ "ab#c", "abbbc", false, true },
		{ "ab#c", "axc", false, false },
		{ "[0-9]#", "1234", false, true },
		{ "[0-9]#", "12a4", false, false },
		{ "x[0-9]#y*", "x42yz", false, true },
		{ "*b#", "aabbb", false, true },
		{ "**", "x", false, true },
	};
	uint64_t start = xkd_now_ms();
	char longname[4096];

	for (size_t i = 0; i < XKD_COUNT(g); i++)
		ok(xkd_glob(g[i].pattern, g[i].name, g[i].fold) == g[i].match,
		   "glob: '%s' %s '%s'%s", g[i].pattern, g[i].match ? "takes" : "leaves", g[i].name,
		   g[i].fold ? " folded" : "");
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = 0;
	ok(!xkd_glob("a#a#a#a#a#a#a#a#a#b", longname, false) &&
		   !xkd_glob("*a*a*a*a*a*a*a*b", longname, false),
	   "glob: evil patterns");
	ok(xkd_now_ms() - start < 2000, "glob: ... in bounded time");
	ok(xkd_is_glob("a*") && xkd_is_glob("a?") && xkd_is_glob("[a") && !xkd_is_glob("a_b!c"),
	   "glob: is_glob");
}

static void t_str(void)
{
	struct xkd_buf b = XKD_BUF_INIT;
	char hex[9];
	uint64_t v = 77;

	is_str(XKD_ADDR(0xffffffffc0d2e1f0), "ffffffff`c0d2e1f0", "str: addresses");
	is_str(XKD_ADDR(0x1), "00000000`00000001", "str: addresses have all digits");
	is_u64(xkd_distance("kitten", "sitting", 5), 3, "distance: kitten, sitting");
	is_u64(xkd_distance("ab", "ba", 5), 1, "distance: a transposition is one");
	is_u64(xkd_distance("", "abc", 5), 3, "distance: from nothing");
	is_u64(xkd_distance("abcdef", "uvwxyz", 2), 3, "distance: capped");
	is_u64(xkd_distance("same", "same", 0), 0, "distance: same");
	xkd_buf_escaped(&b, "a\033[31m\xff\n\xc3\xbc\xc2\x9b.", 13);
	is_str(b.s, "a\\x1b[31m\\xff\\x0a\xc3\xbc\\xc2\\x9b.",
	       "escape: controls, C1 and broken UTF-8, but not letters");
	xkd_buf_reset(&b);
	xkd_buf_escaped(&b, "\xc3", 1);
	is_str(b.s, "\\xc3", "escape: a sequence that is cut off");
	xkd_buf_fini(&b);
	ok(xkd_parse_u64("1f", 16, &v) && v == 0x1f, "parse: hex");
	ok(xkd_parse_u64("0x10", 0, &v) && v == 16, "parse: C rules");
	ok(!xkd_parse_u64("", 10, &v) && !xkd_parse_u64("1x", 10, &v) &&
		   !xkd_parse_u64("-1", 10, &v) && !xkd_parse_u64(" 1", 10, &v),
	   "parse: junk, signs and blanks are refused");
	ok(!xkd_parse_u64("1ffffffffffffffff", 16, &v), "parse: overflow is refused");
	xkd_hex_encode(hex, (const uint8_t *)"\x00\xab\x7f\xff", 4);
	is_str(hex, "00ab7fff", "hex: encode");
	ok(xkd_hex_digit('F') == 15 && xkd_hex_digit('g') == -1, "hex: digits");
	ok(xkd_has_prefix("abc", "ab") && !xkd_has_prefix("a", "ab") &&
		   xkd_has_suffix("abc", "bc") && !xkd_has_suffix("c", "bc"),
	   "str: prefix and suffix");
}

static void t_err(void)
{
	struct xkd_err e = XKD_ERR_INIT;
	char longtext[2000];

	ok(xkd_err_addr(&e, XKD_NOTMAPPED, 0x10, "page not present") == XKD_NOTMAPPED && e.has_addr,
	   "err: returns its code");
	ok(xkd_err_prepend(&e, e.code, "reading %s", "x") == XKD_NOTMAPPED && e.addr == 0x10,
	   "err: prepend keeps code and address");
	is_str(e.msg, "reading x: page not present", "err: prepend");
	ok(xkd_err_syntax(NULL, 3, "x") == XKD_SYNTAX, "err: NULL is fine");
	memset(longtext, 'y', sizeof(longtext) - 1);
	longtext[sizeof(longtext) - 1] = 0;
	xkd_err_set(&e, XKD_IO, "%s", longtext);
	xkd_err_prepend(&e, XKD_IO, "%s", longtext);
	is_u64(strlen(e.msg), sizeof(e.msg) - 1, "err: long messages are cut");
	xkd_err_clear(&e);
	ok(e.code == XKD_OK && e.pos == -1 && !e.msg[0], "err: clear");
	is_str(xkd_rc_name(XKD_NOTMAPPED), "NOTMAPPED", "err: names");
}

struct cellsink {
	struct xkd_sink sink;
	char last[256];
	size_t cells;
	enum xkd_style first;
	unsigned rows;
};
static void cell_row(struct xkd_sink *s, const struct xkd_row *row)
{
	struct cellsink *c = (struct cellsink *)s;

	snprintf(c->last, sizeof(c->last), "%.*s", (int)row->len, row->text);
	c->cells = row->ncells;
	c->first = row->ncells ? row->cells[0].style : XKD_ST_PLAIN;
	c->rows++;
}

static void t_out(void)
{
	struct xkd_out o;
	struct cellsink c = { .sink = { .row = cell_row } };
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_bufsink bs;
	struct xkd_sink extra[4] = { { cell_row, NULL } };

	xkd_out_init(&o);
	xkd_bufsink_init(&bs, &b);
	ok(xkd_out_add_sink(&o, &c.sink) && xkd_out_add_sink(&o, &bs.sink), "out: two sinks");
	xkd_out_key(&o, XKD_ST_ADDR, "addr", "%x", 0x12);
	xkd_out_pad(&o, 5);
	xkd_out(&o, "x");
	xkd_out_end(&o);
	is_str(c.last, "12   x", "out: pad to a column");
	ok(c.cells == 3 && c.first == XKD_ST_ADDR, "out: cells keep their style");
	xkd_out(&o, "a\nb\n\nc");
	is_u64(c.rows, 4, "out: newlines end rows");
	xkd_out_flush(&o);
	is_str(c.last, "c", "out: flush ends a row that has text");
	xkd_out_flush(&o);
	is_u64(c.rows, 5, "out: flush of nothing is nothing");
	xkd_out_foreign(&o, XKD_ST_STR, "\033]0;x\n", 6);
	xkd_out_end(&o);
	is_str(c.last, "\\x1b]0;x\\x0a", "out: foreign text cannot steer the terminal or end rows");
	xkd_out(&o, "\xc3\xbc");
	xkd_out_pad(&o, 3);
	xkd_out_end(&o);
	is_str(c.last, "\xc3\xbc  ", "out: columns count characters");
	is_str(b.s, "12   x\na\nb\n\nc\n\\x1b]0;x\\x0a\n\xc3\xbc  \n",
	       "out: the other sink has it all");
	ok(xkd_out_add_sink(&o, &extra[0]) && xkd_out_add_sink(&o, &extra[1]) &&
		   !xkd_out_add_sink(&o, &extra[2]),
	   "out: too many sinks are refused");
	xkd_out_del_sink(&o, &extra[0]);
	xkd_out_del_sink(&o, &extra[1]);
	xkd_out_del_sink(&o, &c.sink);
	xkd_out(&o, "last\n");
	is_u64(c.rows, 7, "out: a sink that left gets nothing");
	xkd_out_fini(&o);
	xkd_buf_fini(&b);
}

static void count_breath(void *arg)
{
	++*(int *)arg;
}

static void t_cancel(void)
{
	int breaths = 0;
	struct xkd_cancel c = { .wake_fd = -1, .breathe = count_breath, .arg = &breaths };
	struct xkd_err e = XKD_ERR_INIT;

	ok(!xkd_canceled(NULL), "cancel: nobody never cancels");
	ok(xkd_cancel_check(&c, &e) == XKD_OK && breaths == 1,
	   "cancel: a check lets the UI breathe");
	c.count = 1;
	ok(xkd_cancel_check(&c, &e) == XKD_CANCELED && e.msg[0], "cancel: says so in words");
	xkd_cancel_clear(&c);
	ok(!xkd_canceled(&c), "cancel: cleared");
	c.quit = 15;
	xkd_cancel_clear(&c);
	ok(xkd_canceled(&c), "cancel: quit stays");
}

static void work_end(void *arg XKD_UNUSED, int fd)
{
	(void)!xkd_fd_write(fd, "done", 4);
}
static void work_crash(void *arg XKD_UNUSED, int fd XKD_UNUSED)
{
	raise(SIGKILL);
}
/* Goes on until nobody listens, then leaves a file. */
static void work_on(void *arg, int fd)
{
	while (xkd_fd_write(fd, "x", 1))
		usleep(2000);
	close(open(arg, O_CREAT | O_WRONLY, 0600));
}

static void t_worker(void)
{
	struct xkd_err e = XKD_ERR_INIT;
	struct xkd_worker w;
	char b[8], path[64];
	bool went_on = false;

	ok(!xkd_worker_start(&w, "xkd-test", 10, work_end, NULL, &e) &&
		   xkd_worker_read(&w, b, sizeof(b), 20000) == 4 && !memcmp(b, "done", 4),
	   "worker: tells");
	ok(xkd_worker_read(&w, b, sizeof(b), 20000) < 0 && !w.signal && !w.pid, "worker: ends");
	ok(!xkd_worker_start(&w, "xkd-test", 10, work_crash, NULL, &e) &&
		   xkd_worker_read(&w, b, sizeof(b), 20000) < 0 && w.signal == SIGKILL,
	   "worker: one that crashes, by which signal");
	snprintf(path, sizeof(path), "/tmp/xkd-worker-%d", (int)getpid());
	ok(!xkd_worker_start(&w, "xkd-test", 10, work_on, path, &e) &&
		   xkd_worker_read(&w, b, 1, 20000) == 1,
	   "worker: one that goes on");
	xkd_worker_leave(&w, false);
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "worker: left, and no child of ours");
	for (int i = 0; i < 2000 && !went_on; i++) {
		went_on = !access(path, F_OK);
		usleep(5000);
	}
	ok(went_on, "worker: left, it went on by itself");
	unlink(path);
	ok(!xkd_worker_start(&w, "xkd-test", 10, work_on, path, &e) &&
		   xkd_worker_read(&w, b, 1, 20000) == 1,
	   "worker: another");
	xkd_worker_leave(&w, true);
	usleep(50000);
	ok(access(path, F_OK) && waitpid(-1, NULL, WNOHANG) < 0, "worker: ended with us");
}

int main(void)
{
	t_arena();
	t_buf();
	t_vec();
	t_map();
	t_glob();
	t_str();
	t_err();
	t_out();
	t_cancel();
	t_worker();
	return done_testing();
}
