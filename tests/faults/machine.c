/* The machine (machine.h): an interpreter of the dozen instructions of minikernel.c, and a stub that
 * speaks the GDB remote protocol to one client. */
#include "tests/faults/machine.h"
#include "base/buf.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLICE 200 /* instructions between two looks at the socket */

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, RIP = 16, NREGS };
#define REGS_BYTES (17 * 8 + 7 * 4)

struct stub {
	struct machine *m;
	int listener, fd;
	uint64_t r[NREGS];
	bool noack, stop_owed;
	char in[8192];
	size_t n;
	struct xkd_buf out;
};

unsigned machine_left(const struct machine *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->text; i++)
		n += m->mem[i] != m->file[i];
	for (size_t i = 0; i < MACHINE_BPS; i++)
		n += m->bps[i].used && m->bps[i].hw;
	return n;
}

/* --- the processor --- */

static uint8_t *at(struct machine *m, uint64_t addr, size_t n)
{
	uint64_t off = addr - MACHINE_BASE;

	return off < MACHINE_MEM && n <= MACHINE_MEM - off ? m->mem + off : NULL;
}

static uint64_t load(struct machine *m, uint64_t addr)
{
	uint8_t *p = at(m, addr, 8);

	return p ? xkd_get_le(p, 8) : 0;
}

static void store(struct machine *m, uint64_t addr, uint64_t v)
{
	uint8_t *p = at(m, addr, 8);

	if (p)
		xkd_put_le(p, v, 8);
}

static int64_t sext(const uint8_t *p, unsigned n)
{
	uint64_t v = xkd_get_le(p, n);

	return n == 1 ? (int8_t)v : (int32_t)(uint32_t)v;
}

/* Carries out what is at rip. False: an int3, or what minikernel.c does not hold. *wrote: where. */
static bool insn(struct stub *s, uint64_t *wrote)
{
	struct machine *m = s->m;
	uint64_t *r = s->r, ip = r[RIP];
	const uint8_t *p = at(m, ip, 8);

	*wrote = 0;
	if (!p)
		return false;
	if (p[0] == 0x90) {
		r[RIP] = ip + 1;
	} else if (p[0] == 0x0f && p[1] == 0x1f && p[2] == 0x44) {
		r[RIP] = ip + 5;
	} else if (p[0] == 0x55 || p[0] == 0x53) {
		store(m, r[RSP] -= 8, r[p[0] == 0x55 ? RBP : RBX]);
		r[RIP] = ip + 1;
	} else if (p[0] == 0x5d || p[0] == 0x5b) {
		r[p[0] == 0x5d ? RBP : RBX] = load(m, r[RSP]);
		r[RSP] += 8;
		r[RIP] = ip + 1;
	} else if (p[0] == 0xc3) {
		r[RIP] = load(m, r[RSP]);
		r[RSP] += 8;
	} else if (p[0] == 0xe8) {
		store(m, r[RSP] -= 8, ip + 5);
		r[RIP] = ip + 5 + (uint64_t)sext(p + 1, 4);
	} else if (p[0] == 0xeb) {
		r[RIP] = ip + 2 + (uint64_t)sext(p + 1, 1);
	} else if (p[0] == 0x48 && p[1] == 0x89 && p[2] == 0xe5) {
		r[RBP] = r[RSP];
		r[RIP] = ip + 3;
	} else if (p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc0) {
		r[RAX] += (uint64_t)sext(p + 3, 1);
		r[RIP] = ip + 4;
	} else if (p[0] == 0x48 && p[1] == 0xff && p[2] == 0x05) {
		*wrote = ip + 7 + (uint64_t)sext(p + 3, 4);
		store(m, *wrote, load(m, *wrote) + 1);
		r[RIP] = ip + 7;
	} else if (p[0] == 0x48 && p[1] == 0xff && (p[2] == 0xc0 || p[2] == 0xc1 || p[2] == 0xc3)) {
		r[p[2] == 0xc0 ? RAX : p[2] == 0xc1 ? RCX : RBX]++;
		r[RIP] = ip + 3;
	} else {
		return false;
	}
	m->insns++;
	return true;
}

