/* The kernel's log, read from structures that the compiler laid out: this program is the kernel. With
 * OLD_LOG the records in log_buf that kernels before 5.10 have. Then the same damaged. */
#include "engine/os/linux/linux.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include <stdio.h>
#include <string.h>

static struct xkd_buf seen;

static bool note(void *arg, const struct xkd_logline *l)
{
	xkd_buf_printf(&seen, "%llu.%u:", (unsigned long long)l->ns, l->level);
	xkd_buf_escaped(&seen, l->text, l->len);
	xkd_buf_ch(&seen, '|');
	return !arg;
}

static const char *read_log(struct xkd_target *t, enum xkd_rc *rc, struct xkd_err *err)
{
	xkd_buf_reset(&seen);
	xkd_target_dirty(t);
	*err = XKD_ERR_INIT;
	*rc = linux_dmesg(t, note, NULL, err);
	return seen.s;
}

#ifndef OLD_LOG
struct atomic_long {
	long counter;
};
struct prb_data_blk_lpos {
	unsigned long begin, next;
};
struct prb_desc {
	struct atomic_long state_var;
	struct prb_data_blk_lpos text_blk_lpos;
};
struct printk_info {
	uint64_t seq, ts_nsec;
	uint16_t text_len;
	uint8_t facility;
	uint8_t flags : 5, level : 3;
	uint32_t caller_id;
	char dev_info[64];
};
struct prb_desc_ring {
	unsigned int count_bits;
	struct prb_desc *descs;
	struct printk_info *infos;
	struct atomic_long head_id, tail_id;
};
struct prb_data_ring {
	unsigned int size_bits;
	char *data;
	struct atomic_long head_lpos, tail_lpos;
};
struct printk_ringbuffer {
	struct prb_desc_ring desc_ring;
	struct prb_data_ring text_data_ring;
	struct atomic_long fail;
};
#define COUNT 8u
#define DATA 128u
static struct prb_desc descs[COUNT];
static struct printk_info infos[COUNT];
static char data[DATA];
static struct printk_ringbuffer rb = {
	.desc_ring = { .count_bits = 3, .descs = descs, .infos = infos },
	.text_data_ring = { .size_bits = 7, .data = data },
};
struct printk_ringbuffer *prb = &rb;
static unsigned long lpos = DATA * 5 - 40; /* so that the second record wraps */

/* As prb_reserve and prb_commit do it. */
static void put(unsigned long id, const char *text, unsigned level)
{
	unsigned long size = (8 + strlen(text) + 7) & ~7ul, begin = lpos, next = begin + size, at;
	struct prb_desc *d = &descs[id % COUNT];

	at = begin % DATA;
	if (begin / DATA != next / DATA) { /* the block lies at the start, whole */
		at = 0;
		next = next / DATA * DATA + size;
	}
	memcpy(data + at, &id, 8);
	memcpy(data + at + 8, text, strlen(text));
	d->text_blk_lpos.begin = begin;
	d->text_blk_lpos.next = next;
	lpos = next;
	d->state_var.counter = (long)(id | 2ul << 62);
	infos[id % COUNT] = (struct printk_info){
		.seq = id, .ts_nsec = id * 10, .text_len = (uint16_t)strlen(text), .level = level & 7
	};
	rb.desc_ring.head_id.counter = (long)id;
}

static void fill(void)
{
	rb.desc_ring.tail_id.counter = 14;
	put(14, "first", 6);
	put(15, "this one wraps", 4);
	put(16, "third", 3);
	descs[17 % COUNT] = (struct prb_desc){ { (long)(17ul | 1ul << 62) }, { 3, 3 } };
	infos[17 % COUNT] = (struct printk_info){ .ts_nsec = 170 };
	put(18, "two\nlines\x1b", 0);
}
#define WHOLE "140.6:first|150.4:this one wraps|160.3:third|170.0:|180.0:two\\x0alines\\x1b|"

