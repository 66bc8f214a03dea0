/* Call frame instructions: the row of rules that holds at an address.
 *
 * Invariants: instructions run at most once from front to back, so time is linear in their bytes;
 * addresses only grow; rules of registers beyond the general ones are read and dropped. A row's
 * expressions point into the section. */
#include "symbols/cfi_int.h"
#include <string.h>

#define REMEMBER_MAX 16

enum {
	OP_NOP = 0x00,
	OP_SET_LOC,
	OP_ADVANCE_1,
	OP_ADVANCE_2,
	OP_ADVANCE_4,
	OP_OFFSET_EXT,
	OP_RESTORE_EXT,
	OP_UNDEFINED,
	OP_SAME,
	OP_REGISTER,
	OP_REMEMBER,
	OP_RESTORE_STATE,
	OP_DEF_CFA,
	OP_DEF_CFA_REG,
	OP_DEF_CFA_OFF,
	OP_DEF_CFA_EXPR,
	OP_EXPR,
	OP_OFFSET_EXT_SF,
	OP_DEF_CFA_SF,
	OP_DEF_CFA_OFF_SF,
	OP_VAL_OFFSET,
	OP_VAL_OFFSET_SF,
	OP_VAL_EXPR,
	OP_ADVANCE_8 = 0x1d, /* of MIPS, but assemblers know it everywhere */
	OP_ARGS_SIZE = 0x2e,
	OP_NEG_OFFSET_EXT = 0x2f,
	OP_ADVANCE = 0x40, /* the operand is in the low six bits */
	OP_OFFSET = 0x80,
	OP_RESTORE = 0xc0,
};

struct rules {
	struct xkd_cfi_rule cfa, reg[XKD_CFI_NREGS];
};

struct machine {
	const struct xkd_cfi *c;
	const struct cfi_cie *cie;
	struct xkd_cur cur;
	struct rules now, initial;
	struct rules saved[REMEMBER_MAX];
	int nsaved;
	uint64_t loc, want, next; /* next: where the row ends, once it is the wanted one */
	bool done, in_cie;
	struct xkd_err *err;
};

static enum xkd_rc bad(struct machine *m, const char *what)
{
	return xkd_err_set(m->err, XKD_BADDATA, "call frame instructions at 0x%llx: %s",
			   (unsigned long long)(m->cur.p - m->c->data), what);
}

static enum xkd_rc advance(struct machine *m, uint64_t to)
{
	if (m->in_cie)
		return bad(m, "an address in the cie");
	if (m->cur.bad)
		return XKD_OK; /* told by the caller */
	if (to < m->loc)
		return bad(m, "addresses go backwards");
	if (to > m->want) {
		m->next = to;
		m->done = true;
	} else {
		m->loc = to;
	}
	return XKD_OK;
}

static enum xkd_rc advance_by(struct machine *m, uint64_t delta)
{
	uint64_t to;

	if (__builtin_mul_overflow(delta, m->cie->code_align, &to) ||
	    __builtin_add_overflow(m->loc, to, &to))
		return bad(m, "an address beyond the end of all addresses");
	return advance(m, to);
}

static void set_reg(struct machine *m, uint64_t reg, struct xkd_cfi_rule rule)
{
	if (reg < XKD_CFI_NREGS)
		m->now.reg[reg] = rule;
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg < XKD_CFI_NREGS)
		m->now.reg[reg] = m->initial.reg[reg];
}

/* Offsets are 64 bits wide and wrap as the target's addresses do. */
static int64_t factored(const struct machine *m, uint64_t v)
{
	return (int64_t)(v * (uint64_t)m->cie->data_align);
}

static void set_offset(struct machine *m, uint64_t reg, enum xkd_cfi_rule_kind kind, uint64_t v)
{
	set_reg(m, reg, (struct xkd_cfi_rule){ .kind = kind, .off = factored(m, v) });
}

static struct xkd_cfi_rule expression(struct machine *m, enum xkd_cfi_rule_kind kind)
{
	uint64_t len = xkd_cur_uleb(&m->cur);
	const uint8_t *p = xkd_cur_bytes(&m->cur, len);

	return (struct xkd_cfi_rule){ .kind = kind, .expr = p, .expr_len = p ? (size_t)len : 0 };
}

static enum xkd_rc set_cfa(struct machine *m, uint64_t reg, int64_t off)
{
	if (reg >= XKD_CFI_NREGS && !m->cur.bad)
		return bad(m, "the frame address is in a register that is none");
	m->now.cfa = (struct xkd_cfi_rule){ .kind = XKD_CFI_REG, .reg = (unsigned)reg, .off = off };
	return XKD_OK;
}

