/* The graph of tail calls from a function on, from DW_TAG_call_site entries with DW_AT_call_tail_call.
 * Invariants: a function whose tail calls are not all described, or that jumps through a pointer, spoils
 * the answer: nothing is concluded from it. Assembly has none described and is taken to have none: none
 * of the kernel's jumps back into C. The number of functions and jumps looked at is bounded. */
#include "engine/lang/location_tail.h"
#include <stdio.h>
#include <string.h>

#define NODES_MAX 96
#define EDGES_MAX 384

struct graph {
	const struct xkd_ctx *ctx;
	struct {
		struct xkd_module *mod;
		struct xkd_dwarf *dwarf;
		uint64_t iaddr, cu;
		bool leads; /* to where is asked for */
	} f[NODES_MAX];
	size_t n;
	struct {
		size_t from, to;
		uint64_t site;
	} e[EDGES_MAX];
	size_t edges;
};

/* An edge from f[from] to the function at iaddr of mod. False: no more room. */
static bool add(struct graph *g, size_t from, uint64_t site, struct xkd_module *mod, uint64_t iaddr)
{
	size_t i = 0;

	while (i < g->n && (g->f[i].mod != mod || g->f[i].iaddr != iaddr))
		i++;
	if (i == g->n) {
		if (g->n == NODES_MAX)
			return false;
		g->f[g->n].mod = mod;
		g->f[g->n++].iaddr = iaddr;
	}
	if (g->edges == EDGES_MAX)
		return false;
	g->e[g->edges].from = from;
	g->e[g->edges].to = i;
	g->e[g->edges++].site = site;
	return true;
}

static bool add_named(struct graph *g, size_t from, const struct xkd_dtail *to)
{
	struct xkd_symref sym;
	char full[256];
	uint64_t iaddr;

	snprintf(full, sizeof(full), "%s!%s", g->f[from].mod->name, to->name);
	if (xkd_sym_named(g->ctx->t, full, &sym, NULL) &&
	    xkd_sym_named(g->ctx->t, to->name, &sym, NULL))
		return false;
	return xkd_module_to_image(sym.mod, sym.addr, &iaddr) &&
	       add(g, from, to->site, sym.mod, iaddr);
}

/* The functions one tail call may mean: several where there are clones. */
static bool follow(struct graph *g, size_t from, const struct xkd_dtail *to)
{
	uint64_t at[8];
	size_t n = 0;

	if (xkd_dwarf_func_entries(g->f[from].dwarf, to->die, at, XKD_COUNT(at), &n, NULL) ||
	    n == XKD_COUNT(at))
		return false;
	if (!n)
		return to->name && add_named(g, from, to);
	while (n--)
		if (!add(g, from, to->site, g->f[from].mod, at[n]))
			return false;
	return true;
}

/* All that can be come to from f[0]; what lies behind f[stop] is not looked at. False: not known. */
static bool grow(struct graph *g, struct xkd_module *stop, uint64_t stop_iaddr)
{
	struct xkd_dtails tails;

	for (size_t i = 0; i < g->n; i++) {
		struct xkd_types *btf;
		enum xkd_rc rc;

		if (i && g->f[i].mod == stop && g->f[i].iaddr == stop_iaddr)
			continue;
		xkd_mod_providers(g->ctx->t, g->f[i].mod, &btf, &g->f[i].dwarf);
		rc = g->f[i].dwarf ? xkd_dwarf_tail_calls(g->f[i].dwarf, g->f[i].iaddr, &tails, NULL)
				   : XKD_BADDATA;
		if (rc == XKD_NOTFOUND && i)
			continue;
		if (rc || tails.unknown || tails.more || !tails.complete)
			return false;
		g->f[i].cu = tails.cu;
		for (size_t k = 0; k < tails.n; k++)
			if (!follow(g, i, &tails.to[k]))
				return false;
	}
	return true;
}

static void mark_leading(struct graph *g)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < g->edges; i++) {
			if (!g->f[g->e[i].to].leads || g->f[g->e[i].from].leads)
				continue;
			g->f[g->e[i].from].leads = more = true;
		}
	}
}

/* The one edge out of a node that leads on; EDGES_MAX: none or several. */
static size_t only_edge(const struct graph *g, size_t from)
{
	size_t found = EDGES_MAX;

	for (size_t i = 0; i < g->edges; i++) {
		if (g->e[i].from != from || !g->f[g->e[i].to].leads)
			continue;
		if (found != EDGES_MAX)
			return EDGES_MAX;
		found = i;
	}
	return found;
}

bool xkd_tail_way(const struct xkd_ctx *ctx, uint64_t target, struct xkd_module *mod,
		  uint64_t iaddr, struct xkd_tail_way *way)
{
	struct graph g = { .ctx = ctx, .n = 1 };
	struct xkd_ctx there = *ctx;
	size_t at = 0, end = 0, edge;

	way->n = 0;
	there.pc_lookup = target;
	g.f[0].mod = xkd_scope_module(&there);
	if (!g.f[0].mod || !xkd_module_to_image(g.f[0].mod, target, &g.f[0].iaddr) ||
	    !grow(&g, mod, iaddr))
		return false;
	for (size_t i = 1; i < g.n; i++)
		if (g.f[i].mod == mod && g.f[i].iaddr == iaddr)
			end = i;
	if (!end)
		return false;
	g.f[end].leads = true;
	mark_leading(&g);
	while (at != end) {
		edge = only_edge(&g, at);
		if (edge == EDGES_MAX || way->n == XKD_TAIL_STEPS)
			return false;
		way->step[way->n].mod = g.f[at].mod;
		way->step[way->n].dwarf = g.f[at].dwarf;
		way->step[way->n].iaddr = g.f[at].iaddr;
		way->step[way->n].cu = g.f[at].cu;
		way->step[way->n++].site = g.e[edge].site;
		at = g.e[edge].to;
	}
	return true;
}

bool xkd_tail_reenters(const struct xkd_ctx *ctx, struct xkd_module *mod, uint64_t iaddr)
{
	struct graph g = { .ctx = ctx, .n = 1 };

	g.f[0].mod = mod;
	g.f[0].iaddr = iaddr;
	if (!grow(&g, NULL, 0))
		return true;
	for (size_t i = 0; i < g.edges; i++)
		if (!g.e[i].to)
			return true;
	return false;
}
