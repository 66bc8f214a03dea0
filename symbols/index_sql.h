/* What the two files that know SQLite agree on: index_store.c writes, index_ask.c reads. */
#ifndef XKD_SYMBOLS_INDEX_SQL_H
#define XKD_SYMBOLS_INDEX_SQL_H
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define XKD_IX_APPLICATION 0x786b6458 /* "xkdX" */
enum { XKD_IXV_EXTERNAL = 1, XKD_IXV_DECL = 2, XKD_IXV_LOCAL = 4 };
#endif
