/* The table of shapes (shapes.h) and what finds the alternative that applies.
 *
 * A new kernel with another layout means a new row here, before those that it would fit by chance.
 * Versions stand in the names for people: nothing decides by them. */
#include "engine/os/linux/shapes.h"
#include "engine/os/linux/linux.h"
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 128 /* of a struct's or symbol's name */

#define RING_PARTS \
	[RB_VAR] = "&prb", [RB_COUNT_BITS] = "printk_ringbuffer.desc_ring.count_bits", \
	[RB_DESCS] = "printk_ringbuffer.desc_ring.descs", \
	[RB_INFOS] = "printk_ringbuffer.desc_ring.infos", \
	[RB_TAIL] = "printk_ringbuffer.desc_ring.tail_id", \
	[RB_HEAD] = "printk_ringbuffer.desc_ring.head_id", \
	[RB_SIZE_BITS] = "printk_ringbuffer.text_data_ring.size_bits", \
	[RB_DATA] = "printk_ringbuffer.text_data_ring.data", [RB_DESC] = "prb_desc", \
	[RB_STATE] = "prb_desc.state_var", [RB_BEGIN] = "prb_desc.text_blk_lpos.begin", \
	[RB_NEXT] = "prb_desc.text_blk_lpos.next", [RB_INFO] = "printk_info", \
	[RB_SEQ] = "printk_info.seq", [LOG_NS] = "printk_info.ts_nsec", \
	[LOG_TEXT_LEN] = "printk_info.text_len", [LOG_FACILITY] = "printk_info.facility"

#define RECORD_PARTS(type) \
	[LOG_BUF] = "&log_buf", [LOG_LEN] = "&log_buf_len", [LOG_FIRST] = "&log_first_idx", \
	[LOG_NEXT] = "&log_next_idx", [LOG_REC] = type, [LOG_REC_LEN] = type ".len", \
	[LOG_NS] = type ".ts_nsec", [LOG_TEXT_LEN] = type ".text_len", \
	[LOG_FACILITY] = type ".facility"

#define MODULE_PARTS \
	[MOD_HEAD] = "&modules", [MOD_ALL] = "module", [MOD_LIST] = "module.list", \
	[MOD_NAME] = "module.name", [MOD_STATE] = "module.state"

