/* Hits as CSV and JSON. Invariant: a file that is said to be written is whole. Texts are foreign bytes:
 * JSON gets them as UTF-8 where they are, else byte by byte as U+0000 to U+00FF. */
#include "engine/cmd/hitfile.h"
#include "base/str.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct export {
	FILE *f;
	uint64_t n;
	size_t values; /* CSV: the most that a hit has */
	int64_t point; /* CSV: of all of them; -1: several */
	bool headed;
};

/* ISO 8601 in UTC with nanoseconds. */
static void put_time(FILE *f, uint64_t ns)
{
	time_t sec = (time_t)(ns / 1000000000);
	struct tm tm;
	char day[40];

	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", gmtime_r(&sec, &tm));
	fprintf(f, "%s.%09uZ", day, (unsigned)(ns % 1000000000));
}

/* How many bytes of s are one character of UTF-8; 0: none. */
static unsigned utf8(const unsigned char *s)
{
	unsigned n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_json(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', f);
	while (*s) {
		unsigned n = utf8(s);

		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f || !n)
			fprintf(f, "\\u%04x", *s);
		else
			fwrite(s, 1, n, f);
		s += n ? n : 1;
	}
	fputc('"', f);
}

static void put_csv(FILE *f, const char *s)
{
	fputc(',', f);
	if (!s[strcspn(s, ",\"\r\n")]) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

static bool json_hit(void *arg, const struct xkd_hit *h)
{
	struct export *e = arg;
	FILE *f = e->f;

	fprintf(f, "%s{\"hit\":%" PRId64 ",\"point\":%u,\"time\":\"", e->n++ ? ",\n" : "", h->id, h->number);
	put_time(f, h->wall_ns);
	fprintf(f, "\",\"wall_ns\":%" PRIu64 ",\"mono_ns\":%" PRIu64 ",\"cpu\":", h->wall_ns, h->mono_ns);
	fprintf(f, h->cpu < 0 ? "null" : "%d", h->cpu);
	if (h->task) {
		fprintf(f, ",\"task\":\"0x%" PRIx64 "\",\"pid\":%" PRId64 ",\"comm\":", h->task, h->pid);
		put_json(f, h->comm);
	} else {
		fputs(",\"task\":null,\"pid\":null,\"comm\":null", f);
	}
	fprintf(f, ",\"pc\":\"0x%" PRIx64 "\",\"values\":[", h->pc);
	for (size_t i = 0; i < h->n; i++) {
		const struct xkd_tracevalue *v = &h->values[i];

		fputs(i ? ",{\"expr\":" : "{\"expr\":", f);
		put_json(f, v->expr);
		fputs(",\"type\":", f);
		put_json(f, v->type);
		fputs(",\"text\":", f);
		put_json(f, v->text);
		if (v->has_num)
			fprintf(f, ",\"num\":%" PRId64, (int64_t)v->num);
		else
			fputs(",\"num\":null", f);
		fputc('}', f);
	}
	fputs("]}", f);
	return !ferror(f);
}

static bool measure(void *arg, const struct xkd_hit *h)
{
	struct export *e = arg;

	if (h->n > e->values)
		e->values = h->n;
	if (e->n && e->point != h->point)
		e->point = -1;
	else if (!e->n)
		e->point = h->point;
	e->n++;
	return true;
}

/* Expressions are the columns' names where all hits are of one point. */
static void csv_head(struct export *e, const struct xkd_hit *h)
{
	char name[600];

	fputs("hit,point,time,mono_ns,cpu,pid,comm,task,pc", e->f);
	for (size_t i = 0; i < e->values; i++) {
		if (e->point >= 0) {
			put_csv(e->f, h->values[i].expr);
			snprintf(name, sizeof(name), "num(%s)", h->values[i].expr);
			put_csv(e->f, name);
		} else {
			fprintf(e->f, ",expr%zu,text%zu,num%zu", i + 1, i + 1, i + 1);
		}
	}
	fputc('\n', e->f);
	e->headed = true;
}

static bool csv_hit(void *arg, const struct xkd_hit *h)
{
	struct export *e = arg;
	FILE *f = e->f;

	if (!e->headed)
		csv_head(e, h);
	fprintf(f, "%" PRId64 ",%u,", h->id, h->number);
	put_time(f, h->wall_ns);
	fprintf(f, ",%" PRIu64, h->mono_ns);
	fprintf(f, h->cpu < 0 ? "," : ",%d", h->cpu);
	fprintf(f, h->task ? ",%" PRId64 : ",", h->pid);
	put_csv(f, h->comm);
	fprintf(f, h->task ? ",0x%" PRIx64 : ",", h->task);
	fprintf(f, ",0x%" PRIx64, h->pc);
	for (size_t i = 0; i < e->values; i++) {
		const struct xkd_tracevalue none = { .expr = "", .text = "" };
		const struct xkd_tracevalue *v = i < h->n ? &h->values[i] : &none;

		if (e->point < 0)
			put_csv(f, v->expr);
		put_csv(f, v->text);
		fprintf(f, v->has_num ? ",%" PRId64 : ",", (int64_t)v->num);
	}
	fputc('\n', f);
	return !ferror(f);
}

enum xkd_rc xkd_hits_export(struct xkd_session *s, struct xkd_tracedb *db,
			    const struct xkd_tracequery *q, const char *path, bool json,
			    struct xkd_err *err)
{
	struct export e = { .point = -1 };
	struct xkd_err why = XKD_ERR_INIT;
	uint64_t n;
	bool bad;
	enum xkd_rc rc = xkd_tracedb_each(db, q, measure, &e, &s->cancel, err);

	if (rc)
		return rc;
	n = e.n;
	e.n = 0;
	errno = 0;
	e.f = fopen(path, "we");
	if (!e.f)
		return xkd_err_set(err, XKD_IO, "%s cannot be written: %s", path, strerror(errno));
	if (json)
		fputs("[", e.f);
	rc = xkd_tracedb_each(db, q, json ? json_hit : csv_hit, &e, &s->cancel, &why);
	if (json)
		fputs("]\n", e.f);
	bad = ferror(e.f) != 0;
	bad |= fclose(e.f) != 0;
	if (rc || bad) {
		int no = errno;

		remove(path);
		if (!bad && err)
			*err = why;
		return bad ? xkd_err_set(err, XKD_IO, "%s cannot be written: %s", path, strerror(no)) : rc;
	}
	xkd_out(&s->out, "%llu hits in %s\n", (unsigned long long)n, path);
	return XKD_OK;
}