static const struct machine_bp *watch_hit(const struct machine *m, uint64_t wrote, bool exec, uint64_t pc)
{
	for (size_t i = 0; i < MACHINE_BPS; i++) {
		const struct machine_bp *b = &m->bps[i];

		if (!b->used || !b->hw)
			continue;
		if (exec && b->kind == '1' && b->addr == pc)
			return b;
		if (!exec && wrote && b->kind > '1' && b->addr < wrote + 8 && wrote < b->addr + b->size)
			return b;
	}
	return NULL;
}

static void tell_stop(struct stub *s, const char *text);

static void stop(struct stub *s, const char *text)
{
	s->m->running = false;
	s->m->stops++;
	if (s->fd >= 0)
		tell_stop(s, text);
}

/* Some instructions; first: the one at rip has been stopped at already. */
static void slice(struct stub *s, unsigned n, bool first)
{
	const struct machine_bp *b;
	uint64_t wrote;
	char text[80];

	for (unsigned i = 0; i < n && s->m->running; i++) {
		if (!(first && !i) && (b = watch_hit(s->m, 0, true, s->r[RIP]))) {
			stop(s, "T05thread:1;");
			return;
		}
		if (!insn(s, &wrote)) {
			stop(s, "T05thread:1;");
			return;
		}
		if (wrote && (b = watch_hit(s->m, wrote, false, 0))) {
			snprintf(text, sizeof(text), "T05thread:1;watch:%llx;", (unsigned long long)b->addr);
			stop(s, text);
		}
	}
}

static void boot(struct stub *s)
{
	struct machine *m = s->m;

	memcpy(m->mem, m->file, MACHINE_MEM);
	memset(m->bps, 0, sizeof(m->bps));
	memset(s->r, 0, sizeof(s->r));
	s->r[RIP] = m->entry;
	s->r[RSP] = m->sp;
	for (unsigned i = 1; i < 8; i++) /* as a kernel's: its first byte is 0 */
		m->mem[m->canary_off + i] = (uint8_t)(1 + rand() % 255);
	m->running = true;
	m->ctrl_c_kept = false;
	m->reset = false;
}

/* --- the stub --- */

static void raw(struct stub *s, const char *p, size_t n)
{
	if (s->fd >= 0)
		(void)!send(s->fd, p, n, MSG_NOSIGNAL);
}

static void say(struct stub *s, const char *body, bool half)
{
	unsigned sum = 0;

	xkd_buf_reset(&s->out);
	for (const char *p = body; *p; p++)
		sum += (unsigned char)*p;
	xkd_buf_printf(&s->out, "$%s#%02x", body, sum & 0xff);
	raw(s, s->out.s, half ? s->out.len / 2 : s->out.len);
}

static void tell_stop(struct stub *s, const char *text)
{
	if (s->stop_owed)
		say(s, text, false);
	s->stop_owed = false;
}

static void hang_up(struct stub *s, bool rst)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	if (rst)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(s->fd);
	s->fd = -1;
	s->n = 0;
	s->stop_owed = false;
	s->m->connected = false;
	if (s->m->kind == STUB_FORGETS)
		memset(s->m->bps, 0, sizeof(s->m->bps));
}

static struct machine_bp *bp_at(struct machine *m, char kind, uint64_t addr)
{
	for (size_t i = 0; i < MACHINE_BPS; i++)
		if (m->bps[i].used && m->bps[i].addr == addr && m->bps[i].kind == kind)
			return &m->bps[i];
	return NULL;
}

static void take_out(struct machine *m, struct machine_bp *b)
{
	uint8_t *p = at(m, b->addr, 1);

	if (!b->hw && p)
		*p = b->orig;
	b->used = false;
}

static const char *breakpoint(struct machine *m, const char *p)
{
	unsigned long long addr;
	unsigned size;
	char set, kind;
	struct machine_bp *b;
	uint8_t *byte;

	if (sscanf(p, "%c%c,%llx,%x", &set, &kind, &addr, &size) != 4 || !strchr("0124", kind))
		return "";
	b = bp_at(m, kind, addr);
	if (set == 'z') {
		if (!b)
			return "E22";
		take_out(m, b);
		return "OK";
	}
	if (b)
		return "OK";
	byte = at(m, addr, 1);
	for (b = m->bps; b < m->bps + MACHINE_BPS && b->used; b++)
		;
	if (!byte || b == m->bps + MACHINE_BPS)
		return "E22";
	*b = (struct machine_bp){ .addr = addr, .orig = *byte, .hw = kind != '0', .size = size,
				  .kind = kind, .used = true };
	if (!b->hw)
		*byte = 0xcc;
	return "OK";
}