static void damage(struct xkd_target *t)
{
	enum xkd_rc rc;
	struct xkd_err err;

	infos[14 % COUNT].text_len = 0xffff;
	ok(!strncmp(read_log(t, &rc, &err), "140.6:first\\x00\\x00\\x00|", 24),
	   "a text longer than its block is cut: %s", seen.s);
	infos[14 % COUNT].text_len = 5;
	descs[16 % COUNT].text_blk_lpos.next += 1000;
	ok(!strstr(read_log(t, &rc, &err), "third") && strstr(seen.s, "first"),
	   "a block outside the data is left out");
	descs[16 % COUNT].text_blk_lpos.next -= 1000;
	descs[16 % COUNT].state_var.counter = (long)(24ul | 2ul << 62);
	ok(!strstr(read_log(t, &rc, &err), "third"), "a descriptor of another round is left out");
	descs[16 % COUNT].state_var.counter = 16;
	ok(!strstr(read_log(t, &rc, &err), "third"), "one that is being written is left out");
	descs[16 % COUNT].state_var.counter = (long)(16ul | 2ul << 62);
	is_str(read_log(t, &rc, &err), WHOLE, "whole again");
	rb.desc_ring.head_id.counter = 1000;
	(void)read_log(t, &rc, &err);
	is_u64(rc, XKD_OK, "a head far ahead: bounded by the ring");
	rb.desc_ring.head_id.counter = 18;
	rb.desc_ring.count_bits = 40;
	read_log(t, &rc, &err);
	is_u64(rc, XKD_BADDATA, "a ring of 2^40 records");
	rb.desc_ring.count_bits = 3;
	rb.text_data_ring.size_bits = 63;
	read_log(t, &rc, &err);
	is_u64(rc, XKD_BADDATA, "2^63 bytes of text");
	rb.text_data_ring.size_bits = 7;
	prb = (struct printk_ringbuffer *)16;
	read_log(t, &rc, &err);
	ok(rc == XKD_NOTMAPPED && strlen(err.msg) > 0, "a ring that is nowhere: %s", err.msg);
	prb = &rb;
}
#else
struct printk_log {
	uint64_t ts_nsec;
	uint16_t len, text_len, dict_len;
	uint8_t facility;
	uint8_t flags : 5, level : 3;
};
static char buffer[128] __attribute__((aligned(8)));
char *log_buf = buffer;
uint32_t log_buf_len = sizeof(buffer), log_first_idx = 40, log_next_idx;

static void put(const char *text, uint64_t ns, unsigned level)
{
	uint16_t len = (uint16_t)((sizeof(struct printk_log) + strlen(text) + 3) & ~3ul);
	struct printk_log l = {
		.ts_nsec = ns, .len = len, .text_len = (uint16_t)strlen(text), .level = level & 7
	};

	if (log_next_idx + len + sizeof(l) > log_buf_len) {
		if (log_next_idx + sizeof(l) <= log_buf_len)
			memset(buffer + log_next_idx, 0, sizeof(l));
		log_next_idx = 0;
	}
	memcpy(buffer + log_next_idx, &l, sizeof(l));
	memcpy(buffer + log_next_idx + sizeof(l), text, strlen(text));
	log_next_idx += len;
}

static void fill(void)
{
	log_next_idx = log_first_idx;
	put("first", 140, 6);
	put("second", 150, 4);
	put("this one wraps", 160, 3);
}
#define WHOLE "140.6:first|150.4:second|160.3:this one wraps|"

static void damage(struct xkd_target *t)
{
	struct printk_log *l = (struct printk_log *)(void *)(buffer + log_first_idx);
	enum xkd_rc rc;
	struct xkd_err err;
	uint16_t len = l->len;

	l->text_len = 0xffff;
	ok(strstr(read_log(t, &rc, &err), "|150.4:second|") != NULL, "a text longer than its record");
	l->text_len = 5;
	l->len = 4;
	is_str(read_log(t, &rc, &err), "", "a record shorter than its head ends the log");
	l->len = 0xffff;
	is_str(read_log(t, &rc, &err), "", "one longer than the rest, too");
	l->len = len;
	log_next_idx = 5;
	(void)read_log(t, &rc, &err);
	is_u64(rc, XKD_OK, "an end that is never met: bounded");
	log_buf_len = 0x7fffffff;
	read_log(t, &rc, &err);
	is_u64(rc, XKD_BADDATA, "a log of 2 GiB");
	log_buf_len = sizeof(buffer);
	log_first_idx = 5000;
	read_log(t, &rc, &err);
	is_u64(rc, XKD_BADDATA, "a start outside the log");
	log_first_idx = 40;
	log_buf = (char *)16;
	read_log(t, &rc, &err);
	ok(rc == XKD_NOTMAPPED, "a log that is nowhere: %s", err.msg);
}
#endif

int main(void)
{
	struct xkd_target *t = mock_open();
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc;

	xkd_buf_init(&seen);
	if (!mock_self(t)) {
		printf("1..0 # SKIP this program has no debug info\n");
		return 0;
	}
	fill();
	is_str(read_log(t, &rc, &err), WHOLE, "all records, in order");
	ok(!rc, "read well: %s", err.msg);
	xkd_buf_reset(&seen);
	is_u64(linux_dmesg(t, note, t, &err), XKD_OK, "the reader may end it");
	ok(seen.len && strchr(seen.s, '|') == seen.s + seen.len - 1, "after one record");
	damage(t);
	xkd_buf_fini(&seen);
	mock_close(t);
	return done_testing();
}