const struct linux_shape linux_shapes[LINUX_SHAPES] = {
	[SHAPE_GATE0] = { "gate 0's handler", .alt = {
		{ "asm_exc_divide_error (5.8)", { [AT_VAR] = "&asm_exc_divide_error" } },
		{ "divide_error", { [AT_VAR] = "&divide_error" } } } },
	[SHAPE_IMAGE] = { "image", .alt = {
		{ "_text, _end", { [AT_START] = "&_text", [AT_END] = "&_end" } } } },
	[SHAPE_KERNEL_TABLES] = { "kernel page tables", .alt = {
		{ "init_top_pgt (4.13)", { [AT_VAR] = "&init_top_pgt" } },
		{ "swapper_pg_dir", { [AT_VAR] = "&swapper_pg_dir" } },
		{ "init_level4_pgt", { [AT_VAR] = "&init_level4_pgt" } } } },
	[SHAPE_DIRECT_MAP] = { "direct map", .optional = true, .alt = {
		{ "page_offset_base", { [AT_VAR] = "&page_offset_base" } } } },
	[SHAPE_BOOT_STATE] = { "boot state", .alt = {
		{ "system_state", { [AT_VAR] = "&system_state" } } } },
	[SHAPE_BANNER] = { "banner", .alt = {
		{ "linux_banner", { [AT_VAR] = "&linux_banner" } } } },
	[SHAPE_DATA] = { "kernel data", .alt = {
		{ "init_task", { [AT_VAR] = "&init_task" } } } },
	[SHAPE_EARLY] = { "early boot", .alt = {
		{ "x86_64_start_kernel", { [AT_START] = "&x86_64_start_kernel", [AT_END] = "&_end" } } } },
	[SHAPE_NOTES] = { "notes", .alt = {
		{ "__start_notes", { [AT_START] = "&__start_notes", [AT_END] = "&__stop_notes" } } } },
	[SHAPE_ORC] = { "ORC tables", .optional = true, .alt = {
		{ "with header (6.3.10, 6.4)", {
			[AT_START] = "&__start_orc_unwind_ip", [AT_END] = "&__stop_orc_unwind_ip",
			[AT_ENTRIES] = "&__start_orc_unwind", [AT_ENTRIES_END] = "&__stop_orc_unwind",
			[AT_HEADER] = "&__start_orc_header", [AT_HEADER_END] = "&__stop_orc_header" } },
		{ "without header", {
			[AT_START] = "&__start_orc_unwind_ip", [AT_END] = "&__stop_orc_unwind_ip",
			[AT_ENTRIES] = "&__start_orc_unwind", [AT_ENTRIES_END] = "&__stop_orc_unwind" } } } },
	[SHAPE_BTF] = { "BTF in memory", .optional = true, .alt = {
		{ "__start_BTF", { [AT_START] = "&__start_BTF", [AT_END] = "&__stop_BTF" } } } },
	[SHAPE_JIFFIES] = { "jiffies", .alt = {
		{ "jiffies_64", { [AT_VAR] = "&jiffies_64" } } } },
	[SHAPE_BOOT] = { "boot's random values", .optional = true, .alt = {
		{ "init_task's canary (2.6.26)", {
			[BOOT_TASK] = "&init_task", [BOOT_CANARY] = "task_struct.stack_canary" } } } },
	[SHAPE_LOAD_PLACE] = { "module load", .optional = true, .alt = {
		{ "do_init_module", { [AT_VAR] = "&do_init_module" } } } },

	[SHAPE_MODULES] = { "module list", .optional = true, .alt = {
		{ "with sections", { MODULE_PARTS, [MOD_SECT_ATTRS] = "module.sect_attrs" } },
		{ "without sysfs", { MODULE_PARTS } } } },
	[SHAPE_RANGES] = { "module layout", .optional = true, .alt = {
		{ "mem[] (6.4)", {
			[RANGE_MEM] = "module.mem", [RANGE_ENTRY] = "module_memory",
			[RANGE_BASE] = "module_memory.base", [RANGE_SIZE] = "module_memory.size" } },
		{ "core_layout (4.5)", {
			[RANGE_BASE] = "module.core_layout.base", [RANGE_SIZE] = "module.core_layout.size",
			[RANGE_INIT_BASE] = "module.init_layout.base",
			[RANGE_INIT_SIZE] = "module.init_layout.size" } },
		{ "module_core", {
			[RANGE_BASE] = "module.module_core", [RANGE_SIZE] = "module.core_size",
			[RANGE_INIT_BASE] = "module.module_init",
			[RANGE_INIT_SIZE] = "module.init_size" } } } },
	[SHAPE_SECTIONS] = { "module sections", .optional = true, .alt = {
		{ "attrs[], counted, by name (before 5.8)", {
			[SECT_COUNT] = "module_sect_attrs.nsections", [SECT_LIST] = "module_sect_attrs.attrs",
			[SECT_ENTRY] = "module_sect_attr", [SECT_NAME] = "module_sect_attr.name",
			[SECT_ADDR] = "module_sect_attr.address" } },
		{ "attrs[], counted, by battr (5.8)", {
			[SECT_COUNT] = "module_sect_attrs.nsections", [SECT_LIST] = "module_sect_attrs.attrs",
			[SECT_ENTRY] = "module_sect_attr", [SECT_NAME] = "module_sect_attr.battr.attr.name",
			[SECT_ADDR] = "module_sect_attr.address" } },
		{ "grp.bin_attrs[], ends with NULL (6.14)", {
			[SECT_LIST] = "module_sect_attrs.grp.bin_attrs",
			[SECT_NAME] = "bin_attribute.attr.name", [SECT_ADDR] = "bin_attribute.private" } } } },
	[SHAPE_MODSYMS] = { "module symbols", .optional = true, .alt = {
		{ "with typetab (5.2)", {
			[KS_TABLE] = "module.kallsyms", [KS_SYMTAB] = "mod_kallsyms.symtab",
			[KS_COUNT] = "mod_kallsyms.num_symtab", [KS_STRTAB] = "mod_kallsyms.strtab",
			[KS_TYPES] = "mod_kallsyms.typetab" } },
		{ "without typetab", {
			[KS_TABLE] = "module.kallsyms", [KS_SYMTAB] = "mod_kallsyms.symtab",
			[KS_COUNT] = "mod_kallsyms.num_symtab", [KS_STRTAB] = "mod_kallsyms.strtab" } } } },
	[SHAPE_MODBTF] = { "module BTF", .optional = true, .alt = {
		{ "btf_modules (5.11)", {
			[MB_HEAD] = "&btf_modules", [MB_LIST] = "btf_module.list",
			[MB_MODULE] = "btf_module.module", [MB_BTF] = "btf_module.btf",
			[MB_DATA] = "btf.data", [MB_SIZE] = "btf.data_size" } } } },
	[SHAPE_MODORC] = { "module ORC", .optional = true, .alt = {
		{ "arch.orc_unwind (4.14)", {
			[MO_COUNT] = "module.arch.num_orcs", [MO_IPS] = "module.arch.orc_unwind_ip",
			[MO_ENTRIES] = "module.arch.orc_unwind" } } } },
	[SHAPE_JUMPS] = { "static keys", .optional = true, .alt = {
		{ "jump_entry", {
			[PT_START] = "&__start___jump_table", [PT_END] = "&__stop___jump_table",
			[PT_ENTRY] = "jump_entry", [PT_CODE] = "jump_entry.code",
			[PT_MOD] = "?module.jump_entries", [PT_MOD_COUNT] = "?module.num_jump_entries" } } } },
	[SHAPE_CALLS] = { "static calls", .optional = true, .alt = {
		{ "static_call_site (5.10)", {
			[PT_START] = "&__start_static_call_sites", [PT_END] = "&__stop_static_call_sites",
			[PT_ENTRY] = "static_call_site", [PT_CODE] = "static_call_site.addr",
			[PT_MOD] = "?module.static_call_sites",
			[PT_MOD_COUNT] = "?module.num_static_call_sites" } } } },

	[SHAPE_PERCPU] = { "per-CPU areas", .optional = true, .alt = {
		{ "__per_cpu_offset", { [AT_VAR] = "&__per_cpu_offset" } } } },
	[SHAPE_CURRENT] = { "current task", .alt = {
		{ "current_task (before 6.2, 6.15)", { [AT_VAR] = "&current_task" } },
		{ "pcpu_hot (6.2 to 6.14)", {
			[AT_VAR] = "&pcpu_hot", [AT_MEMBER] = "pcpu_hot.current_task" } } } },
	[SHAPE_PREEMPT] = { "preempt count", .alt = {
		{ "__preempt_count (before 6.2, 6.15)", { [AT_VAR] = "&__preempt_count" } },
		{ "pcpu_hot (6.2 to 6.14)", {
			[AT_VAR] = "&pcpu_hot", [AT_MEMBER] = "pcpu_hot.preempt_count" } },
		{ "thread_info", { [AT_MEMBER] = "task_struct.thread_info.preempt_count" } } } },
	[SHAPE_TASK] = { "task", .alt = {
		{ "task_struct", {
			[TASK_PID] = "task_struct.pid", [TASK_TGID] = "?task_struct.tgid",
			[TASK_COMM] = "?task_struct.comm", [TASK_MM] = "?task_struct.mm",
			[TASK_STACK] = "?task_struct.stack",
			[TASK_EXIT_STATE] = "?task_struct.exit_state",
			[TASK_FLAGS] = "?task_struct.flags" } } } },
	[SHAPE_STATE] = { "task state", .alt = {
		{ "__state (5.14)", { [AT_MEMBER] = "task_struct.__state" } },
		{ "state", { [AT_MEMBER] = "task_struct.state" } } } },
	[SHAPE_CPU] = { "task cpu", .optional = true, .alt = {
		{ "thread_info.cpu (5.16)", { [AT_MEMBER] = "task_struct.thread_info.cpu" } },
		{ "cpu", { [AT_MEMBER] = "task_struct.cpu" } } } },
	[SHAPE_MM] = { "address space", .alt = {
		{ "mm_struct.pgd", { [AT_MEMBER] = "mm_struct.pgd" } } } },
	[SHAPE_TASKS] = { "task list", .alt = {
		{ "thread_node (3.14)", {
			[TASKS_INIT] = "&init_task", [TASKS_LIST] = "task_struct.tasks",
			[TASKS_SIGNAL] = "task_struct.signal", [TASKS_NODE] = "task_struct.thread_node",
			[TASKS_HEAD] = "signal_struct.thread_head" } } } },
	[SHAPE_SLEEPING] = { "sleeping task", .alt = {
		{ "inactive_task_frame (4.9)", {
			[SLEEP_SP] = "task_struct.thread.sp", [SLEEP_FRAME] = "inactive_task_frame",
			[SLEEP_BX] = "inactive_task_frame.bx", [SLEEP_BP] = "inactive_task_frame.bp",
			[SLEEP_R12] = "inactive_task_frame.r12", [SLEEP_R13] = "inactive_task_frame.r13",
			[SLEEP_R14] = "inactive_task_frame.r14", [SLEEP_R15] = "inactive_task_frame.r15",
			[SLEEP_IP] = "inactive_task_frame.ret_addr" } } } },
	[SHAPE_PT_REGS] = { "entry frame", .alt = { /* the words of entry.c */
		{ "pt_regs", { "pt_regs.r15@0", "pt_regs.r14@8", "pt_regs.r13@16", "pt_regs.r12@24",
			       "pt_regs.bp@32", "pt_regs.bx@40", "pt_regs.r11@48", "pt_regs.r10@56",
			       "pt_regs.r9@64", "pt_regs.r8@72", "pt_regs.ax@80", "pt_regs.cx@88",
			       "pt_regs.dx@96", "pt_regs.si@104", "pt_regs.di@112",
			       "pt_regs.orig_ax@120", "pt_regs.ip@128", "pt_regs.cs@136",
			       "pt_regs.flags@144", "pt_regs.sp@152", "pt_regs.ss@160" } } } },
	[SHAPE_LOG] = { "kernel log", .optional = true, .alt = {
		{ "prb (5.10)", { RING_PARTS } },
		{ "log_buf, printk_log (3.11)", { RECORD_PARTS("printk_log") } },
		{ "log_buf, log (3.5)", { RECORD_PARTS("log") } } } },
};

