/* The journal of a boot: a text file of lines of one length, each a place:
 *	+ 0 ffffffff81000000 1 0f1f4400005548894100...
 * '+' in the target or '-' free, the kind (as in a Z packet), address, size, the bytes that belong there.
 * A line is written in place by one write, so that a killed session leaves a whole file. The session
 * that has it holds a lock on it; one that is not locked was left by a session that is no more.
 *
 * What is written back into a target is bounded by what memory says: a byte only where an int3 stands
 * now, that is not in the module's file, between bytes that are still those of the journal. */
#include "engine/run/journal.h"
#include "base/state.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AROUND 12	   /* bytes kept of a place */
#define LINE 64		   /* of the file, with its newline */
#define PLACES_MAX 65536   /* of a file that is read */
#define OLD_DAYS 30	   /* a boot of which nothing was heard for so long is over */
#define INT3 0xcc

struct place {
	bool in;
	enum xkd_bp_kind kind;
	uint64_t addr;
	unsigned size;
	uint8_t bytes[AROUND];
	unsigned n; /* of bytes; 0: not known */
};
struct xkd_journal {
	int fd;
	char *path;
	XKD_VEC(struct place) places; /* by line */
};

static const char head[] = "xkd journal 1: breakpoints in a target; xkd takes them out\n";

static struct xkd_journal *free_journal(struct xkd_journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	xkd_vec_fini(&j->places);
	free(j);
	return NULL;
}

static bool put_line(struct xkd_journal *j, size_t i, const char *text)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "%-*.*s", LINE, LINE - 1, text);
	line[strcspn(line, "\n")] = ' ';
	line[LINE - 1] = '\n';
	return pwrite(j->fd, line, LINE, (off_t)(i * LINE)) == LINE;
}

static bool put_place(struct xkd_journal *j, size_t i)
{
	const struct place *p = &j->places.p[i];
	char hex[2 * AROUND + 1] = "", line[LINE + 1];

	xkd_hex_encode(hex, p->bytes, p->n);
	snprintf(line, sizeof(line), "%c %u %016llx %u %s", p->in ? '+' : '-', (unsigned)p->kind,
		 (unsigned long long)p->addr, p->size, hex);
	return put_line(j, i + 1, line);
}

/* Foreign text: anybody may have written into the file. */
static bool parse_place(const char *line, struct place *p)
{
	unsigned kind, size;
	unsigned long long addr;
	char sign, hex[2 * AROUND + 1] = "";

	*p = (struct place){ .in = false };
	if (sscanf(line, "%c %u %16llx %u %24[0-9a-f]", &sign, &kind, &addr, &size, hex) < 4 ||
	    (sign != '+' && sign != '-') || kind > XKD_BP_ACCESS || !size || size > 8)
		return false;
	*p = (struct place){ .in = sign == '+', .kind = kind, .addr = addr, .size = size };
	for (; p->n < AROUND && hex[2 * p->n] && hex[2 * p->n + 1]; p->n++)
		p->bytes[p->n] = (uint8_t)(xkd_hex_digit(hex[2 * p->n]) << 4 |
					   xkd_hex_digit(hex[2 * p->n + 1]));
	return true;
}

/* A lock of the process, not of the descriptor: a child does not keep it. */
static bool lock(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_SETLK, &l);
}

/* NULL: none there (or to be made), or another session has it. */
static struct xkd_journal *open_journal(const struct xkd_boot *boot, bool make)
{
	struct xkd_journal *j = xkd_calloc(1, sizeof(*j));
	char name[64] = "journal/", line[LINE + 1];
	struct place p;

	xkd_hex_encode(name + strlen(name), boot->id, sizeof(boot->id));
	j->path = xkd_state_path(name);
	j->fd = j->path ? open(j->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600) : -1;
	if (j->fd < 0 || !lock(j->fd))
		return free_journal(j);
	for (size_t i = 0; i <= PLACES_MAX; i++) {
		ssize_t n = pread(j->fd, line, LINE, (off_t)(i * LINE));

		if (n != LINE)
			break;
		line[LINE] = 0;
		if (i && parse_place(line, &p))
			*xkd_vec_push(&j->places) = p;
	}
	if (!put_line(j, 0, head))
		return free_journal(j);
	return j;
}

