/* Scripted stubs: tests/rsp/NAME.rsp says what must come and what is answered. A stub that is sent
 * anything else ends with an error.
 *
 * Lines of a transcript (\xNN for any byte; payloads are as on the wire, without $ and checksum):
 *   > P      this packet must come        < P     a packet is sent
 *   >R TEXT  qRcmd of TEXT must come      <O TEXT TEXT as console output, newline added
 *   ~ P      must come; is answered '-'   <H TEXT TEXT in hex
 *   >A P     must come; is not acked      ! RAW   bytes are sent as they are
 *   ^        a Ctrl-C must come           nak     a '-' must come
 *   noack    acks are off from here       wait MS nothing happens for a while
 *   bad P    P with a wrong checksum      flood   a packet without end
 *   close    the stub goes away           @ FILE  the lines of FILE
 *   fill BB N   N (hex) times the byte BB is sent, as hex
 *   acked    the ack of the last packet must come, D's too
 * At the end the client must go away having sent nothing more and acked all, save D's answer. */
#include "tests/rsp/transcript.h"
#include "base/str.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The stub: a child process. */
struct stub {
	int fd;
	bool noack, failed;
	bool closed, detached;
	int owed; /* acks that the client owes */
	char where[96];
};

static void stub_fail(struct stub *s, const char *what, const char *got)
{
	if (!s->failed)
		printf("# stub at %s: %s%s%s\n", s->where, what, got ? ": got " : "",
		       got ? got : "");
	fflush(stdout);
	s->failed = true;
}

static int stub_byte(struct stub *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	uint8_t c;

	return poll(&p, 1, 3000) == 1 && read(s->fd, &c, 1) == 1 ? c : -1;
}

static void stub_raw(struct stub *s, const void *p, size_t n)
{
	/* Who lets the target run and goes does not wait for the acknowledgement. */
	bool ack = n == 1 && *(const char *)p == '+';

	if (send(s->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n && !ack)
		stub_fail(s, "cannot send", NULL);
}

static void stub_send(struct stub *s, const char *p, size_t n, int wrong)
{
	struct xkd_buf b;
	unsigned sum = (unsigned)wrong;

	xkd_buf_init(&b);
	for (size_t i = 0; i < n; i++)
		sum += (uint8_t)p[i];
	xkd_buf_ch(&b, '$');
	xkd_buf_add(&b, p, n);
	xkd_buf_printf(&b, "#%02x", sum & 255);
	stub_raw(s, b.s, b.len);
	s->owed += !s->noack;
	xkd_buf_fini(&b);
}

/* The next byte that is no ack. */
static int stub_past_acks(struct stub *s)
{
	int c;

	while ((c = stub_byte(s)) == '+')
		if (--s->owed < 0)
			stub_fail(s, "an ack too many", NULL);
	return c;
}

static void stub_expect(struct stub *s, const char *want, size_t n, const char *ack)
{
	struct xkd_buf got;
	int c = stub_past_acks(s);

	xkd_buf_init(&got);
	if (c != '$') {
		xkd_buf_printf(&got, "byte %d", c);
		stub_fail(s, "no packet", got.s);
	}
	while (!s->failed && (c = stub_byte(s)) >= 0 && c != '#')
		xkd_buf_ch(&got, (char)c);
	if (!s->failed && (got.len != n || memcmp(got.s, want, n)))
		stub_fail(s, "another packet", got.s);
	stub_byte(s);
	stub_byte(s);
	s->detached = got.s[0] == 'D';
	xkd_buf_fini(&got);
	if (!s->noack && ack[0])
		stub_raw(s, ack, 1);
}

static void stub_flood(struct stub *s)
{
	char a[4096];

	memset(a, 'a', sizeof(a));
	stub_raw(s, "$", 1);
	for (int i = 0; i < 400; i++)
		(void)!send(s->fd, a, sizeof(a), MSG_NOSIGNAL);
}

static void stub_fill(struct stub *s, const char *text)
{
	struct xkd_buf b;
	unsigned long n = strtoul(text + 3, NULL, 16);

	xkd_buf_init(&b);
	while (n--)
		xkd_buf_add(&b, text, 2);
	stub_send(s, b.s, b.len, 0);
	xkd_buf_fini(&b);
}

static void stub_end(struct stub *s)
{
	int c;

	if (s->failed || s->closed)
		return;
	c = stub_past_acks(s);
	snprintf(s->where, sizeof(s->where), "the end");
	if (c >= 0)
		stub_fail(s, "more was sent", (char[2]){ (char)c, 0 });
	if (s->owed > s->detached)
		stub_fail(s, "acks are missing", NULL);
}

static void unescape(const char *s, struct xkd_buf *b)
{
	xkd_buf_reset(b);
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] == 'x' && xkd_hex_digit(s[2]) >= 0 &&
		    xkd_hex_digit(s[3]) >= 0) {
			xkd_buf_ch(b, (char)(xkd_hex_digit(s[2]) << 4 | xkd_hex_digit(s[3])));
			s += 3;
		} else {
			xkd_buf_ch(b, *s);
		}
	}
}

