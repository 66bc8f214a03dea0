/* What the type files share: the lazy record of a type. For symbols/type*.c only. */
#ifndef XKD_SYMBOLS_TYPE_INT_H
#define XKD_SYMBOLS_TYPE_INT_H
#include "symbols/type.h"

enum xkd_type_part {
	XKD_PART_TARGET,
	XKD_PART_MEMBERS,
	XKD_PART_ENUMS,
	XKD_PART_PARAMS,
	XKD_PART_N
};

/* have: parts whose answer (rc and data) stands; busy: parts being loaded just now. */
struct xkd_type_lazy {
	uint8_t have, busy;
	uint8_t rc[XKD_PART_N];
	const struct xkd_type *target;
	union { /* by kind */
		struct {
			struct xkd_member *members;
			size_t nmembers;
		};
		struct {
			struct xkd_enumerator *enums;
			size_t nenums;
		};
		struct {
			struct xkd_param *params;
			size_t nparams;
		};
	};
};

bool xkd_type_is_qualifier(const struct xkd_type *t);
#endif
