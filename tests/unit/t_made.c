/* Made images: symbols, sections, sizes and parts are what was given; what cannot be is refused. */
#include "base/str.h"
#include "symbols/btf.h"
#include "symbols/image_made.h"
#include "symbols/orc.h"
#include "tests/unit/tap.h"
#include <elf.h>
#include <stdlib.h>

#define TEXT 0xffffffff81000000ULL

/* struct s { int a; }, by Documentation/bpf/btf.rst. */
static const uint8_t btf[] = {
	0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0,   0,	 0,   0, 40,  0, 0,   0, 40, 0,	 0,
	0,    9,    0, 0, 0,  1, 0, 0, 0,   0,	 0,   0, 1,   4, 0,   0, 0,  32, 0,
	0,    1,    5, 0, 0,  0, 1, 0, 0,   4,	 4,   0, 0,   0, 7,   0, 0,  0,	 1,
	0,    0,    0, 0, 0,  0, 0, 0, 'i', 'n', 't', 0, 's', 0, 'a', 0,
};
static const uint8_t note[] = { 4, 0, 0,   0,	4,   0, 0,    0,    3,	  0,
				0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef };
/* Two entries, at 0x10 and 0x40 of the text: "sp + 8, call" of version 3. */
static uint8_t ips[8];
static const uint8_t orcs[] = { 8, 0, 0, 0, 5, 2, 16, 0, 0, 0, 5, 2 };

static const struct xkd_made_sec secs[] = {
	{ .name = ".text", .addr = TEXT, .size = 0x1000, .loaded = true, .exec = true },
	{ .name = ".notes",
	  .addr = TEXT + 0x1000,
	  .size = sizeof(note),
	  .data = note,
	  .loaded = true },
	{ .name = ".orc_unwind_ip", .addr = TEXT + 0x2000, .size = 8, .data = ips, .loaded = true },
	{ .name = ".orc_unwind", .size = sizeof(orcs), .data = orcs },
	{ .name = ".BTF", .size = sizeof(btf), .data = btf },
	{ .name = ".data", .addr = TEXT + 0x3000, .size = 0x1000, .loaded = true },
};
static const struct xkd_made_sym syms[] = {
	{ "late", TEXT + 0x40, 0, STT_FUNC, STB_GLOBAL },
	{ "early", TEXT + 0x10, 0, STT_FUNC, STB_LOCAL },
	{ "alias", TEXT + 0x10, 0, STT_FUNC, STB_GLOBAL },
	{ "sized", TEXT + 0x80, 0x20, STT_FUNC, STB_GLOBAL },
	{ "_etext", TEXT + 0x1000, 0, STT_FUNC, STB_GLOBAL },
	{ "var", TEXT + 0x3010, 0, STT_OBJECT, STB_GLOBAL },
	{ "percpu", 0x1a000, 0, STT_NOTYPE, STB_GLOBAL },
};

static void symbols(struct xkd_image *img)
{
	struct xkd_sym s, next;
	size_t n;

	ok(!xkd_image_sym_named(img, "early", &s, &n) && n == 1, "a symbol by name");
	is_u64(s.addr, TEXT + 0x10, "its address is the one given");
	is_u64(s.size, 0x30, "its size reaches to the next address");
	is_u64(s.bind, STB_LOCAL, "its binding");
	ok(!xkd_image_sym_named(img, "sized", &s, &n) && s.size == 0x20, "a size given is kept");
	ok(!xkd_image_sym_named(img, "late", &s, &n) && s.size == 0x40, "the last but one's size");
	ok(!xkd_image_sym_named(img, "var", &s, &n) && s.size == 0xff0,
	   "the last reaches to its section's end");
	ok(!xkd_image_sym_named(img, "percpu", &s, &n) && s.addr == 0x1a000 && s.shndx == SHN_ABS &&
		   !s.size,
	   "what lies in no section is absolute");
	ok(!xkd_image_sym_at(img, TEXT + 0x12, &s, &next) && !strcmp(s.name, "alias"),
	   "by address: the global one of two");
	is_str(next.name, "late", "the next one");
	ok(!xkd_image_sym_at(img, TEXT + 0x3050, &s, NULL) && !strcmp(s.name, "var"),
	   "data by address");
	ok(xkd_image_sym_at(img, 0x1a004, &s, NULL), "an absolute one is no place");
	ok(xkd_image_sym_named(img, "absent", &s, &n) == XKD_NOTFOUND, "an absent name");
}

static void parts(struct xkd_image *img)
{
	const struct xkd_type *t = NULL;
	struct xkd_orc_entry e;
	struct xkd_btf *b;
	struct xkd_orc *o;
	char hex[XKD_BUILDID_HEX];

	is_str(xkd_buildid_hex(xkd_image_buildid(img), hex), "deadbeef",
	       "the build-id of the notes");
	ok(!xkd_image_btf(img, NULL, &b, NULL) &&
		   !xkd_btf_types(b)->find(xkd_btf_types(b), XKD_TAG_STRUCT, "s", &t, NULL) &&
		   t->size == 4,
	   "types of its BTF");
	ok(!xkd_image_orc(img, &o, NULL) && !xkd_orc_at(o, TEXT + 0x3f, &e) && e.sp_off == 8 &&
		   e.ip == TEXT + 0x10 && !xkd_orc_at(o, TEXT + 0x40, &e) && e.sp_off == 16,
	   "unwinding by its ORC, at the addresses given");
	ok(!xkd_image_has_dwarf(img), "no DWARF");
	ok(xkd_image_is_made(img) && !xkd_image_is_ko(img), "it knows that it is made");
	is_str(xkd_image_path(img), "from memory", "its path is where it comes from");
}

static void refused(void)
{
	struct xkd_made_sec two[2] = { secs[0], secs[5] };
	struct xkd_made m = { .origin = "from memory", .sec = two, .nsec = 2 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img;

	two[1].addr = TEXT + 0xfff;
	is_u64(xkd_image_make(&m, NULL, &img, &err), XKD_BADDATA, "sections that overlap");
	is_str(err.msg, "sections .text and .data from memory overlap", "the message");
	ok(!img, "no image");
	two[1].addr = -0x800ULL;
	is_u64(xkd_image_make(&m, NULL, &img, &err), XKD_BADDATA,
	       "a section that leaves the address space");
	two[1] = secs[5];
	two[1].data = note;
	two[1].size = 1ULL << 40;
	is_u64(xkd_image_make(&m, NULL, &img, &err), XKD_BADDATA, "more bytes than can be");
	m.nsec = 0;
	ok(!xkd_image_make(&m, NULL, &img, &err), "an image of nothing is one");
	xkd_image_unref(img);
}

int main(void)
{
	struct xkd_made m = { "from memory", secs, XKD_COUNT(secs), syms, XKD_COUNT(syms) };
	struct xkd_image *img = NULL;
	struct xkd_err err = XKD_ERR_INIT;

	xkd_put_le(ips, 0x10 - 0x2000, 4);
	xkd_put_le(ips + 4, 0x40 - 0x2004, 4);
	if (ok(!xkd_image_make(&m, NULL, &img, &err), "an image is made %s", err.msg)) {
		symbols(img);
		parts(img);
	}
	xkd_image_unref(img);
	refused();
	return done_testing();
}
