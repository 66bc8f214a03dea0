/* A target for tests: a fake backend whose memory is a table of segments and, if wanted, this very
 * process, with itself as the kernel "lk". So expressions can be held against what the compiler made
 * of the same C. */
#ifndef XKD_TESTS_MOCK_H
#define XKD_TESTS_MOCK_H
#include "engine/core/ctx.h"

/* Memory at a target address; read and written in place. Not copied. */
struct mock_seg {
	uint64_t addr;
	uint8_t *bytes;
	size_t len;
	bool read_only;
};
#define MOCK_SEGS 16
struct mock;

/* One CPU, registers all zero and known (MOCK_REGS), no modules. Never NULL. */
struct xkd_target *mock_open(void);
void mock_close(struct xkd_target *t);
void mock_seg(struct xkd_target *t, uint64_t addr, void *bytes, size_t len);
/* A register of the CPU, by the names of the backend ("rax", "rip"). */
void mock_reg(struct xkd_target *t, const char *name, uint64_t val);
uint64_t mock_reg_now(struct xkd_target *t, const char *name);
/* A file as a module. is_kernel: the name is "lk", all of [start, start + size) at slide. Returns NULL
 * when the file cannot be opened. */
struct xkd_module *mock_kernel(struct xkd_target *t, const char *path, int64_t slide, uint64_t start,
			       uint64_t size);
/* This process: its memory, and its program file as the kernel. False when that cannot be had. */
bool mock_self(struct xkd_target *t);
/* CPU 0's context after mock_reg; the cache is dropped, so that memory is as it is now. */
struct xkd_ctx mock_ctx(struct xkd_target *t);
extern unsigned mock_reads; /* backend reads so far */
#endif
