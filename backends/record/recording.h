/* A recording as it was read from its file: who was asked, then one record a call, in order. Foreign
 * input: every number in it was checked against the layout and the limits before it stands here. */
#ifndef XKD_RECORD_RECORDING_H
#define XKD_RECORD_RECORDING_H
#include "base/arena.h"
#include "base/vec.h"
#include "xkd/backend.h"

#define XKD_REC_FILE_MAX (256u << 20)  /* bytes of a file */
#define XKD_REC_DATA_MAX (1024u << 20) /* bytes that its runs may unfold to */
#define XKD_REC_MAX (1u << 21)	       /* records */

enum xkd_rec_kind {
	XKD_REC_MEM,	/* data: bytes at addr */
	XKD_REC_FAIL,	/* from addr on nothing could be read: rc */
	XKD_REC_WRITE,	/* data written at addr; done of them went in, then item_rc */
	XKD_REC_REGS,	/* groups; data: blob, then a byte of availability a register */
	XKD_REC_SET,	/* index; data: the value */
	XKD_REC_RDMSR,
	XKD_REC_WRMSR,
	XKD_REC_CPUS,
	XKD_REC_RAM,
	XKD_REC_RESUME,
	XKD_REC_HALT,
	XKD_REC_RESET,
	XKD_REC_EVENT,
	XKD_REC_BP_ADD,
	XKD_REC_BP_DEL,
	XKD_REC_HINT, /* text: key, val */
	XKD_REC_RAW,  /* text: command, val: reply */
	XKD_REC_NOTE, /* text: key, val */
	XKD_REC_END,
};

/* One call. Pointers are of the recording's arena. */
struct xkd_rec {
	enum xkd_rec_kind kind;
	enum xkd_rc rc;	 /* of the call */
	const char *msg; /* with rc; else "" */
	enum xkd_mspace ms;
	uint64_t cpu, addr;
	uint32_t len;	   /* of data, or asked for (FAIL) */
	uint32_t done;	   /* WRITE */
	enum xkd_rc item_rc; /* WRITE, FAIL: of the element */
	const uint8_t *data;
	unsigned groups;   /* REGS */
	uint64_t num, val; /* index of a register, MSR and its value, kind and size of a breakpoint */
	const char *text, *value;
	size_t value_len;
	union {
		const struct xkd_be_cpu *cpus; /* num of them */
		const struct xkd_be_range *ram;
		const struct xkd_resume *resume;
		const struct xkd_event *event; /* kind NONE: next_event failed with rc */
	};
};

struct xkd_recording {
	struct xkd_arena arena;
	char version[32]; /* of the xkd that made it */
	char target[1024];
	unsigned caps;
	enum xkd_found found;
	struct xkd_reglayout layout; /* regs: descs below */
	struct xkd_regdesc *descs;
	XKD_VEC(struct xkd_rec) recs;
	bool cut; /* the last line was not whole */
};

/* Reads n bytes of a file; they are not needed afterwards. BADDATA names the line. */
enum xkd_rc xkd_recording_parse(const char *text, size_t n, struct xkd_recording **rec,
				struct xkd_err *err) XKD_MUST;
/* IO, NOTFOUND, BADDATA. */
enum xkd_rc xkd_recording_read(const char *path, struct xkd_recording **rec,
			       struct xkd_err *err) XKD_MUST;
void xkd_recording_free(struct xkd_recording *rec);

/* replay.c: a backend that answers from rec and owns it from here on. */
struct xkd_backend *xkd_replay_new(struct xkd_recording *rec);
#endif
