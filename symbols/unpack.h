/* Decompresses ELF sections (SHF_COMPRESSED, zlib or zstd, and the older .zdebug_ form) and files. */
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
/* Unpacks exactly want bytes of a zstd frame into dst; UNSUPPORTED where there was no libzstd. */
enum xkd_rc xkd_unpack_zstd(const uint8_t *src, size_t n, uint64_t want, uint8_t *dst,
			    struct xkd_err *err) XKD_MUST;
/* A whole file that is gzip-, xz- or zstd-compressed, into fresh pages (*dst, of *size bytes; to be
 * unmapped). OK with *dst NULL when it is none of these; path is for messages. */
enum xkd_rc xkd_unpack_file(const uint8_t *src, size_t n, const char *path, void **dst,
			    size_t *size, struct xkd_err *err) XKD_MUST;
#endif