static enum xkd_rc find_part(const struct linux_names *from, const char *part,
			     struct linux_place *p, struct xkd_err *err)
{
	const char *at = strchr(part, '@'), *dot;
	char name[TEXT_MAX], *path = name;
	size_t n = at ? (size_t)(at - part) : strlen(part);
	enum xkd_rc rc;

	if (*part == '&')
		return from->sym(from->arg, part + 1, p, err);
	if (n >= sizeof(name))
		return xkd_err_set(err, XKD_NOTFOUND, "%s is too long", part);
	memcpy(name, part, n);
	name[n] = 0;
	dot = strchr(name, '.');
	path += dot ? (size_t)(dot - name) + 1 : n;
	if (dot)
		path[-1] = 0;
	if (!from->member)
		return xkd_err_set(err, XKD_NOTFOUND, "struct %s: types are not known here", name);
	rc = from->member(from->arg, name, path, p, err);
	if (!rc && at && p->off != strtoull(at + 1, NULL, 10))
		rc = xkd_err_set(err, XKD_NOTFOUND, "struct %s: '%s' lies at %llu, not at %s", name,
				 path, (unsigned long long)p->off, at + 1);
	return rc;
}

/* found: parts that are there, so that the nearest alternative can be told. */
static enum xkd_rc try_alt(const struct linux_names *from, const struct linux_alt *alt,
			   struct linux_fit *fit, unsigned *found, struct xkd_err *err)
{
	*fit = (struct linux_fit){ .alt = NULL };
	*found = 0;
	for (unsigned i = 0; i < LINUX_SHAPE_PARTS; i++) {
		const char *part = alt->part[i];
		bool may_lack = part && *part == '?';
		enum xkd_rc rc;

		if (!part)
			continue;
		rc = find_part(from, part + may_lack, &fit->at[i], err);
		fit->at[i].there = !rc;
		if (rc && (rc != XKD_NOTFOUND || !may_lack))
			return rc;
		*found += !rc;
	}
	fit->alt = alt;
	return XKD_OK;
}