/* Files of machines that have rebooted since. */
static void drop_old(void)
{
	char *dir = xkd_state_path("journal/");
	DIR *d = dir ? opendir(dir) : NULL;
	time_t now = time(NULL);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && now - st.st_mtime > OLD_DAYS * 86400)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	free(dir);
}

bool xkd_boot_now(struct xkd_run *r)
{
	struct xkd_target *t = r->t;
	struct xkd_boot *b = &r->bkpts->boot;

	if (b->gen != t->gen.boot || !b->known) {
		*b = (struct xkd_boot){ .gen = t->gen.boot };
		b->known = t->os->boot_id && t->os->boot_id(t, b->id);
	}
	return b->known;
}

/* The journal of the boot that is looked at, made when there is none. */
static struct xkd_journal *journal_of(struct xkd_run *r)
{
	struct xkd_bkpts *all = r->bkpts;

	if (!r->t->be->ops->bp_stale) /* a recording: nothing is in it */
		return NULL;
	if (all->journal_tried && all->boot.gen == r->t->gen.boot)
		return all->journal;
	xkd_journal_close(all, false);
	all->journal_tried = true;
	if (xkd_boot_now(r)) {
		drop_old();
		all->journal = open_journal(&all->boot, true);
	}
	return all->journal;
}

void xkd_journal_note(struct xkd_run *r, bool in, uint64_t addr, enum xkd_bp_kind kind, unsigned size)
{
	struct xkd_journal *j = journal_of(r);
	struct xkd_space sp = xkd_space_kernel();
	struct xkd_err ignored;
	size_t at, spare = SIZE_MAX, n = 0;
	struct place *p;

	if (!j)
		return;
	for (at = 0; at < j->places.n; at++) {
		p = &j->places.p[at];
		if (p->addr == addr && p->kind == kind && p->size == size)
			break;
		if (!p->in && spare == SIZE_MAX)
			spare = at;
	}
	if (at == j->places.n) {
		if (!in || at >= PLACES_MAX)
			return;
		if (spare != SIZE_MAX)
			at = spare;
		else
			(void)xkd_vec_push(&j->places);
	}
	p = &j->places.p[at];
	if (in) {
		*p = (struct place){ .kind = kind, .addr = addr, .size = size };
		if (kind == XKD_BP_SW)
			(void)!xkd_mem_read(r->t, &sp, addr, p->bytes, AROUND, &n, &ignored);
		p->n = (unsigned)n;
	}
	p->in = in;
	if (!put_place(j, at)) { /* a full disk: what cannot be kept is not kept half */
		xkd_log(r->t->log, XKD_LOG_WARN, "%s: %s; breakpoints are not noted any more", j->path,
			strerror(errno));
		r->bkpts->journal = free_journal(j);
	}
}

bool xkd_journal_any(const struct xkd_bkpts *all)
{
	for (size_t i = 0; all->journal && i < all->journal->places.n; i++)
		if (all->journal->places.p[i].in)
			return true;
	return false;
}

void xkd_journal_close(struct xkd_bkpts *all, bool clean)
{
	struct xkd_journal *j = all->journal;
	bool any = xkd_journal_any(all);

	all->journal = NULL;
	all->journal_tried = false;
	if (!j)
		return;
	if (clean || !any)
		unlink(j->path);
	free_journal(j);
}

/* --- what another session left --- */

static bool int3_in_file(struct xkd_target *t, uint64_t addr)
{
	const struct xkd_module *m = xkd_target_mod_at(t, addr);
	uint64_t iaddr;
	uint8_t b;

	return m && m->img && xkd_module_to_image(m, addr, &iaddr) &&
	       xkd_image_read(m->img, iaddr, &b, 1) == 1 && b == INT3;
}

static bool listed_at(const struct xkd_journal *j, uint64_t addr)
{
	for (size_t i = 0; i < j->places.n; i++)
		if (j->places.p[i].addr == addr && j->places.p[i].kind == XKD_BP_SW)
			return true;
	return false;
}

