/* The expression tree and what lexer, parser and evaluator share. Internal to engine/lang. */
#ifndef XKD_ENGINE_EXPR_INT_H
#define XKD_ENGINE_EXPR_INT_H
#include "engine/lang/expr.h"
#include "engine/lang/lang.h"

enum xkd_tok {
	XKD_TK_END,
	XKD_TK_NUM,
	XKD_TK_NAME,   /* "foo", "kvm!foo" */
	XKD_TK_AT,     /* "@rax", "@$t0", MASM also "$t0": text is "rax", "$t0" */
	XKD_TK_STR,
	XKD_TK_SRC,    /* `file.c:123` */
	XKD_TK_SWITCH, /* "@@c++", "@@masm", "@@": num: 0 MASM, 1 C++, 2 the other one */
	XKD_TK_OP,     /* op: below */
	XKD_TK_OTHER,  /* a byte that begins nothing here: an expression may end before it */
};

enum xkd_op {
	XKD_OP_NONE,
	/* leaves */
	XKD_OP_NUM,
	XKD_OP_NAME,
	XKD_OP_AT,
	XKD_OP_SRC,
	XKD_OP_HERE, /* . */
	XKD_OP_STR,
	/* one operand */
	XKD_OP_NEG,
	XKD_OP_POS,
	XKD_OP_BITNOT,
	XKD_OP_NOT,
	XKD_OP_DEREF,
	XKD_OP_ADDR,
	XKD_OP_HI,
	XKD_OP_LOW,
	XKD_OP_BY,
	XKD_OP_WO,
	XKD_OP_DWO,
	XKD_OP_QWO,
	XKD_OP_POI,
	XKD_OP_PREINC,
	XKD_OP_PREDEC,
	XKD_OP_POSTINC,
	XKD_OP_POSTDEC,
	XKD_OP_OTHER, /* the operand is in the other syntax */
	/* two operands */
	XKD_OP_MUL,
	XKD_OP_DIV,
	XKD_OP_MOD,
	XKD_OP_ADD,
	XKD_OP_SUB,
	XKD_OP_SHL,
	XKD_OP_SHR,
	XKD_OP_SAR, /* >>> */
	XKD_OP_LT,
	XKD_OP_GT,
	XKD_OP_LE,
	XKD_OP_GE,
	XKD_OP_EQ,
	XKD_OP_NE,
	XKD_OP_AND,
	XKD_OP_XOR,
	XKD_OP_OR,
	XKD_OP_LAND,
	XKD_OP_LOR,
	XKD_OP_ASSIGN, /* op2: ADD for += and so on; NONE for = */
	XKD_OP_COMMA,
	XKD_OP_INDEX,
	XKD_OP_MEMBER,
	XKD_OP_ARROW,
	/* more */
	XKD_OP_COND,
	XKD_OP_CAST,	     /* tn, a */
	XKD_OP_SIZEOF_TYPE,  /* tn */
	XKD_OP_SIZEOF,	     /* a */
	XKD_OP_OFFSETOF,     /* tn, b: member path */
	XKD_OP_CONTAINER_OF, /* a: pointer, tn, b: member path */
	XKD_OP_PER_CPU,	     /* a: variable or pointer, b: CPU number (NULL: this one); num 1: a is a pointer */
	XKD_OP_SELF,	     /* the object that a member path starts from */
	XKD_OP_VVALID,
	XKD_OP_SCMP,
	XKD_OP_SICMP,
	XKD_OP_SPAT,
	/* punctuation that is no operation of its own */
	XKD_OP_LPAREN,
	XKD_OP_RPAREN,
	XKD_OP_LBRACK,
	XKD_OP_RBRACK,
	XKD_OP_QUESTION,
	XKD_OP_COLON,
};

struct xkd_token {
	enum xkd_tok kind;
	enum xkd_op op;
	enum xkd_op op2;  /* of an assignment */
	int start, end;	  /* range in the text */
	uint64_t num;
	bool is_unsigned, is_long; /* suffixes, C++ */
	bool decimal;
	const char *text; /* names and strings, arena */
};

struct xkd_node {
	enum xkd_op op, op2;
	bool masm;
	int pos;
	int depth;
	struct xkd_node *a, *b, *c;
	const char *text;
	uint64_t num;
	bool is_unsigned, is_long, decimal;
	struct xkd_typename *tn;
};

#define XKD_EXPR_DEPTH 300 /* of the tree: also what recursion over it costs at most */
#define XKD_EXPR_TEXT 65536

struct xkd_parser {
	const char *text;
	int len;
	int at;			/* where the next token begins */
	int last_end;		/* end of the last token consumed */
	struct xkd_token tok;	/* the current one */
	enum xkd_syntax syntax;
	unsigned radix;
	int depth;
	int brackets;		/* inside parentheses all blanks are only blanks */
	struct xkd_arena *arena;
	struct xkd_err *err;
	/* Is this name a variable or function? Decides (name)(...) and sizeof(name). NULL: no. */
	bool (*is_var)(void *arg, const char *name);
	bool (*is_type)(void *arg, const char *name);
	void *arg;
};