enum xkd_rc linux_shape_in(const struct linux_names *from, enum linux_shape_id id,
			   struct linux_fit *fit, struct xkd_err *err)
{
	const struct linux_shape *s = &linux_shapes[id];
	struct xkd_err nearest = XKD_ERR_INIT;
	unsigned most = 0;

	for (unsigned i = 0; i < LINUX_SHAPE_ALTS && s->alt[i].name; i++) {
		struct xkd_err why = XKD_ERR_INIT;
		unsigned found;
		enum xkd_rc rc = try_alt(from, &s->alt[i], fit, &found, &why);

		if (!rc)
			return XKD_OK;
		if (!i || rc != XKD_NOTFOUND || found > most) {
			nearest = why;
			most = found;
		}
		if (rc != XKD_NOTFOUND)
			break;
	}
	fit->alt = NULL;
	if (err)
		*err = nearest;
	return nearest.code;
}

/* --- an image's symbols --- */

static enum xkd_rc image_sym(void *arg, const char *name, struct linux_place *p, struct xkd_err *err)
{
	struct xkd_sym s;
	size_t n;

	if (xkd_image_sym_named(arg, name, &s, &n))
		return xkd_err_set(err, XKD_NOTFOUND, "no symbol '%s'", name);
	p->off = s.addr;
	p->size = s.size;
	return XKD_OK;
}

