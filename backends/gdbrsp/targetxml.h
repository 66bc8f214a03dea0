/* Target descriptions: the registers a stub names in XML. */
#ifndef XKD_GDBRSP_TARGETXML_H
#define XKD_GDBRSP_TARGETXML_H
#include "base/buf.h"

#define XKD_TDESC_REGS 512
struct xkd_tdesc_reg {
	char name[24];
	char group[16];
	unsigned bits, regnum;
};
struct xkd_tdesc {
	char arch[64]; /* "i386:x86-64"; "" when not said */
	size_t n;
	struct xkd_tdesc_reg regs[XKD_TDESC_REGS]; /* sorted by regnum */
};
/* Brings a document by name (appends it to out). */
typedef enum xkd_rc xkd_tdesc_fetch(void *arg, const char *annex, struct xkd_buf *out,
				    struct xkd_err *err);
/* Reads target.xml and all it includes. BADDATA, or what fetch returned. */
enum xkd_rc xkd_tdesc_read(struct xkd_tdesc *td, xkd_tdesc_fetch *fetch, void *arg,
			   struct xkd_err *err) XKD_MUST;
/* The layout every amd64 stub without a description has (GDB's own order). */
void xkd_tdesc_amd64(struct xkd_tdesc *td);
#endif