/* --- lexer --- */
enum xkd_rc xkd_lex_next(struct xkd_parser *p) XKD_MUST; /* p->tok becomes the next token */
bool xkd_lex_word_op(const struct xkd_parser *p, const char *word, enum xkd_op *op);

/* --- parser --- */
enum xkd_rc xkd_expr_parse(struct xkd_parser *p, struct xkd_node **n, const char **end) XKD_MUST;
enum xkd_rc xkd_parse_any(struct xkd_parser *p, struct xkd_node **n) XKD_MUST; /* by p->syntax */
enum xkd_rc xkd_parse_masm(struct xkd_parser *p, int level, struct xkd_node **n) XKD_MUST;
enum xkd_rc xkd_parse_cxx(struct xkd_parser *p, struct xkd_node **n) XKD_MUST;	   /* comma too */
enum xkd_rc xkd_parse_cxx_assign(struct xkd_parser *p, struct xkd_node **n) XKD_MUST;
/* helpers shared by both */
struct xkd_node *xkd_node_new(struct xkd_parser *p, enum xkd_op op, int pos);
enum xkd_rc xkd_node_join(struct xkd_parser *p, struct xkd_node *n) XKD_MUST; /* depth of n */
enum xkd_rc xkd_parse_switch(struct xkd_parser *p, struct xkd_node **n) XKD_MUST;
enum xkd_rc xkd_parse_expect(struct xkd_parser *p, enum xkd_op op, const char *what) XKD_MUST;
enum xkd_rc xkd_parse_fail(struct xkd_parser *p);
enum xkd_rc xkd_parse_enter(struct xkd_parser *p) XKD_MUST; /* recursion bound */
void xkd_parse_leave(struct xkd_parser *p);

/* --- evaluator --- */
struct xkd_evalctx {
	const struct xkd_ctx *ctx;
	const struct xkd_env *env;
	struct xkd_arena *arena;
	struct xkd_module *scope; /* module of the code at hand */
	const struct xkd_value *self; /* XKD_OP_SELF */
	bool percpu_raw; /* names of per-CPU variables mean their offsets, not this CPU's copy */
};
/* The tree of a text, its names told apart by e; it lives in e's arena. end as in xkd_eval. */
enum xkd_rc xkd_eval_parse(struct xkd_evalctx *e, enum xkd_syntax syntax, const char *text,
			   const char **end, struct xkd_node **n, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_eval_node(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			  struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_eval_masm(struct xkd_evalctx *e, const struct xkd_node *n, uint64_t *num,
			  struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_eval_cxx(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			 struct xkd_err *err) XKD_MUST;
/* A value as the number an address expression means: aggregates and arrays are their address. */
enum xkd_rc xkd_eval_number(struct xkd_evalctx *e, const struct xkd_value *v, uint64_t *num,
			    struct xkd_err *err) XKD_MUST;
/* Typed arithmetic on two scalars (C's conversions, pointer arithmetic, comparisons). */
enum xkd_rc xkd_eval_binary(struct xkd_evalctx *e, const struct xkd_node *n,
			    const struct xkd_value *a, const struct xkd_value *b,
			    struct xkd_value *v, struct xkd_err *err) XKD_MUST;
/* Integer promotions; arrays and functions become pointers. */
enum xkd_rc xkd_eval_promote(struct xkd_evalctx *e, const struct xkd_value *v,
			     struct xkd_value *out, struct xkd_err *err) XKD_MUST;
/* An error about the thing at pos: SYNTAX keeps its own. */
enum xkd_rc xkd_eval_at(struct xkd_err *err, enum xkd_rc rc, int pos);
/* Names (expr_names.c). */
enum xkd_rc xkd_eval_at_name(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			     struct xkd_err *err) XKD_MUST; /* @rax, @$t0 */
enum xkd_rc xkd_eval_name(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			  struct xkd_err *err) XKD_MUST; /* C++ */
enum xkd_rc xkd_eval_symbol(struct xkd_evalctx *e, const char *name, uint64_t *num,
			    struct xkd_err *err) XKD_MUST; /* MASM */
enum xkd_rc xkd_eval_source(struct xkd_evalctx *e, const char *spec, uint64_t *addr,
			    struct xkd_err *err) XKD_MUST; /* "kvm!x86.c:123" */
bool xkd_eval_is_var(struct xkd_evalctx *e, const char *name);
/* The kernel's number of the context's CPU. */
enum xkd_rc xkd_eval_this_cpu(struct xkd_evalctx *e, int *cpu, struct xkd_err *err) XKD_MUST;
#endif