static void hexed(const char *prefix, const char *text, const char *tail, struct xkd_buf *b)
{
	xkd_buf_reset(b);
	xkd_buf_str(b, prefix);
	for (; *text; text++)
		xkd_buf_printf(b, "%02x", (uint8_t)*text);
	xkd_buf_str(b, tail);
}

/* '>' and '<' lines and their kin; text follows the word and a blank. */
static void stub_packet(struct stub *s, const char *word, const char *text, struct xkd_buf *b)
{
	unescape(text, b);
	if (!strcmp(word, ">"))
		stub_expect(s, b->s, b->len, "+");
	else if (!strcmp(word, ">A"))
		stub_expect(s, b->s, b->len, "");
	else if (!strcmp(word, "~"))
		stub_expect(s, b->s, b->len, "-");
	else if (!strcmp(word, "<"))
		stub_send(s, b->s, b->len, 0);
	else if (!strcmp(word, "bad"))
		stub_send(s, b->s, b->len, 1);
	else if (!strcmp(word, "!"))
		stub_raw(s, b->s, b->len);
	else if (!strcmp(word, ">R"))
		hexed("qRcmd,", text, "", b), stub_expect(s, b->s, b->len, "+");
	else if (!strcmp(word, "<O"))
		hexed("O", text, "0d0a", b), stub_send(s, b->s, b->len, 0);
	else if (!strcmp(word, "<H"))
		hexed("", text, "", b), stub_send(s, b->s, b->len, 0);
	else
		stub_fail(s, "no such line", word);
}

static void stub_play(struct stub *s, const char *name);

static void stub_line(struct stub *s, const char *line, struct xkd_buf *b)
{
	char word[16];
	size_t n = strcspn(line, " ");
	const char *text = line + n + (line[n] == ' ');

	snprintf(word, sizeof(word), "%.*s", (int)n, line);
	if (!strcmp(word, "@"))
		stub_play(s, text);
	else if (!strcmp(word, "noack"))
		s->noack = true;
	else if (!strcmp(word, "wait"))
		usleep((useconds_t)atoi(text) * 1000);
	else if (!strcmp(word, "fill"))
		stub_fill(s, text);
	else if (!strcmp(word, "flood"))
		stub_flood(s);
	else if (!strcmp(word, "close"))
		s->closed = !shutdown(s->fd, SHUT_RDWR);
	else if (!strcmp(word, "acked") && (stub_byte(s) != '+' || --s->owed))
		stub_fail(s, "no ack", NULL);
	else if (!strcmp(word, "^") && stub_past_acks(s) != 3)
		stub_fail(s, "no Ctrl-C", NULL);
	else if (!strcmp(word, "nak") && (stub_past_acks(s) != '-' || --s->owed < 0))
		stub_fail(s, "no '-'", NULL);
	else if (!strstr("^ nak acked", word))
		stub_packet(s, word, text, b);
}

static void stub_play(struct stub *s, const char *name)
{
	const char *dir = getenv("srcdir");
	char path[512], line[8192];
	struct xkd_buf b;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/rsp/%s", dir ? dir : ".", name);
	f = fopen(path, "r");
	if (!f) {
		stub_fail(s, "no such file", path);
		return;
	}
	xkd_buf_init(&b);
	for (int no = 1; !s->failed && fgets(line, sizeof(line), f); no++) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(s->where, sizeof(s->where), "%.60s:%d", name, no);
		if (line[0] && line[0] != '#')
			stub_line(s, line, &b);
	}
	xkd_buf_fini(&b);
	fclose(f);
}

