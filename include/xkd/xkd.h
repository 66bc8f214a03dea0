/* What an embedder or a UI calls. */
#ifndef XKD_XKD_H
#define XKD_XKD_H
#include "engine/cmd/session.h"
#endif
