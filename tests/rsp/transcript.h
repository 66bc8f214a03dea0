/* A backend attached to a scripted stub, and short words for what a test asks of it. */
#ifndef XKD_TESTS_RSP_TRANSCRIPT_H
#define XKD_TESTS_RSP_TRANSCRIPT_H
#include "xkd/backend.h"
#include <sys/types.h>

struct peer {
	char dir[64], path[96];
	pid_t pid;
	struct xkd_log log;
	struct xkd_cancel cancel;
	struct xkd_backend *be;
	const struct xkd_reglayout *layout;
	struct xkd_be_cpu cpus[8];
	size_t ncpus;
	struct xkd_err err;
	struct xkd_buf warned;
};
bool peer_start(struct peer *p, const char *name);
enum xkd_rc peer_open(struct peer *p, unsigned timeout_ms);
bool peer_end(struct peer *p);
size_t index_of(struct peer *p, const char *name);
uint64_t reg_of(struct peer *p, const struct xkd_regblob *b, const char *name);
enum xkd_rc get_regs(struct peer *p, size_t cpu, unsigned groups, struct xkd_regblob *b);
enum xkd_rc set_reg(struct peer *p, const char *name, uint64_t v);
struct xkd_iov get_mem(struct peer *p, enum xkd_mspace ms, uint64_t addr, void *buf, size_t n);
struct xkd_iov put_mem(struct peer *p, enum xkd_mspace ms, uint64_t addr, const char *s, size_t n);
struct xkd_event next_event(struct peer *p);
enum xkd_rc go(struct peer *p);
enum xkd_rc step(struct peer *p, size_t cpu, enum xkd_act others, bool mask);
#endif