/* Does an int3 of ours still stand at the place? */
enum left { LEFT_NOTHING, LEFT_OURS, LEFT_UNSURE };
static enum left left_at(struct xkd_target *t, const struct xkd_journal *j, const struct place *p)
{
	struct xkd_space sp = xkd_space_kernel();
	struct xkd_err ignored;
	uint8_t now[AROUND];
	size_t n = 0;

	if (!(t->caps & XKD_CAP_BP_IN_MEMORY))
		return LEFT_NOTHING; /* an int3 there is the kernel's: it patches its code */
	(void)!xkd_mem_read(t, &sp, p->addr, now, p->n ? p->n : 1, &n, &ignored);
	if (!n || now[0] != INT3)
		return LEFT_NOTHING;
	if (int3_in_file(t, p->addr) || (p->n && p->bytes[0] == INT3))
		return LEFT_NOTHING; /* its own */
	if (p->n < AROUND / 2 || n < p->n)
		return LEFT_UNSURE;
	for (size_t i = 1; i < n; i++)
		if (now[i] != p->bytes[i] && !(now[i] == INT3 && listed_at(j, p->addr + i)))
			return LEFT_UNSURE;
	return LEFT_OURS;
}

/* Out with one. False: it is not known to be out; err says why. */
static bool take_out(struct xkd_target *t, const struct xkd_journal *j, const struct place *p,
		     struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_kernel();
	struct xkd_err ignored;
	enum xkd_rc rc = xkd_target_noted(
		t, t->be->ops->bp_stale(t->be, p->kind, p->addr, p->size, &ignored));

	xkd_target_dirty(t);
	if (rc == XKD_TRANSPORT || rc == XKD_TIMEOUT || rc == XKD_CANCELED) {
		if (err)
			*err = ignored;
		return false;
	}
	if (p->kind != XKD_BP_SW)
		return true; /* a stub that lost its table has lost its watches */
	if (left_at(t, j, p) == LEFT_OURS &&
	    xkd_mem_write(t, &sp, p->addr, p->bytes, 1, NULL, err))
		return false;
	if (left_at(t, j, p) == LEFT_NOTHING)
		return true;
	xkd_err_addr(err, XKD_MISMATCH, p->addr, "an int3 stands at %s, and the bytes around it are "
		     "not those that were there", XKD_ADDR(p->addr));
	return false;
}

static void recover(struct xkd_run *r, struct xkd_journal *j)
{
	struct xkd_err err = XKD_ERR_INIT;
	size_t n = 0, stay = 0;

	for (size_t i = 0; i < j->places.n; i++) {
		struct place *p = &j->places.p[i];

		if (!p->in)
			continue;
		n++;
		p->in = !take_out(r->t, j, p, &err);
		stay += p->in;
		(void)put_place(j, i);
	}
	if (!n)
		return;
	xkd_out_st(r->out, XKD_ST_HEAD, "An earlier session of this boot was lost with %zu breakpoint%s "
		   "in the target: %s", n, n == 1 ? "" : "s", !stay ? "taken out" : "");
	if (stay)
		xkd_out(r->out, "%zu taken out, %zu not: %s", n - stay, stay, err.msg);
	xkd_out_end(r->out);
}

void xkd_journal_recover(struct xkd_run *r, bool read_only)
{
	struct xkd_journal *j;
	size_t n = 0;

	r->bkpts->boot.known = false; /* of another target */
	if (!r->t->be->ops->bp_stale || !xkd_boot_now(r))
		return;
	j = open_journal(&r->bkpts->boot, false);
	if (!j)
		return;
	if (!read_only)
		recover(r, j);
	for (size_t i = 0; i < j->places.n; i++)
		n += j->places.p[i].in;
	if (read_only && n) {
		xkd_out(r->out, "An earlier session of this boot was lost with %zu breakpoint%s in the "
			"target; attaching without --read-only takes %s out", n, n == 1 ? "" : "s",
			n == 1 ? "it" : "them");
		xkd_out_end(r->out);
	}
	/* what stays is tried again by the next one */
	r->bkpts->journal = j;
	xkd_journal_close(r->bkpts, !n);
}