bool linux_shape_of_image(struct xkd_image *img, enum linux_shape_id id, struct linux_fit *fit)
{
	struct linux_names from = { .sym = image_sym, .arg = img };
	struct xkd_err ignored;

	return !linux_shape_in(&from, id, fit, &ignored);
}

/* --- the kernel attached to --- */

static enum xkd_rc kernel_sym(void *arg, const char *name, struct linux_place *p,
			      struct xkd_err *err)
{
	char full[TEXT_MAX] = "lk!";
	struct xkd_symref sym;
	enum xkd_rc rc;

	strncat(full, name, sizeof(full) - 4);
	rc = xkd_sym_named(arg, full, &sym, err);
	if (rc && rc != XKD_AMBIGUOUS) /* of several the first is the global one */
		return rc;
	p->off = sym.addr;
	p->size = sym.size;
	return XKD_OK;
}

static enum xkd_rc kernel_member(void *arg, const char *type, const char *path,
				 struct linux_place *p, struct xkd_err *err)
{
	return xkd_offsetof(arg, type, path, &p->off, &p->size, err);
}

enum xkd_rc linux_shape(struct xkd_target *t, enum linux_shape_id id, struct linux_fit *fit,
			struct xkd_err *err)
{
	struct linux_names from = { .sym = kernel_sym, .member = kernel_member, .arg = t };
	struct xkd_linux *lx = linux_of(t);
	enum xkd_rc rc;

	if (lx && lx->shapes[id].alt) {
		*fit = lx->shapes[id];
		return XKD_OK;
	}
	rc = linux_shape_in(&from, id, fit, err);
	if (!rc && lx)
		lx->shapes[id] = *fit;
	return rc ? xkd_err_prepend(err, rc, "%s", linux_shapes[id].name) : XKD_OK;
}

enum xkd_rc linux_part(struct xkd_target *t, const struct linux_fit *fit, unsigned part,
		       uint64_t base, uint64_t *val, struct xkd_err *err)
{
	const struct linux_place *p = &fit->at[part];

	if (!p->there)
		return xkd_err_set(err, XKD_NOTFOUND, "this kernel has none");
	return xkd_kread_u(t, base + p->off, p->size && p->size < 8 ? (unsigned)p->size : 8, val, err);
}