static void all_regs(struct stub *s, char *hex)
{
	uint8_t b[REGS_BYTES] = { 0 };

	for (unsigned i = 0; i < NREGS; i++)
		xkd_put_le(b + 8 * i, s->r[i], 8);
	xkd_put_le(b + 17 * 8, 0x202, 4);
	xkd_put_le(b + 17 * 8 + 4, 0x10, 4);
	xkd_hex_encode(hex, b, sizeof(b));
}

static void memory(struct stub *s, const char *p, char *hex, size_t max)
{
	unsigned long long addr;
	unsigned n;
	const uint8_t *src;

	hex[0] = 0;
	if (sscanf(p, "m%llx,%x", &addr, &n) != 2 || 2 * (size_t)n + 1 > max)
		return;
	while (n && !(src = at(s->m, addr, n)))
		n--; /* as much as there is */
	if (n)
		xkd_hex_encode(hex, src, n);
	else
		strcpy(hex, "E14");
}

static const char *write_memory(struct stub *s, const char *p)
{
	unsigned long long addr;
	unsigned n;
	const char *hex = strchr(p, ':');
	uint8_t *dst;

	if (!hex || sscanf(p, "M%llx,%x", &addr, &n) != 2 || !(dst = at(s->m, addr, n)) ||
	    strlen(hex + 1) != 2 * (size_t)n)
		return "E14";
	for (unsigned i = 0; i < n; i++)
		dst[i] = (uint8_t)(xkd_hex_digit(hex[1 + 2 * i]) << 4 | xkd_hex_digit(hex[2 + 2 * i]));
	return "OK";
}

static const char *write_reg(struct stub *s, const char *p)
{
	char *hex;
	unsigned long i = strtoul(p + 1, &hex, 16);
	uint8_t b[8] = { 0 };

	if (*hex != '=' || i >= NREGS)
		return "E01";
	for (unsigned k = 0; k < 8 && hex[1 + 2 * k] && hex[2 + 2 * k]; k++)
		b[k] = (uint8_t)(xkd_hex_digit(hex[1 + 2 * k]) << 4 | xkd_hex_digit(hex[2 + 2 * k]));
	s->r[i] = xkd_get_le(b, 8);
	return "OK";
}

static void go(struct stub *s, bool step)
{
	s->stop_owed = true;
	s->m->running = true;
	if (s->m->ctrl_c_kept) {
		s->m->ctrl_c_kept = false;
		stop(s, "T02thread:1;");
		return;
	}
	slice(s, 1, true);
	if (step && s->m->running)
		stop(s, "T05thread:1;");
}

/* The answer, into buf; NULL: none yet (it runs), or none at all. */
static const char *answer(struct stub *s, const char *p, char *buf, size_t max)
{
	struct machine *m = s->m;

	if (!strncmp(p, "qSupported", 10))
		return m->acks ? "PacketSize=1000" : "PacketSize=1000;QStartNoAckMode+";
	if (!strcmp(p, "?")) {
		for (size_t i = 0; m->kind == STUB_CLEANS && i < MACHINE_BPS; i++)
			if (m->bps[i].used)
				take_out(m, &m->bps[i]);
		return "T05thread:1;";
	}
	if (!strcmp(p, "vCont?"))
		return "vCont;c;C;s;S";
	if (!strcmp(p, "qC"))
		return "QC1";
	if (!strcmp(p, "qfThreadInfo"))
		return "m1";
	if (!strcmp(p, "qsThreadInfo"))
		return "l";
	if (p[0] == 'H' || !strcmp(p, "QStartNoAckMode"))
		return "OK";
	if (p[0] == 'Z' || p[0] == 'z')
		return breakpoint(m, p);
	if (p[0] == 'M')
		return write_memory(s, p);
	if (p[0] == 'P')
		return write_reg(s, p);
	if (!strncmp(p, "vCont;", 6) || !strcmp(p, "c") || !strcmp(p, "s")) {
		go(s, strchr(p, 's') != NULL);
		return NULL;
	}
	buf[0] = 0;
	if (p[0] == 'g')
		all_regs(s, buf);
	if (p[0] == 'm')
		memory(s, p, buf, max);
	if (p[0] == 'D') {
		m->running = !m->ctrl_c_kept;
		return "OK";
	}
	return buf;
}

