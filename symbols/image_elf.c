/* Reads the headers of a mapped ELF file with libelf, and checks them. Invariants: the identity and
 * the place of the section headers are checked before libelf sees the file; libelf only reads the
 * mapping and is gone when the call returns; every section handed out lies inside the mapping. */
#include "symbols/image_elf.h"
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <string.h>

#define MAX_SECTIONS 1000000

size_t xkd_elf_strtab_len(const uint8_t *tab, size_t size)
{
	const uint8_t *last = size ? memrchr(tab, 0, size) : NULL;

	return last ? (size_t)(last - tab) + 1 : 0;
}

/* What a file that is no ELF file is instead: the usual mistakes have a name. */
static const char *what_instead(const uint8_t *p, size_t n)
{
	if (!n)
		return "an empty file";
	if (n > 0x206 && !memcmp(p + 0x202, "HdrS", 4))
		return "a bzImage, which carries no symbols (the vmlinux it was made from does)";
	if (n > 4 && !memcmp(p, "\x1f\x8b", 2))
		return "gzip-compressed";
	if (n > 6 && !memcmp(p,
			     "\xfd"
			     "7zXZ",
			     5))
		return "xz-compressed";
	if (n > 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4))
		return "zstd-compressed";
	return "no ELF file";
}

static const char *machine_name(unsigned m)
{
	switch (m) {
	case EM_386:
		return "i386";
	case EM_ARM:
		return "arm";
	case EM_AARCH64:
		return "aarch64";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	case EM_RISCV:
		return "riscv";
	case EM_MIPS:
		return "mips";
	default:
		return "another machine";
	}
}

static enum xkd_rc check_ident(const uint8_t *map, size_t size, const char *path,
			       struct xkd_err *err)
{
	Elf64_Ehdr h;

	if (size < SELFMAG || memcmp(map, ELFMAG, SELFMAG))
		return xkd_err_set(err, XKD_BADDATA, "%s is %s", path, what_instead(map, size));
	if (size < sizeof(h))
		return xkd_err_set(err, XKD_BADDATA,
				   "%s is truncated: %zu bytes, less than an ELF header", path,
				   size);
	memcpy(&h, map, sizeof(h));
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB)
		return xkd_err_set(err, XKD_BADDATA, "%s is no 64-bit little-endian ELF file",
				   path);
	if (h.e_machine != EM_X86_64)
		return xkd_err_set(err, XKD_BADDATA, "%s is for %s (%u), not for x86-64", path,
				   machine_name(h.e_machine), h.e_machine);
	if (h.e_type != ET_REL && h.e_type != ET_EXEC && h.e_type != ET_DYN)
		return xkd_err_set(err, XKD_BADDATA, "%s is %s (ELF type %u), no program or module",
				   path, h.e_type == ET_CORE ? "a core dump" : "of unknown kind",
				   h.e_type);
	if (!h.e_shoff)
		return xkd_err_set(err, XKD_BADDATA, "%s has no section headers", path);
	if (h.e_shentsize != sizeof(Elf64_Shdr))
		return xkd_err_set(err, XKD_BADDATA, "%s has section headers of %u bytes, not %zu",
				   path, h.e_shentsize, sizeof(Elf64_Shdr));
	/* e_shnum 0: the number is in section header 0 */
	if (h.e_shoff > size ||
	    (h.e_shnum ? h.e_shnum : 1) > (size - h.e_shoff) / sizeof(Elf64_Shdr))
		return xkd_err_set(err, XKD_BADDATA,
				   "%s is truncated: its section headers at 0x%" PRIx64
				   " lie beyond its end at 0x%zx",
				   path, (uint64_t)h.e_shoff, size);
	return XKD_OK;
}

static enum xkd_rc check_section(const struct xkd_elf_sec *s, size_t i, size_t size,
				 const char *path, struct xkd_err *err)
{
	if (s->type == SHT_NULL)
		return XKD_OK;
	if (s->type != SHT_NOBITS && (s->off > size || s->size > size - s->off))
		return xkd_err_set(err, XKD_BADDATA,
				   "%s is truncated: section %zu (%.40s) at 0x%" PRIx64
				   "+0x%" PRIx64 " reaches beyond its end at 0x%zx",
				   path, i, s->name, s->off, s->size, size);
	if (s->addr + s->size < s->addr)
		return xkd_err_set(err, XKD_BADDATA,
				   "%s: section %zu (%.40s) of 0x%" PRIx64 " bytes at 0x%" PRIx64
				   " leaves the address space",
				   path, i, s->name, s->size, s->addr);
	return XKD_OK;
}

static enum xkd_rc read_sections(Elf *e, const uint8_t *map, size_t size, const char *path,
				 struct xkd_elf *elf, struct xkd_err *err)
{
	const char *names = NULL;
	size_t strndx, nnames = 0;
	GElf_Shdr sh;

	if (!elf_getshdrstrndx(e, &strndx) && strndx && strndx < elf->nsec &&
	    gelf_getshdr(elf_getscn(e, strndx), &sh) && sh.sh_type == SHT_STRTAB &&
	    sh.sh_offset <= size && sh.sh_size <= size - sh.sh_offset) {
		names = (const char *)map + sh.sh_offset;
		nnames = xkd_elf_strtab_len(map + sh.sh_offset, sh.sh_size);
	}
	for (size_t i = 0; i < elf->nsec; i++) {
		struct xkd_elf_sec *s = &elf->sec[i];
		enum xkd_rc rc;

		if (!gelf_getshdr(elf_getscn(e, i), &sh))
			return xkd_err_set(err, XKD_BADDATA, "%s: section header %zu: %s", path, i,
					   elf_errmsg(-1));
		*s = (struct xkd_elf_sec){ .name = sh.sh_name < nnames ? names + sh.sh_name : "",
					   .addr = sh.sh_addr,
					   .off = sh.sh_offset,
					   .size = sh.sh_size,
					   .align = sh.sh_addralign,
					   .flags = sh.sh_flags,
					   .type = sh.sh_type,
					   .link = sh.sh_link,
					   .info = sh.sh_info };
		rc = check_section(s, i, size, path, err);
		if (rc)
			return rc;
	}
	return XKD_OK;
}

enum xkd_rc xkd_elf_read(const uint8_t *map, size_t size, const char *path, struct xkd_arena *arena,
			 struct xkd_elf *elf, struct xkd_err *err)
{
	enum xkd_rc rc = check_ident(map, size, path, err);
	GElf_Ehdr eh;
	Elf *e;

	*elf = (struct xkd_elf){ 0 };
	if (rc)
		return rc;
	elf_version(EV_CURRENT);
	/* libelf's argument is not const, but a file in memory is written by elf_update alone */
	e = elf_memory((char *)(uintptr_t)map, size);
	if (!e || !gelf_getehdr(e, &eh) || elf_getshdrnum(e, &elf->nsec)) {
		rc = xkd_err_set(err, XKD_BADDATA, "%s: %s", path, elf_errmsg(-1));
	} else if (!elf->nsec || elf->nsec > MAX_SECTIONS) {
		rc = xkd_err_set(err, XKD_BADDATA, "%s has %zu sections", path, elf->nsec);
	} else {
		elf->type = eh.e_type;
		elf->entry = eh.e_entry;
		elf->sec = XKD_NEWN(arena, struct xkd_elf_sec, elf->nsec);
		rc = read_sections(e, map, size, path, elf, err);
	}
	elf_end(e);
	return rc;
}
