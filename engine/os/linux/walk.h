/* Shared by the files that walk the kernel's containers (walk*.c) only. */
#ifndef XKD_OS_LINUX_WALK_H
#define XKD_OS_LINUX_WALK_H
#include "engine/os/linux/linux.h"

/* One walk. What was reported stays reported when the walk fails later. */
struct linux_walk {
	struct xkd_target *t;
	bool reverse;
	bool (*fn)(void *arg, const struct xkd_walk_item *item);
	void *arg;
	struct xkd_err *err;
	struct xkd_map met; /* nodes entered already */
	uint64_t count;	    /* of nodes entered */
	bool stop;	    /* fn had enough */
};
/* Before a node is read: Ctrl-C, a node met before, too many of them. what: "entry", "node". */
enum xkd_rc linux_walk_enter(struct linux_walk *w, uint64_t addr, const char *what) XKD_MUST;
/* A pointer at addr. */
enum xkd_rc linux_walk_ptr(struct linux_walk *w, uint64_t addr, uint64_t *val) XKD_MUST;
void linux_walk_item(struct linux_walk *w, uint64_t addr, uint64_t first, uint64_t last);
/* Where a member lies; dflt where no debug info tells of the type (layouts that never changed). */
uint64_t linux_walk_member(struct linux_walk *w, const char *type, const char *path, uint64_t dflt);

/* The walks: head is the address of the container. */
enum xkd_rc linux_walk_rbtree(struct linux_walk *w, uint64_t head) XKD_MUST;
enum xkd_rc linux_walk_xarray(struct linux_walk *w, uint64_t head) XKD_MUST;
enum xkd_rc linux_walk_maple(struct linux_walk *w, uint64_t head) XKD_MUST;
#endif
