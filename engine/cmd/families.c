/* The table of all commands: one line a family. */
#include "engine/cmd/cmd.h"

const struct xkd_cmd_family *const xkd_cmd_families[] = {
	&xkd_family_stack,   &xkd_family_run, &xkd_family_step, &xkd_family_event,	 &xkd_family_bkpt,  &xkd_family_points,  &xkd_family_code,
	&xkd_family_regs,    &xkd_family_eval,	 &xkd_family_types, &xkd_family_walk, &xkd_family_memory,
	&xkd_family_symbols, &xkd_family_paging, &xkd_family_files, &xkd_family_meta,
	&xkd_family_task,    &xkd_family_stacks, &xkd_family_log,   &xkd_family_shell,
	&xkd_family_lasting, &xkd_family_index,   &xkd_family_trace,
	&xkd_family_source,  &xkd_family_symbolize, &xkd_family_foreach,
};
const size_t xkd_cmd_nfamilies = XKD_COUNT(xkd_cmd_families);
