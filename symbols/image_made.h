/* An image without a file: made of a table of symbols and what other bytes there are. */
#ifndef XKD_SYMBOLS_IMAGE_MADE_H
#define XKD_SYMBOLS_IMAGE_MADE_H
#include "symbols/image.h"

struct xkd_made_sec {
	const char *name;
	uint64_t addr, size;
	const uint8_t *data; /* size bytes; NULL: only a range (NOBITS) */
	bool loaded;	     /* has an address; loaded ones must not overlap */
	bool exec;
};
struct xkd_made_sym {
	const char *name;
	uint64_t addr;
	uint64_t size;	    /* 0: up to the next symbol of its section */
	uint8_t type, bind; /* STT_, STB_ */
};
struct xkd_made {
	const char *origin; /* what the image says for its path: "from memory" */
	const struct xkd_made_sec *sec;
	size_t nsec;
	const struct xkd_made_sym *sym; /* those in no section are absolute */
	size_t nsym;
};
/* Image addresses are those given. Everything is copied. Notes in a section whose name begins with
 * ".note" give the build-id. */
enum xkd_rc xkd_image_make(const struct xkd_made *m, struct xkd_log *log, struct xkd_image **img,
			   struct xkd_err *err) XKD_MUST;
bool xkd_image_is_made(const struct xkd_image *img);
#endif