static enum xkd_rc op_cfa(struct machine *m, uint8_t op)
{
	bool by_reg = m->now.cfa.kind == XKD_CFI_REG;
	uint64_t reg;

	switch (op) {
	case OP_DEF_CFA:
		reg = xkd_cur_uleb(&m->cur);
		return set_cfa(m, reg, (int64_t)xkd_cur_uleb(&m->cur));
	case OP_DEF_CFA_SF:
		reg = xkd_cur_uleb(&m->cur);
		return set_cfa(m, reg, factored(m, (uint64_t)xkd_cur_sleb(&m->cur)));
	case OP_DEF_CFA_EXPR:
		m->now.cfa = expression(m, XKD_CFI_VAL_EXPR);
		return XKD_OK;
	default:
		break;
	}
	if (!by_reg)
		return bad(m, "half a frame address changes where there is none by register");
	if (op == OP_DEF_CFA_REG)
		return set_cfa(m, xkd_cur_uleb(&m->cur), m->now.cfa.off);
	m->now.cfa.off = op == OP_DEF_CFA_OFF ? (int64_t)xkd_cur_uleb(&m->cur)
					      : factored(m, (uint64_t)xkd_cur_sleb(&m->cur));
	return XKD_OK;
}

static enum xkd_rc op_state(struct machine *m, uint8_t op)
{
	if (op == OP_REMEMBER) {
		if (m->nsaved == REMEMBER_MAX)
			return bad(m, "states remembered without end");
		m->saved[m->nsaved++] = m->now;
		return XKD_OK;
	}
	if (!m->nsaved)
		return bad(m, "a state restored that was not remembered");
	m->now = m->saved[--m->nsaved];
	return XKD_OK;
}

static enum xkd_rc op_reg(struct machine *m, uint8_t op)
{
	uint64_t reg = xkd_cur_uleb(&m->cur);

	switch (op) {
	case OP_OFFSET_EXT:
		set_offset(m, reg, XKD_CFI_OFFSET, xkd_cur_uleb(&m->cur));
		break;
	case OP_OFFSET_EXT_SF:
		set_offset(m, reg, XKD_CFI_OFFSET, (uint64_t)xkd_cur_sleb(&m->cur));
		break;
	case OP_NEG_OFFSET_EXT:
		set_offset(m, reg, XKD_CFI_OFFSET, -xkd_cur_uleb(&m->cur));
		break;
	case OP_VAL_OFFSET:
		set_offset(m, reg, XKD_CFI_VAL_OFFSET, xkd_cur_uleb(&m->cur));
		break;
	case OP_VAL_OFFSET_SF:
		set_offset(m, reg, XKD_CFI_VAL_OFFSET, (uint64_t)xkd_cur_sleb(&m->cur));
		break;
	case OP_RESTORE_EXT:
		restore(m, reg);
		break;
	case OP_UNDEFINED:
		set_reg(m, reg, (struct xkd_cfi_rule){ .kind = XKD_CFI_UNDEF });
		break;
	case OP_SAME:
		set_reg(m, reg, (struct xkd_cfi_rule){ .kind = XKD_CFI_SAME });
		break;
	case OP_REGISTER: {
		uint64_t in = xkd_cur_uleb(&m->cur);

		/* a register that we do not keep cannot be read back */
		if (in < XKD_CFI_NREGS)
			set_reg(m, reg,
				(struct xkd_cfi_rule){ .kind = XKD_CFI_REG, .reg = (unsigned)in });
		else
			set_reg(m, reg, (struct xkd_cfi_rule){ .kind = XKD_CFI_UNDEF });
		break;
	}
	case OP_EXPR:
		set_reg(m, reg, expression(m, XKD_CFI_EXPR));
		break;
	default:
		set_reg(m, reg, expression(m, XKD_CFI_VAL_EXPR));
		break;
	}
	return XKD_OK;
}