bool peer_start(struct peer *p, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char file[80];

	snprintf(p->dir, sizeof(p->dir), "/tmp/xkd-t_transcript-XXXXXX");
	if (!mkdtemp(p->dir))
		return false;
	snprintf(p->path, sizeof(p->path), "%s/gdb", p->dir);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", p->path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, 1))
		return false;
	fflush(stdout);
	p->pid = fork();
	if (!p->pid) {
		/* A client begins with two acks of nothing. */
		struct stub s = { .fd = accept(fd, NULL, NULL), .owed = 2 };

		snprintf(file, sizeof(file), "%s.rsp", name);
		stub_play(&s, file);
		stub_end(&s);
		_exit(s.failed);
	}
	close(fd);
	return p->pid > 0;
}

enum xkd_rc peer_open(struct peer *p, unsigned timeout_ms)
{
	struct xkd_be_open o = {
		.uri = p->path, .log = &p->log, .cancel = &p->cancel, .timeout_ms = timeout_ms
	};
	enum xkd_rc rc = xkd_gdbrsp_ops.open(&o, &p->be, &p->err);

	if (rc != XKD_OK)
		return rc;
	p->layout = xkd_gdbrsp_ops.reglayout(p->be);
	return xkd_gdbrsp_ops.cpus(p->be, p->cpus, 8, &p->ncpus, &p->err);
}

bool peer_end(struct peer *p)
{
	int status = 1;

	waitpid(p->pid, &status, 0);
	unlink(p->path);
	rmdir(p->dir);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

size_t index_of(struct peer *p, const char *name)
{
	size_t i = 0;

	while (i < p->layout->n && strcmp(p->layout->regs[i].name, name))
		i++;
	return i;
}

/* A register's value; ~0 when unavailable, ~1 when there is none of that name. */
uint64_t reg_of(struct peer *p, const struct xkd_regblob *b, const char *name)
{
	size_t i = index_of(p, name);

	if (i == p->layout->n)
		return ~1ull;
	return b->avail[i] ? xkd_get_le(b->bytes + p->layout->regs[i].off, p->layout->regs[i].bytes)
			   : ~0ull;
}

enum xkd_rc get_regs(struct peer *p, size_t cpu, unsigned groups, struct xkd_regblob *b)
{
	return xkd_gdbrsp_ops.regs_get(p->be, p->cpus[cpu].id, groups, b, &p->err);
}

enum xkd_rc set_reg(struct peer *p, const char *name, uint64_t v)
{
	uint8_t val[16] = { 0 };

	xkd_put_le(val, v, 8);
	return xkd_gdbrsp_ops.reg_set(p->be, p->cpus[0].id, index_of(p, name), val, &p->err);
}

struct xkd_iov get_mem(struct peer *p, enum xkd_mspace ms, uint64_t addr, void *buf, size_t n)
{
	struct xkd_iov v = { .addr = addr, .buf = buf, .len = n };
	enum xkd_rc rc = xkd_gdbrsp_ops.readv(p->be, ms, p->cpus[0].id, &v, 1, &p->err);

	if (rc != XKD_OK && v.rc != rc)
		v.rc = XKD_IO; /* would be a contradiction */
	return v;
}

struct xkd_iov put_mem(struct peer *p, enum xkd_mspace ms, uint64_t addr, const char *s, size_t n)
{
	struct xkd_iov v = { .addr = addr, .buf = (uint8_t *)(uintptr_t)s, .len = n };
	enum xkd_rc rc = xkd_gdbrsp_ops.writev(p->be, ms, p->cpus[0].id, &v, 1, &p->err);

	if (rc != XKD_OK && v.rc != rc)
		v.rc = XKD_IO;
	return v;
}

struct xkd_event next_event(struct peer *p)
{
	struct xkd_event ev;

	for (int i = 0; i < 60; i++) {
		struct pollfd f = { .fd = xkd_gdbrsp_ops.fd(p->be), .events = POLLIN };

		if (xkd_gdbrsp_ops.next_event(p->be, &ev, &p->err) != XKD_OK ||
		    ev.kind != XKD_EV_NONE)
			break;
		poll(&f, 1, 50);
	}
	return ev;
}

enum xkd_rc go(struct peer *p)
{
	struct xkd_resume r = { .others = XKD_ACT_CONT };

	return xkd_gdbrsp_ops.resume(p->be, &r, &p->err);
}

enum xkd_rc step(struct peer *p, size_t cpu, enum xkd_act others, bool mask)
{
	struct xkd_resume r = { .others = others,
				.has_cpu = true,
				.cpu_id = p->cpus[cpu].id,
				.cpu_act = XKD_ACT_STEP,
				.mask_irqs = mask };

	return xkd_gdbrsp_ops.resume(p->be, &r, &p->err);
}