/* Is it this packet's turn to have this fault? */
static bool strikes(struct stub *s, enum fault f)
{
	struct machine *m = s->m;

	if (!m->fault_at || m->packets != m->fault_at || f != m->fault)
		return false;
	m->fault_at = 0;
	m->faulted++;
	return true;
}

static void packet(struct stub *s, const char *p)
{
	static char buf[8192];
	const char *a;

	s->m->packets++;
	if (strikes(s, FAULT_KILL_BEFORE)) {
		kill(s->m->xkd, SIGKILL);
		return;
	}
	if (strikes(s, FAULT_CLOSE_BEFORE)) {
		hang_up(s, false);
		return;
	}
	a = answer(s, p, buf, sizeof(buf));
	if (strikes(s, FAULT_KILL_AFTER)) /* the answer is under way when its reader is gone */
		kill(s->m->xkd, SIGKILL);
	if (strikes(s, FAULT_CLOSE_AFTER)) {
		hang_up(s, false);
		return;
	}
	if (strikes(s, FAULT_RST)) {
		hang_up(s, true);
		return;
	}
	if (strikes(s, FAULT_CLOSE_MIDDLE)) {
		say(s, a ? a : "T05", true);
		hang_up(s, false);
		return;
	}
	if (a)
		say(s, a, false);
	if (!strcmp(p, "QStartNoAckMode"))
		s->noack = true;
	if (strikes(s, FAULT_KILL_ANSWERED))
		kill(s->m->xkd, SIGKILL);
	if (strikes(s, FAULT_KILL_BOTH)) { /* its keeper, without a connection, is none */
		kill(s->m->xkd, SIGKILL);
		hang_up(s, false);
	}
}

static void interrupted(struct stub *s)
{
	if (s->m->running)
		stop(s, "T02thread:1;");
	else
		s->m->ctrl_c_kept = s->m->kind == STUB_KEEPS;
}

/* Whole packets in what came. */
static void feed(struct stub *s)
{
	size_t i = 0;

	while (i < s->n && s->fd >= 0) {
		char *hash, *p = s->in + i;
		size_t len;

		if (*p == 3)
			interrupted(s);
		if (*p != '$') {
			i++;
			continue;
		}
		hash = memchr(p, '#', s->n - i);
		if (!hash || hash + 3 > s->in + s->n)
			break;
		*hash = 0;
		len = (size_t)(hash - p) + 3;
		if (!s->noack)
			raw(s, "+", 1);
		packet(s, p + 1);
		i += len;
	}
	if (s->fd < 0)
		return;
	memmove(s->in, s->in + i, s->n - i);
	s->n -= i;
}

static void take_client(struct stub *s)
{
	s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	s->n = 0;
	s->noack = s->stop_owed = false;
	s->m->connected = s->fd >= 0;
	s->m->running = false; /* as QEMU does */
}

static void listen_in(struct stub *s)
{
	ssize_t got = recv(s->fd, s->in + s->n, sizeof(s->in) - 1 - s->n, 0);

	if (got <= 0) {
		hang_up(s, false);
		return;
	}
	s->n += (size_t)got;
	feed(s);
	if (s->n == sizeof(s->in) - 1)
		hang_up(s, false);
}

void machine_run(struct machine *m, int fd)
{
	struct stub s = { .m = m, .listener = fd, .fd = -1, .out = XKD_BUF_INIT };

	srand((unsigned)getpid());
	boot(&s);
	for (;;) {
		struct pollfd p = { .fd = s.fd >= 0 ? s.fd : fd, .events = POLLIN };

		/* a breath between slices: the machine is not to take a processor for itself */
		if (poll(&p, 1, 1) > 0 && s.fd < 0)
			take_client(&s);
		else if (p.revents)
			listen_in(&s);
		if (m->reset)
			boot(&s);
		if (m->running)
			slice(&s, SLICE, false);
	}
}