static enum xkd_rc op_long(struct machine *m, uint8_t op)
{
	switch (op) {
	case OP_NOP:
		return XKD_OK;
	case OP_SET_LOC:
		return advance(m, cfi_encoded(m->c, &m->cur, m->cie->enc));
	case OP_ADVANCE_1:
		return advance_by(m, xkd_cur_get(&m->cur, 1));
	case OP_ADVANCE_2:
		return advance_by(m, xkd_cur_get(&m->cur, 2));
	case OP_ADVANCE_4:
		return advance_by(m, xkd_cur_get(&m->cur, 4));
	case OP_ADVANCE_8:
		return advance_by(m, xkd_cur_get(&m->cur, 8));
	case OP_REMEMBER:
	case OP_RESTORE_STATE:
		return op_state(m, op);
	case OP_DEF_CFA:
	case OP_DEF_CFA_SF:
	case OP_DEF_CFA_REG:
	case OP_DEF_CFA_OFF:
	case OP_DEF_CFA_OFF_SF:
	case OP_DEF_CFA_EXPR:
		return op_cfa(m, op);
	case OP_ARGS_SIZE: /* of no use to an unwinder that follows the frame address */
		xkd_cur_uleb(&m->cur);
		return XKD_OK;
	case OP_OFFSET_EXT:
	case OP_OFFSET_EXT_SF:
	case OP_NEG_OFFSET_EXT:
	case OP_VAL_OFFSET:
	case OP_VAL_OFFSET_SF:
	case OP_RESTORE_EXT:
	case OP_UNDEFINED:
	case OP_SAME:
	case OP_REGISTER:
	case OP_EXPR:
	case OP_VAL_EXPR:
		return op_reg(m, op);
	default:
		return bad(m, "an unknown instruction");
	}
}

static enum xkd_rc run(struct machine *m, const uint8_t *p, size_t n)
{
	enum xkd_rc rc = XKD_OK;

	m->cur = (struct xkd_cur){ p, p + n, false };
	while (!rc && !m->done && m->cur.p < m->cur.end) {
		uint8_t op = (uint8_t)xkd_cur_get(&m->cur, 1);

		switch (op & 0xc0) {
		case OP_ADVANCE:
			rc = advance_by(m, op & 0x3f);
			break;
		case OP_OFFSET:
			set_offset(m, op & 0x3f, XKD_CFI_OFFSET, xkd_cur_uleb(&m->cur));
			break;
		case OP_RESTORE:
			restore(m, op & 0x3f);
			break;
		default:
			rc = op_long(m, op);
		}
		if (!rc && m->cur.bad)
			rc = bad(m, "cut off");
	}
	return rc;
}

static const struct cfi_fde *fde_at(const struct xkd_cfi *c, uint64_t iaddr)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->fdes[mid].low <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && iaddr < c->fdes[lo - 1].high ? &c->fdes[lo - 1] : NULL;
}

static enum xkd_rc run_both(struct machine *m, const struct cfi_rec *fde)
{
	enum xkd_rc rc;

	m->in_cie = true;
	rc = run(m, m->cie->insns, m->cie->insns_len);
	if (rc)
		return rc;
	m->in_cie = false;
	m->initial = m->now;
	m->nsaved = 0;
	return run(m, fde->body.p, (size_t)(fde->body.end - fde->body.p));
}

enum xkd_rc xkd_cfi_row_at(struct xkd_cfi *c, uint64_t iaddr, struct xkd_cfi_row *row,
			   struct xkd_err *err)
{
	const struct cfi_fde *f = fde_at(c, iaddr);
	struct cfi_cie cie;
	struct cfi_rec r;
	uint64_t low, high;
	enum xkd_rc rc;

	memset(row, 0, sizeof(*row));
	if (!f)
		return xkd_err_addr(err, XKD_NOTFOUND, iaddr, "no call frame information");
	rc = cfi_rec_at(c, f->off, &r, err);
	if (!rc)
		rc = cfi_cie_of(c, &r, &cie, err);
	if (!rc)
		rc = cfi_fde_range(c, &cie, &r, &low, &high, err);
	if (rc)
		return rc;

	struct machine m;

	memset(&m, 0, offsetof(struct machine, saved));
	m.nsaved = 0;
	m.c = c;
	m.cie = &cie;
	m.loc = f->low;
	m.want = iaddr;
	m.next = f->high;
	m.done = false;
	m.err = err;
	rc = run_both(&m, &r);
	if (rc)
		return rc;
	if (m.now.cfa.kind == XKD_CFI_UNSPEC)
		return xkd_err_addr(err, XKD_BADDATA, iaddr,
				    "call frame information without a frame address");
	row->low = m.loc;
	row->high = m.next < f->high ? m.next : f->high;
	row->fde_low = f->low;
	row->fde_high = f->high;
	row->cfa = m.now.cfa;
	memcpy(row->reg, m.now.reg, sizeof(row->reg));
	row->ra_reg = cie.ra_reg;
	row->signal_frame = cie.signal;
	return XKD_OK;
}
