/* Decompresses ELF sections: SHF_COMPRESSED (zlib) and the older .zdebug_ form. */
#ifndef XKD_SYMBOLS_UNPACK_H
#define XKD_SYMBOLS_UNPACK_H
#include "base/err.h"

/* Inflates exactly want bytes from src into a malloc'ed *dst. BADDATA when the stream is broken,
 * shorter or longer; NOMEM when want cannot be had. */
enum xkd_rc xkd_unpack_zlib(const uint8_t *src, size_t n, uint64_t want, uint8_t **dst,
			    struct xkd_err *err) XKD_MUST;
/* As above for a whole section that begins with an Elf64_Chdr. UNSUPPORTED names other methods. */
enum xkd_rc xkd_unpack_chdr(const uint8_t *src, size_t n, uint8_t **dst, size_t *size,
			    struct xkd_err *err) XKD_MUST;
#endif
