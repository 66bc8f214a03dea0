/* u, ub, uf, r and !vtop on the fake target: rows as a user sees them. */
#include "engine/cmd/code.h"
#include "base/str.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"

#define CODE 0xffffffff81000000ULL

/* push rbp; mov rbp,rsp; mov rax,qword ptr [rbp+8]; je +2; int3; ud2; bad byte; ret; and then two
 * bytes of a longer instruction before the segment ends */
static uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x45, 0x08, 0x74,
			  0x01, 0xcc, 0x0f, 0x0b, 0x06, 0xc3, 0x48, 0x8b };
static uint8_t stack[32];

static struct xkd_buf text;

static const char *run(struct xkd_session *s, const char *line)
{
	xkd_buf_reset(&text);
	(void)xkd_session_line(s, line);
	xkd_out_flush(&s->out);
	return text.s;
}

static void listing(struct xkd_session *s)
{
	is_str(run(s, "u ffffffff81000000 L5"),
	       "ffffffff`81000000 55              push    rbp\n"
	       "ffffffff`81000001 4889e5          mov     rbp,rsp\n"
	       "ffffffff`81000004 488b4508        mov     rax,qword ptr [rbp+8]\n"
	       "ffffffff`81000008 7401            je      ffffffff`8100000b\n"
	       "ffffffff`8100000a cc              int     3\n",
	       "u addr L n");
	is_str(run(s, "u L2"),
	       "ffffffff`8100000b 0f0b            ud2\n"
	       "ffffffff`8100000d 06              ???\n",
	       "u goes on; a byte that is no instruction");
	is_str(run(s, "u ffffffff8100000d ffffffff8100000e"),
	       "ffffffff`8100000d 06              ???\n"
	       "ffffffff`8100000e c3              ret\n",
	       "u addr end: the end may begin an instruction");
	ok(strstr(run(s, "u ffffffff81000100"), "ffffffff`81000100 ??              ???\nerror: ") ==
		   text.s,
	   "code that cannot be read is a row and an error");
	ok(strstr(run(s, "u ffffffff81000008 ffffffff81000000"), "ends before it begins") != NULL,
	   "a range backwards");
	is_str(run(s, "ub ffffffff81000008 L2"),
	       "ffffffff`81000001 4889e5          mov     rbp,rsp\n"
	       "ffffffff`81000004 488b4508        mov     rax,qword ptr [rbp+8]\n",
	       "ub without symbols");
	is_str(run(s, "ub L1"), "ffffffff`81000000 55              push    rbp\n",
	       "ub goes on backwards");
	ok(strstr(run(s, "ub ffffffff81000008 L200"), "error: ") != NULL, "ub has a limit");
	ok(strstr(run(s, "uf ffffffff81000008"), "no symbol covers") != NULL, "uf needs a symbol");
}

static void registers(struct xkd_session *s)
{
	is_str(run(s, "r rax"), "rax=1122334455667788\n", "r rax");
	is_str(run(s, "r eax,ah, AX"), "eax=55667788 ah=77 ax=7788\n", "parts of it");
	is_str(run(s, "r ah = 0; r rax"), "rax=1122334455660088\n",
	       "setting a part leaves the rest");
	is_str(run(s, "r rax=5,rbx=@rax + 1; r rax,rbx"),
	       "rax=0000000000000005 rbx=0000000000000006\n", "several at once");
	is_u64(mock_reg_now(s->t, "rbx"), 6, "the target has it");
	ok(strstr(run(s, "r al=100"), "does not fit into the 8 bits of al") != NULL,
	   "what does not fit is refused");
	ok(strstr(run(s, "r nonsense"), "no register is called nonsense") != NULL, "a wrong name");
	is_str(run(s, "r $t3=1f; r $t3"), "$t3=000000000000001f\n", "pseudo-registers");
	is_str(run(s, "r."), "rax=0000000000000005 rbp=ffffb23280140ef0\n",
	       "r.: what the instruction names");
	run(s, "r");
	ok(strstr(text.s, "ffffffff`81000004 488b4508        mov     rax,qword ptr [rbp+8] "
			  "ss:ffffb232`80140ef8=1817161514131211\n") != NULL,
	   "r ends with the instruction and what it reads");
	run(s, "r rbp=5000; r");
	ok(strstr(text.s, "ss:00000000`00005008=????????????????\n") != NULL,
	   "question marks where that cannot be read");
	s->read_only = true;
	ok(strstr(run(s, "r rax=1"), "read-only") != NULL, "a read-only session");
	s->read_only = false;
	is_u64(mock_reg_now(s->t, "rax"), 5, "did not write");
	ok(strstr(run(s, "rdmsr 1b"), "gives no access to model-specific register 1b") != NULL,
	   "rdmsr says that it cannot");
	is_str(run(s, "rdmsr c0000101"), "msr[c0000101] = ffff8880`07c00000\n",
	       "but for those that are registers as well");
}

int main(void)
{
	static struct xkd_session s;
	struct xkd_bufsink sink;

	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = (uint8_t)(i + 9);
	xkd_buf_init(&text);
	xkd_session_init(&s);
	xkd_bufsink_init(&sink, &text);
	xkd_out_add_sink(&s.out, &sink.sink);
	s.t = mock_open();
	mock_seg(s.t, CODE, code, sizeof(code));
	mock_seg(s.t, 0xffffb23280140ef0, stack, sizeof(stack));
	mock_reg(s.t, "rip", CODE + 4);
	mock_reg(s.t, "rax", 0x1122334455667788);
	mock_reg(s.t, "rbp", 0xffffb23280140ef0);
	mock_reg(s.t, "gs_base", 0xffff888007c00000);
	listing(&s);
	registers(&s);
	mock_close(s.t);
	s.t = NULL;
	xkd_session_fini(&s);
	xkd_buf_fini(&text);
	return done_testing();
}
