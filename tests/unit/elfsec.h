/* A section of an ELF file, found without any of the code under test. For tests on real kernels. */
#ifndef XKD_TESTS_ELFSEC_H
#define XKD_TESTS_ELFSEC_H
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct elfsec {
	const uint8_t *data;
	size_t size;
	uint64_t addr;
};

/* The first file that matches pattern below the folder XKD_KERNEL; "" if none. */
static inline const char *kernel_file(const char *pattern, char *buf, size_t n)
{
	const char *k = getenv("XKD_KERNEL");
	glob_t g = { 0 };

	buf[0] = 0;
	if (!k)
		return buf;
	snprintf(buf, n, "%s/%s", k, pattern);
	if (!glob(buf, 0, NULL, &g) && g.gl_pathc)
		snprintf(buf, n, "%s", g.gl_pathv[0]);
	else
		buf[0] = 0;
	globfree(&g);
	return buf;
}

/* Maps the file and leaves it mapped. */
static inline bool elfsec_get(const char *path, const char *name, struct elfsec *s)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint8_t *p;

	if (fd < 0)
		return false;
	if (fstat(fd, &st)) {
		close(fd);
		return false;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;

	const Elf64_Ehdr *eh = (const void *)p;
	const Elf64_Shdr *sh = (const void *)(p + eh->e_shoff);
	const char *names = (const char *)p + sh[eh->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (!strcmp(names + sh[i].sh_name, name) && sh[i].sh_type != SHT_NOBITS) {
			s->data = p + sh[i].sh_offset;
			s->size = sh[i].sh_size;
			s->addr = sh[i].sh_addr;
			return true;
		}
	munmap((void *)p, (size_t)st.st_size);
	return false;
}
#endif
