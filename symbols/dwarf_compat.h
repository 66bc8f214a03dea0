/* The two shapes of libdwarf's object-access interface, as names that dwarf_open.c uses: with "_a"
 * types and om_/as_ members since 0.3, without before (Debian 12's 20210528). */
#ifndef XKD_SYMBOLS_DWARF_COMPAT_H
#define XKD_SYMBOLS_DWARF_COMPAT_H
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <libdwarf.h>

#ifdef HAVE_DWARF_OBJ_ACCESS_INTERFACE_A
typedef Dwarf_Obj_Access_Interface_a xkd_dw_access;
typedef Dwarf_Obj_Access_Methods_a xkd_dw_methods;
typedef Dwarf_Obj_Access_Section_a xkd_dw_osec;
typedef Dwarf_Unsigned xkd_dw_secno;
typedef Dwarf_Small xkd_dw_endian;
#define XKD_DW_IFACE(member) ai_##member
#define XKD_DW_METHOD(member) om_##member
#define XKD_DW_OSEC(member) as_##member
#define XKD_DW_BYTE_ORDER om_get_byte_order
#define XKD_DW_LSB DW_END_little
#define xkd_dw_object_finish(dbg) ((void)dwarf_object_finish(dbg))
#else
typedef Dwarf_Obj_Access_Interface xkd_dw_access;
typedef Dwarf_Obj_Access_Methods xkd_dw_methods;
typedef Dwarf_Obj_Access_Section xkd_dw_osec;
typedef Dwarf_Half xkd_dw_secno;
typedef Dwarf_Endianness xkd_dw_endian;
#define XKD_DW_IFACE(member) member
#define XKD_DW_METHOD(member) member
#define XKD_DW_OSEC(member) member
#define XKD_DW_BYTE_ORDER get_byte_order
#define XKD_DW_LSB DW_OBJECT_LSB
#define xkd_dw_object_finish(dbg) ((void)dwarf_object_finish((dbg), NULL))
#endif
#endif
