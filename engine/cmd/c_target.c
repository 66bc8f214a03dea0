/* vertarget and .time: what is being looked at, and when it thinks it is. */
#include "engine/cmd/help.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static void row(struct xkd_session *s, const char *key, const char *val)
{
	xkd_out_st(&s->out, XKD_ST_DIM, "%-12s ", key);
	xkd_out_foreign(&s->out, XKD_ST_PLAIN, val, strcspn(val, "\n"));
	xkd_out_end(&s->out);
}

static void age(char *buf, size_t max, uint64_t seconds)
{
	snprintf(buf, max, "%llu days %llu:%02llu:%02llu", (unsigned long long)(seconds / 86400),
		 (unsigned long long)(seconds / 3600 % 24), (unsigned long long)(seconds / 60 % 60),
		 (unsigned long long)(seconds % 60));
}

/* A member of the kernel's timekeeper (tk_core.timekeeper). */
static bool timekeeper(struct xkd_session *s, const char *member, uint64_t *val)
{
	const struct xkd_type *type;
	struct xkd_member m;
	struct xkd_err ignored;
	uint64_t addr, off;

	return !xkd_global_named(s->t, xkd_target_kernel(s->t), "tk_core", &addr, &type,
				 &ignored) &&
	       type && !xkd_type_find_member(xkd_type_strip(type), "timekeeper", &m, &ignored) &&
	       !xkd_offsetof(s->t, "timekeeper", member, &off, NULL, &ignored) &&
	       !xkd_kread_u(s->t, addr + m.bit_off / 8 + off, 8, val, &ignored);
}

static void kernel_rows(struct xkd_session *s)
{
	struct xkd_module *k = xkd_target_kernel(s->t);
	char text[512], hex[XKD_BUILDID_HEX];
	struct xkd_symref r;
	struct xkd_err ignored;
	uint64_t n;

	if (!k) {
		row(s, "kernel", "not known (.sympath and .reload find it)");
		return;
	}
	if (!xkd_sym_named(s->t, "lk!linux_banner", &r, &ignored) &&
	    !xkd_kread_str(s->t, r.addr, text, sizeof(text), &ignored))
		row(s, "kernel", text);
	snprintf(text, sizeof(text), "%s, slide 0x%llx", XKD_ADDR(xkd_module_start(k)),
		 (unsigned long long)k->slide);
	row(s, "base", text);
	row(s, "build-id", k->id.n ? xkd_buildid_hex(&k->id, hex) : "not known");
	if (k->img)
		row(s, "symbols", xkd_image_path(k->img));
	snprintf(text, sizeof(text), "%zu", s->t->mods.n - 1);
	row(s, "modules", text);
	if (!xkd_sym_named(s->t, "lk!_totalram_pages", &r, &ignored) &&
	    !xkd_kread_u(s->t, r.addr, 8, &n, &ignored)) {
		snprintf(text, sizeof(text), "%llu MiB", (unsigned long long)n >> 8);
		row(s, "memory", text);
	}
	if (timekeeper(s, "ktime_sec", &n)) {
		age(text, sizeof(text), n);
		row(s, "up", text);
	}
}

static void cap_row(struct xkd_session *s)
{
	static const struct {
		unsigned cap;
		const char *word;
	} words[] = {
		{ XKD_CAP_WRITE_MEM, "write memory" },
		{ XKD_CAP_READ_PHYS, "physical memory" },
		{ XKD_CAP_WRITE_REGS, "write registers" },
		{ XKD_CAP_RUN, "run" },
		{ XKD_CAP_STEP, "step" },
		{ XKD_CAP_BP_SW, "breakpoints" },
		{ XKD_CAP_BP_HW, "hardware breakpoints" },
		{ XKD_CAP_WATCH_W, "watches" },
		{ XKD_CAP_MSR, "MSRs" },
		{ XKD_CAP_RAW, "monitor" },
	};
	struct xkd_buf b = XKD_BUF_INIT;

	for (size_t i = 0; i < XKD_COUNT(words); i++)
		if (s->t->caps & words[i].cap)
			xkd_buf_printf(&b, "%s%s", b.len ? ", " : "", words[i].word);
	row(s, "can", b.len ? b.s : "read");
	xkd_buf_fini(&b);
}

enum xkd_rc xkd_cmd_vertarget(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_buf of = XKD_BUF_INIT;
	struct xkd_err ignored;
	char text[128];
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	row(s, "target", s->t->uri);
	if (s->t->be->ops->hint && !s->t->be->ops->hint(s->t->be, "recorded", &of, &ignored))
		row(s, "recorded", of.s);
	xkd_buf_fini(&of);
	snprintf(text, sizeof(text), "%s, %zu CPU%s, system %s", s->t->arch->name, s->t->cpus.n,
		 s->t->cpus.n == 1 ? "" : "s", s->t->os->name);
	row(s, "machine", text);
	cap_row(s);
	kernel_rows(s);
	return XKD_OK;
}

enum xkd_rc xkd_cmd_time(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t sec, up;
	char text[64];
	struct tm tm;
	time_t t = time(NULL);
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		row(s, "here", text);
	age(text, sizeof(text), (xkd_now_ms() - s->born_ms) / 1000);
	row(s, "session", text);
	if (!s->t || s->t->running || s->t->lost || !xkd_target_kernel(s->t))
		return XKD_OK;
	if (timekeeper(s, "xtime_sec", &sec)) {
		t = (time_t)sec;
		if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
			row(s, "target", text);
	}
	if (timekeeper(s, "ktime_sec", &up)) {
		age(text, sizeof(text), up);
		row(s, "target up", text);
	}
	return XKD_OK;
}
