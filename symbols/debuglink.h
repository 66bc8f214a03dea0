/* Debug info that lies in a file of its own: by build-id, by .gnu_debuglink. */
#ifndef XKD_SYMBOLS_DEBUGLINK_H
#define XKD_SYMBOLS_DEBUGLINK_H
#include "symbols/find.h"

/* Looks for the separate debug file of an image that has no DWARF and hangs it on the image: in each
 * folder of the path and in /usr/lib/debug by build-id, then by the name in .gnu_debuglink beside the
 * image, in its .debug folder and below /usr/lib/debug. Taken only when the build-ids are equal, or
 * else the link's checksum fits, and when the sections lie alike. From then on xkd_image_dwarf and,
 * where the image has no .symtab, its symbols come from there. Looked for once: OK without a search
 * when the image has DWARF or was asked before. NOTFOUND is ordinary; sp may be NULL. */
enum xkd_rc xkd_image_link_debug(struct xkd_image *img, const struct xkd_sympath *sp,
				 struct xkd_err *err) XKD_MUST;
bool xkd_image_debug_tried(const struct xkd_image *img);
/* Hangs a file that somebody else found on the image, under the same conditions; counts a reference.
 * MISMATCH says which one it broke. */
enum xkd_rc xkd_image_hang_debug(struct xkd_image *img, struct xkd_image *debug,
				 struct xkd_err *err) XKD_MUST;
/* The file found, or NULL; image lifetime. */
struct xkd_image *xkd_image_debug(const struct xkd_image *img);
#endif
